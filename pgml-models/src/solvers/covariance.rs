//! Means and covariances of the features, in one pass over the rows.

use pgml_core::{Dataset, Result, Run};

use super::blocks::{copy_columns, ranges};
use super::kernels::sum;
use super::product::{Left, Panels, add_lower_product, mirror_lower};

/// Rows per block: its columns and their packed form stay in the second-level cache.
const BLOCK: usize = 256;

/// The mean of each feature, and the row-major `d × d` covariance matrix with divisor `n − 1`.
///
/// # Errors
/// When the run was cancelled.
pub fn covariance(data: &Dataset, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let mut scratch = vec![0.0; BLOCK.min(n) * d];
    // Products are summed around the means of the first rows, which are near enough to those of all that the correction
    // at the end costs no digits that matter: one pass does.
    let mut shift = vec![0.0; d];
    let mut sums = vec![0.0; d];
    let mut matrix = vec![0.0; d * d];
    for rows in ranges(n, BLOCK) {
        run.check()?;
        run.progress("training", rows.start as u64, n as u64);
        let len = rows.len();
        let block = &mut scratch[..d * len];
        copy_columns(data, &rows, block);
        if rows.start == 0 {
            shift = block.chunks_exact(len).map(|column| sum(column) / len as f64).collect();
        }
        for ((column, shift), total) in block.chunks_exact_mut(len).zip(&shift).zip(&mut sums) {
            column.iter_mut().for_each(|x| *x -= shift);
            *total += sum(column);
        }
        add_lower_product(Left::rows(block, len), &Panels::pack_transposed(block, len), &mut matrix);
    }
    let off: Vec<f64> = sums.iter().map(|total| total / n as f64).collect();
    for (i, row) in matrix.chunks_exact_mut(d).enumerate() {
        row.iter_mut().zip(&off).for_each(|(cell, other)| *cell = (*cell - sums[i] * other) / (n - 1) as f64);
    }
    mirror_lower(&mut matrix, d);
    Ok((shift.iter().zip(&off).map(|(shift, off)| shift + off).collect(), matrix))
}
