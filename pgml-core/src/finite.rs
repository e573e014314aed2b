//! Rows to predict that must be complete.

use crate::{Error, ErrorKind, MatrixRef, Result};

/// Values that are looked at together.
const PIECE: usize = 256;

/// Fails when a value is missing (NaN) or infinite, for models that cannot cope with either.
///
/// # Errors
/// [`ErrorKind::InvalidData`], naming the feature by position: a model knows no names. [`Predictor`](crate::Predictor)
/// names the column instead.
pub fn require_finite(rows: &MatrixRef<'_>) -> Result<()> {
    match first_bad(rows) {
        None => Ok(()),
        Some((feature, value)) => Err(bad_value(&format!("feature {}", feature + 1), "<column>", value)),
    }
}

/// The error of a model for these rows, naming the column where it is about a value that is missing or infinite.
#[must_use]
pub fn name_column(error: Error, rows: &MatrixRef<'_>, name_of: impl FnOnce(usize) -> Option<String>) -> Error {
    match (error.kind(), first_bad(rows)) {
        (ErrorKind::InvalidData, Some((feature, value))) => match name_of(feature) {
            Some(name) => bad_value(&format!("column \"{name}\" (feature {})", feature + 1), &name, value),
            None => error,
        },
        _ => error,
    }
}

/// Feature and value of the first that is not finite.
fn first_bad(rows: &MatrixRef<'_>) -> Option<(usize, f64)> {
    // Pieces without early exit are vectorised; only the piece with the bad value is searched.
    let piece =
        rows.as_slice().chunks(PIECE).position(|piece| !piece.iter().fold(true, |all, x| all & x.is_finite()))?;
    let at = PIECE * piece + rows.as_slice()[PIECE * piece..].iter().position(|x| !x.is_finite())?;
    Some((at % rows.n_features(), rows.as_slice()[at]))
}

fn bad_value(feature: &str, column: &str, value: f64) -> Error {
    let what = if value.is_nan() { "missing (NULL or NaN)" } else { "infinite" };
    Error::new(ErrorKind::InvalidData, format!("{feature} of the row is {what}, which this model cannot use")).with_hint(
        format!(
            "train with imputation in preprocess, for example '{{\"{column}\": {{\"impute\": \"mean\"}}}}', or give a value"
        ),
    )
}
