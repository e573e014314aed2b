//! Means and covariances of the features, in one pass over centred blocks.

use pgml_core::{Dataset, Result, Run};

use super::blocks::{copy_columns, feature_means, ranges};
use super::product::{Left, Panels, add_lower_product, mirror_lower};

/// Rows per block: its columns and their packed form stay in the second-level cache.
const BLOCK: usize = 256;

/// The mean of each feature, and the row-major `d × d` covariance matrix with divisor `n − 1`.
///
/// # Errors
/// When the run was cancelled.
pub fn covariance(data: &Dataset, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let mean = feature_means(data, None, run)?;
    let mut scratch = vec![0.0; BLOCK.min(n) * d];
    let mut matrix = vec![0.0; d * d];
    for rows in ranges(n, BLOCK) {
        run.check()?;
        run.progress("training", rows.start as u64, n as u64);
        let len = rows.len();
        let block = &mut scratch[..d * len];
        copy_columns(data, &rows, block);
        for (column, mean) in block.chunks_exact_mut(len).zip(&mean) {
            column.iter_mut().for_each(|x| *x -= mean);
        }
        add_lower_product(Left::rows(block, len), &Panels::pack_transposed(block, len), &mut matrix);
    }
    matrix.iter_mut().for_each(|cell| *cell /= (n - 1) as f64);
    mirror_lower(&mut matrix, d);
    Ok((mean, matrix))
}
