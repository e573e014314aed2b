//! The right singular vectors of a data set, which span the space that its rows lie in.

use pgml_core::{Dataset, Result, Run};

use super::least_squares::Compressed;
use super::svd::{Svd, svd};

/// `X − 1 meanᵀ = U · diag(s) · V`: everything but `U`.
#[derive(Debug, Clone)]
pub struct RowSpace {
    /// What was subtracted from each feature; zeros if the rows were not centred.
    pub mean: Vec<f64>,
    /// Singular values, descending: as many as the smaller of rows and features.
    pub s: Vec<f64>,
    /// One unit row per singular value; zeros where the value is zero.
    pub vectors: Vec<f64>,
}

impl RowSpace {
    /// The row space of `data`, centred if `centre`. Compressing the rows first makes the cost linear in them.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn of(data: &Dataset, centre: bool, run: &Run) -> Result<Self> {
        let problem = Compressed::new(data, &[], None, centre, run)?;
        let (s, vectors) = right_vectors(&problem.a, problem.m, problem.d, run)?;
        Ok(Self { mean: problem.feature_means, s, vectors })
    }
}

/// Singular values and right vectors, one row each, of the column-major `m × d` matrix `a`, `m ≤ d`.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn right_vectors(a: &[f64], m: usize, d: usize, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let _memory = run.reserve(24 * (d * m) as u64, "the singular vectors")?;
    // Columns of the transpose are rows; its left vectors are the right ones.
    let transposed = (0..m).flat_map(|i| (0..d).map(move |j| a[j * m + i])).collect();
    let Svd { mut us, s, .. } = svd(transposed, d, m, run)?;
    for (row, s) in us.chunks_exact_mut(d.max(1)).zip(&s) {
        row.iter_mut().for_each(|x| *x = if *s > 0.0 { *x / s } else { 0.0 });
    }
    Ok((s, us))
}
