//! A data set as blocks of rows that fit the cache, column by column in `f64`.

use std::ops::Range;

use pgml_core::{Dataset, Floats, Result, Run};

use super::kernels;

/// Rows per block such that `n_columns` columns of them stay in the second-level cache.
#[must_use]
pub fn block_rows(n_columns: usize) -> usize {
    (48 * 1024 / n_columns.max(1)).clamp(64, 1024)
}

/// The consecutive row ranges of length `size` (the last may be shorter) that cover `0..n_rows`.
pub fn ranges(n_rows: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_rows).step_by(size.max(1)).map(move |first| first..(first + size).min(n_rows))
}

/// Writes the features of `rows` into `out`, column after column, each `rows.len()` long.
pub fn copy_columns(data: &Dataset, rows: &Range<usize>, out: &mut [f64]) {
    for (feature, column) in data.features().iter().zip(out.chunks_exact_mut(rows.len())) {
        copy_column(&feature.values, rows, column);
    }
}

/// Writes `rows` of one column into `out`.
pub fn copy_column(values: &Floats, rows: &Range<usize>, out: &mut [f64]) {
    match values {
        Floats::F32(v) => out.iter_mut().zip(&v[rows.clone()]).for_each(|(out, x)| *out = f64::from(*x)),
        Floats::F64(v) => out.copy_from_slice(&v[rows.clone()]),
    }
}

/// Weighted mean of every feature column.
///
/// # Errors
/// When the run was cancelled.
pub fn feature_means(data: &Dataset, weight: Option<&[f64]>, run: &Run) -> Result<Vec<f64>> {
    let mut scratch = vec![0.0; 1024];
    data.features()
        .iter()
        .map(|feature| {
            mean_by_blocks(data.n_rows(), weight, run, &mut scratch, |rows, out| {
                copy_column(&feature.values, rows, out);
            })
        })
        .collect()
}

/// Weighted mean of `values`.
///
/// # Errors
/// When the run was cancelled.
pub fn mean(values: &[f64], weight: Option<&[f64]>, run: &Run) -> Result<f64> {
    let mut scratch = vec![0.0; 1024];
    mean_by_blocks(values.len(), weight, run, &mut scratch, |rows, out| out.copy_from_slice(&values[rows.clone()]))
}

fn mean_by_blocks(
    n_rows: usize,
    weight: Option<&[f64]>,
    run: &Run,
    scratch: &mut [f64],
    copy: impl Fn(&Range<usize>, &mut [f64]),
) -> Result<f64> {
    run.check()?;
    let (mut total, mut total_weight) = (0.0, 0.0);
    for rows in ranges(n_rows, scratch.len()) {
        let values = &mut scratch[..rows.len()];
        copy(&rows, values);
        match weight {
            Some(weight) => {
                total += kernels::dot(values, &weight[rows.clone()]);
                total_weight += kernels::sum(&weight[rows]);
            }
            None => {
                total += kernels::sum(values);
                total_weight += values.len() as f64;
            }
        }
    }
    Ok(total / total_weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_all_rows_and_means_are_weighted() {
        assert_eq!(ranges(5, 2).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
        let data = Dataset::from_rows(&[1.0, 10.0, 4.0, 40.0], 2).expect("two rows");
        let run = Run::new();
        assert_eq!(feature_means(&data, None, &run), Ok(vec![2.5, 25.0]));
        assert_eq!(feature_means(&data, Some(&[3.0, 1.0]), &run), Ok(vec![1.75, 17.5]));
        let mut columns = vec![0.0; 4];
        copy_columns(&data, &(0..2), &mut columns);
        assert_eq!(columns, [1.0, 4.0, 10.0, 40.0]);
    }
}
