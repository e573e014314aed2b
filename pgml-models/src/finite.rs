//! Rows to predict that must be complete.

use pgml_core::{Error, ErrorKind, MatrixRef, Result};

/// Fails when a value is missing (NaN) or infinite, for models that cannot cope with either.
///
/// # Errors
/// [`ErrorKind::InvalidData`], naming the feature by position.
pub fn require_finite(rows: &MatrixRef<'_>) -> Result<()> {
    match rows.as_slice().iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => Err(bad_value(at % rows.n_features(), rows.as_slice()[at])),
    }
}

fn bad_value(feature: usize, value: f64) -> Error {
    let what = if value.is_nan() { "missing (NULL or NaN)" } else { "infinite" };
    Error::new(
        ErrorKind::InvalidData,
        format!("feature {} of the row is {what}, which this model cannot use", feature + 1),
    )
    .with_hint(
        "train with imputation in preprocess, for example '{\"<column>\": {\"impute\": \"mean\"}}', or give a value",
    )
}
