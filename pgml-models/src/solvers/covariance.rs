//! Means and covariances of the features, in one pass over centred blocks.

use pgml_core::{Dataset, Result, Run};

use super::blocks::{block_rows, copy_columns, feature_means, ranges};
use super::kernels::dot;

/// The mean of each feature, and the row-major `d × d` covariance matrix with divisor `n − 1`.
///
/// # Errors
/// When the run was cancelled.
pub fn covariance(data: &Dataset, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let mean = feature_means(data, None, run)?;
    let size = block_rows(d);
    let mut scratch = vec![0.0; size * d];
    let mut matrix = vec![0.0; d * d];
    for rows in ranges(n, size) {
        run.progress("training", rows.start as u64, n as u64);
        let len = rows.len();
        let block = &mut scratch[..d * len];
        copy_columns(data, &rows, block);
        for (column, mean) in block.chunks_exact_mut(len).zip(&mean) {
            column.iter_mut().for_each(|x| *x -= mean);
        }
        for i in 0..d {
            run.check()?;
            let (cells, left) = (&mut matrix[i * d..=i * d + i], &block[i * len..(i + 1) * len]);
            for (cell, right) in cells.iter_mut().zip(block.chunks_exact(len)) {
                *cell += dot(left, right);
            }
        }
    }
    for i in 0..d {
        for j in 0..=i {
            let value = matrix[i * d + j] / (n - 1) as f64;
            (matrix[i * d + j], matrix[j * d + i]) = (value, value);
        }
    }
    Ok((mean, matrix))
}
