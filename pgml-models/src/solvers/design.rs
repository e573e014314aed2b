//! All features of a data set in standard units, block by block of rows, with a column of ones for the intercept.
//!
//! Newton's method does not mind the features' units, but rounding does. Penalties are scaled along, so that the optimum
//! is the one in the features' own units.

use std::ops::Range;

use pgml_core::{Dataset, Result, Run, run::Reservation};

use super::blocks::{block_rows, copy_columns, feature_means, ranges};
use super::kernels::{axpy, dot, multiply};

/// Standardised columns.
pub struct Design {
    columns: Vec<f64>,
    n_rows: usize,
    n_features: usize,
    /// Features, and one for the intercept if it is fitted.
    pub width: usize,
    /// Rows per block.
    pub size: usize,
    means: Vec<f64>,
    scales: Vec<f64>,
    _memory: Reservation,
}

impl Design {
    /// Copies the features of `data`, centred where an intercept is fitted, and scaled.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(data: &Dataset, fit_intercept: bool, run: &Run) -> Result<Self> {
        let (n_rows, n_features) = (data.n_rows(), data.n_features());
        let width = n_features + usize::from(fit_intercept);
        let memory = run.reserve(8 * (n_rows * width) as u64, "the matrix of features")?;
        let means = if fit_intercept { feature_means(data, None, run)? } else { vec![0.0; n_features] };
        let mut design = Self {
            columns: vec![0.0; n_rows * width],
            n_rows,
            n_features,
            width,
            size: block_rows(width + 4),
            means,
            scales: vec![1.0; n_features],
            _memory: memory,
        };
        design.fill(data, run)?;
        Ok(design)
    }

    fn fill(&mut self, data: &Dataset, run: &Run) -> Result<()> {
        let (width, d) = (self.width, self.n_features);
        let mut squares = vec![0.0; d];
        for rows in self.blocks() {
            run.check()?;
            let block = &mut self.columns[rows.start * width..rows.end * width];
            copy_columns(data, &rows, &mut block[..d * rows.len()]);
            block[d * rows.len()..].fill(1.0);
            for (j, column) in block.chunks_exact_mut(rows.len()).take(d).enumerate() {
                column.iter_mut().for_each(|x| *x -= self.means[j]);
                squares[j] += dot(column, column);
            }
        }
        for (j, square) in squares.iter().enumerate() {
            let spread = (square / self.n_rows as f64).sqrt();
            // What is left of a constant column after centring is rounding, not a unit.
            if spread > 1e-12 * self.means[j].abs() && spread > f64::MIN_POSITIVE {
                self.scales[j] = spread;
            }
        }
        for rows in self.blocks() {
            run.check()?;
            let block = &mut self.columns[rows.start * width..rows.end * width];
            for (column, scale) in block.chunks_exact_mut(rows.len()).zip(&self.scales) {
                column.iter_mut().for_each(|x| *x /= scale);
            }
        }
        Ok(())
    }

    /// The blocks of rows.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        ranges(self.n_rows, self.size)
    }

    fn block(&self, rows: &Range<usize>) -> &[f64] {
        &self.columns[rows.start * self.width..rows.end * self.width]
    }

    /// The scores `X w + c` of a block.
    pub fn score(&self, rows: &Range<usize>, params: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (w, column) in params.iter().zip(self.block(rows).chunks_exact(rows.len())) {
            axpy(*w, column, out);
        }
    }

    /// Adds `Σ slope · column` over a block to the gradient.
    pub fn add_gradient(&self, rows: &Range<usize>, slopes: &[f64], gradient: &mut [f64]) {
        for (g, column) in gradient.iter_mut().zip(self.block(rows).chunks_exact(rows.len())) {
            *g += dot(column, slopes);
        }
    }

    /// Adds `Σ curvature · column · columnᵀ` over a block to the lower triangle of a matrix of `n` columns; `last`, if
    /// given, is one more column.
    pub fn add_hessian(
        &self,
        rows: &Range<usize>,
        curvature: &[f64],
        last: Option<&[f64]>,
        hessian: &mut [f64],
        n: usize,
    ) {
        let len = rows.len();
        let block = self.block(rows);
        let mut scaled = vec![0.0; len];
        for (j, column) in block.chunks_exact(len).chain(last).enumerate() {
            multiply(column, curvature, &mut scaled);
            let row = &mut hessian[j * n..=j * n + j];
            for (h, other) in row.iter_mut().zip(block.chunks_exact(len).chain(last)) {
                *h += dot(&scaled, other);
            }
        }
    }

    /// Strength per parameter of the penalty `alpha / 2 · ‖w‖²` on coefficients in their own units.
    #[must_use]
    pub fn penalty(&self, alpha: f64) -> Vec<f64> {
        let mut penalty: Vec<f64> = self.scales.iter().map(|s| alpha / (s * s)).collect();
        penalty.resize(self.width, 0.0);
        penalty
    }

    /// The largest slope, in the features' own units and in standard ones.
    #[must_use]
    pub fn largest_slope(&self, gradient: &[f64]) -> f64 {
        let intercept = if self.width > self.n_features { gradient[self.n_features] } else { 0.0 };
        let units = self.scales.iter().zip(&self.means).zip(gradient);
        units.map(|((s, m), g)| g.abs().max((s * g + m * intercept).abs())).fold(intercept.abs(), f64::max)
    }

    /// Coefficients and intercept in the features' own units.
    #[must_use]
    pub fn own_units(&self, params: &[f64]) -> (Vec<f64>, f64) {
        let coef: Vec<f64> = params.iter().zip(&self.scales).map(|(w, s)| w / s).collect();
        let intercept = if self.width > self.n_features { params[self.n_features] } else { 0.0 };
        let shift = dot(&coef, &self.means);
        (coef, intercept - shift)
    }
}
