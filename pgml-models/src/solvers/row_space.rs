//! The right singular vectors of a data set, which span the space that its rows lie in.

use pgml_core::{Dataset, Result, Run};

use super::blocks::feature_means;
use super::kernels::{axpy, dot};
use super::leading_eigen::{Symmetric, leading_eigen};
use super::least_squares::Compressed;
use super::product::{Panels, packed_product, product, product_transposed, transposed_product};
use super::svd::{Svd, svd};
use super::symmetric_eigen::Eigen;

/// `X − 1 meanᵀ = U · diag(s) · V`: everything but `U`.
#[derive(Debug, Clone)]
pub struct RowSpace {
    /// What was subtracted from each feature; zeros if the rows were not centred.
    pub mean: Vec<f64>,
    /// Singular values, descending: as many as the smaller of rows and features.
    pub s: Vec<f64>,
    /// One unit row per singular value; zeros where the value is zero.
    pub vectors: Vec<f64>,
    /// The sum of all squared singular values, also of those that are not there.
    pub total: f64,
}

/// Up to so many rows or features, finding a few singular vectors is no quicker than finding all.
const SMALL: usize = 100;

impl RowSpace {
    /// The row space of `data`, centred if `centre`. Compressing the rows first makes the cost linear in them.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn of(data: &Dataset, centre: bool, run: &Run) -> Result<Self> {
        let problem = Compressed::new(data, &[], None, centre, run)?;
        let (s, vectors) = right_vectors(&problem.a, problem.m, problem.d, run)?;
        Ok(Self { mean: problem.feature_means, total: dot(&s, &s), s, vectors })
    }

    /// As [`RowSpace::of`], but the `k` largest singular values alone: where they are few among many, by an iteration that
    /// leaves the others alone.
    ///
    /// # Errors
    /// As there.
    pub fn leading(data: &Dataset, centre: bool, k: usize, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        if n.min(d) <= SMALL || 5 * k > n.min(d) {
            let mut all = Self::of(data, centre, run)?;
            all.s.truncate(k);
            all.vectors.truncate(k * d);
            return Ok(all);
        }
        let _memory = run.reserve(24 * (n * d) as u64, "the matrix of features")?;
        let mean = if centre { feature_means(data, None, run)? } else { vec![0.0; d] };
        let mut rows = data.to_rows();
        rows.chunks_exact_mut(d).for_each(|row| axpy(-1.0, &mean, row));
        let total = dot(&rows, &rows);
        let squares = Squares { rows: &rows, d };
        let Eigen { values, mut vectors } = leading_eigen(&squares, k, 1e-14, run)?;
        let s: Vec<f64> = values.iter().map(|square| square.max(0.0).sqrt()).collect();
        if n < d {
            vectors = product(&vectors, &rows, n, d, run)?;
            for (vector, s) in vectors.chunks_exact_mut(d).zip(&s) {
                vector.iter_mut().for_each(|x| *x = if *s > 0.0 { *x / s } else { 0.0 });
            }
        }
        Ok(Self { mean, s, vectors, total })
    }
}

/// The smaller of `Xᵀ X` and `X Xᵀ`, without its cells.
struct Squares<'a> {
    /// `X`, row-major.
    rows: &'a [f64],
    d: usize,
}

impl Symmetric for Squares<'_> {
    fn n(&self) -> usize {
        self.d.min(self.rows.len() / self.d)
    }

    fn times(&self, vectors: &[f64], run: &Run) -> Result<Vec<f64>> {
        let (d, n) = (self.d, self.rows.len() / self.d);
        if n < d {
            return product_transposed(&product(vectors, self.rows, n, d, run)?, self.rows, d, run);
        }
        let along = packed_product(self.rows, &Panels::pack_transposed(vectors, d), d, run)?;
        transposed_product(&along, vectors.len() / d, self.rows, d, run)
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
