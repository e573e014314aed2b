//! What preprocessing learns from the training rows of one column.

use crate::schema::ColumnSchema;
use crate::statistics::Statistics;
use crate::{Floats, Result, Run, bail};

use super::{Encode, Step};

/// Learns the statistics of `column`, and the target mean of each category where it is target-encoded.
///
/// `raw` holds the training rows, one entry per element; for a categorical column its codes, with the categories in
/// the column's statistics already. `target` is the first label of the same rows.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for target encoding without a label, and when the
/// run is cancelled.
pub fn fit_column(column: &mut ColumnSchema, raw: &[Floats], target: Option<&[f64]>, run: &Run) -> Result<()> {
    if let Some(mut categories) = column.statistics.categories.take() {
        let Some(codes) = raw.first() else {
            bail!(Internal, "categorical column \"{}\" has no codes", column.name);
        };
        let mut statistics = if column.preprocessor.encode == Encode::Target {
            let Some(target) = target else {
                bail!(InvalidParameter, "column \"{}\" cannot be target-encoded: there is no label", column.name);
            };
            let means = target_means(codes, target, categories.len());
            for category in categories.values_mut() {
                category.target = means.get(category.value as usize).copied().filter(|mean| !mean.is_nan());
            }
            let encoded = codes.iter().map(|code| means.get(code as usize).copied().unwrap_or(f64::NAN));
            Statistics::of(&Floats::F64(encoded.collect()))
        } else {
            Statistics::of(codes)
        };
        statistics.categories = Some(categories);
        column.statistics = statistics;
        return Ok(());
    }
    let mut elements = Vec::with_capacity(raw.len());
    for values in raw {
        run.check()?;
        elements.push(Statistics::of(values));
    }
    let n_rows = raw.first().map_or(0, Floats::len);
    match (column.array, elements.pop()) {
        (false, Some(statistics)) => column.statistics = statistics,
        (_, last) => {
            elements.extend(last);
            column.statistics = Statistics::pooled(&elements, n_rows);
            column.elements = elements.into_iter().map(Statistics::without_distribution).collect();
        }
    }
    Ok(())
}

/// The mean of the target per code; NaN for a code that no row has.
fn target_means(codes: &Floats, target: &[f64], n_codes: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_u64); n_codes];
    for (code, y) in codes.iter().zip(target) {
        if let (false, Some((sum, n))) = (code.is_nan(), sums.get_mut(code as usize)) {
            *sum += y;
            *n += 1;
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n as f64).collect()
}

/// The steps of all elements of `column`.
///
/// # Errors
/// As [`Step::of`].
pub fn column_steps(column: &ColumnSchema) -> Result<Vec<Step>> {
    (0..column.size).map(|element| Step::of(column, element)).collect()
}
