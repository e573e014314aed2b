//! Rotations of factor loadings towards a simple structure.

use pgml_core::{Result, Run};

use super::product::{product, transposed_product};
use super::svd::{Svd, svd};

/// What makes a structure simple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Each factor has few large loadings (Kaiser 1958).
    Varimax,
    /// Each feature loads on few factors (Neuhaus, Wrigley 1954).
    Quartimax,
}

/// Rotates the row-major `d × k` matrix of loadings orthogonally until the criterion grows by less than a millionth
/// of itself, or for a hundred steps.
///
/// # Errors
/// When the run was cancelled.
pub fn rotate(loadings: &[f64], k: usize, criterion: Criterion, run: &Run) -> Result<Vec<f64>> {
    let d = loadings.len() / k;
    let mut rotated = loadings.to_vec();
    let mut before = 0.0;
    for _ in 0..100 {
        let mut gradient: Vec<f64> = rotated.iter().map(|x| x * x * x).collect();
        if criterion == Criterion::Varimax {
            let mut squares = vec![0.0; k];
            for row in rotated.chunks_exact(k) {
                squares.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x / d as f64);
            }
            for (cells, row) in gradient.chunks_exact_mut(k).zip(rotated.chunks_exact(k)) {
                cells.iter_mut().zip(row).zip(&squares).for_each(|((cell, x), square)| *cell -= x * square);
            }
        }
        let (rotation, criterion) = nearest_rotation(&transposed_product(loadings, k, &gradient, k, run)?, k, run)?;
        rotated = product(loadings, &rotation, k, k, run)?;
        if before != 0.0 && criterion < before * (1.0 + 1e-6) {
            break;
        }
        before = criterion;
    }
    Ok(rotated)
}

/// `U Vᵀ` of the decomposition of the row-major square `a`, the rotation nearest to it, and the sum of its singular values.
///
/// # Errors
/// When the run was cancelled.
pub fn nearest_rotation(a: &[f64], n: usize, run: &Run) -> Result<(Vec<f64>, f64)> {
    // Read column by column, the matrix is its transpose: left and right change places.
    let Svd { us, s, v } = svd(a.to_vec(), n, n, run)?;
    let mut rotation = vec![0.0; n * n];
    for ((s, right), left) in s.iter().zip(us.chunks_exact(n)).zip(v.chunks_exact(n)) {
        if *s == 0.0 {
            continue;
        }
        for (cells, l) in rotation.chunks_exact_mut(n).zip(left) {
            cells.iter_mut().zip(right).for_each(|(cell, r)| *cell += l * r / s);
        }
    }
    Ok((rotation, s.iter().sum()))
}
