//! Linear least squares: one pass of Householder QR over blocks of rows keeps all that any quadratic loss needs, then
//! every linear model is solved on a small square.
//!
//! QR rather than normal equations, which would square the condition number.

use std::ops::Range;

use pgml_core::{Dataset, Result, Run};

use super::blocks::{block_rows, copy_columns, feature_means, mean, ranges};
use super::kernels::{axpy, dot, multiply, norm};
use super::svd::{Svd, svd};

/// A regression problem with its rows rotated away: `‖Y − X W‖² = ‖B − A W‖² + rest` for every `W`.
#[derive(Debug, Clone)]
pub struct Compressed {
    /// Rows of `a` and `b`: the smaller of rows and features.
    pub m: usize,
    /// Features.
    pub d: usize,
    /// `m × d`, column after column.
    pub a: Vec<f64>,
    /// One vector of `m` per target.
    pub b: Vec<Vec<f64>>,
    /// Squared norm of each target that no coefficients can reach.
    pub rest: Vec<f64>,
    /// What was subtracted from each feature; zeros without intercept.
    pub feature_means: Vec<f64>,
    /// What was subtracted from each target; zeros without intercept.
    pub target_means: Vec<f64>,
}

impl Compressed {
    /// Compresses `data` against `targets`, centred if an intercept is to be fitted, rows scaled by `√weight`.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(
        data: &Dataset,
        targets: &[&[f64]],
        weight: Option<&[f64]>,
        fit_intercept: bool,
        run: &Run,
    ) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let source = Source::new(data, targets, weight, fit_intercept, run)?;
        let (m, columns, rest) =
            if n < d { (n, source.all(run)?, vec![0.0; targets.len()]) } else { source.qr(run)? };
        let b = (0..targets.len()).map(|t| columns[(d + t) * m..(d + t + 1) * m].to_vec()).collect();
        let mut a = columns;
        a.truncate(d * m);
        Ok(Self { m, d, a, b, rest, feature_means: source.feature_means, target_means: source.target_means })
    }

    /// Column `j` of `a`.
    #[must_use]
    pub fn column(&self, j: usize) -> &[f64] {
        &self.a[j * self.m..(j + 1) * self.m]
    }

    /// The problem with the penalty `alpha · ‖w‖²` added as `d` more rows. `alpha` must be positive.
    #[must_use]
    pub fn with_l2(&self, alpha: f64) -> Self {
        let (m, d) = (self.m, self.d);
        let n_targets = self.b.len();
        let mut triangle = Triangle::new(d, n_targets);
        for j in 0..d {
            triangle.row(j)[j] = alpha.sqrt();
        }
        let mut columns = self.a.clone();
        self.b.iter().for_each(|b| columns.extend_from_slice(b));
        triangle.absorb(&mut columns, m);
        let (m, columns, more) = triangle.finish();
        let b = (0..n_targets).map(|t| columns[(d + t) * m..(d + t + 1) * m].to_vec()).collect();
        let rest = self.rest.iter().zip(more).map(|(r, more)| r + more).collect();
        Self { m, a: columns[..d * m].to_vec(), b, rest, ..self.clone() }
    }

    /// Least squares coefficients of minimum norm, one vector per target. Singular values up to `rcond` times the
    /// largest count as zero.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn solve(&self, rcond: f64, run: &Run) -> Result<Vec<Vec<f64>>> {
        if self.m == self.d && self.is_well_conditioned(rcond, run)? {
            return Ok(self.b.iter().map(|b| self.back_substitute(b)).collect());
        }
        let (m, d) = (self.m, self.d);
        if m >= d {
            let Svd { us, s, v } = svd(self.a.clone(), m, d, run)?;
            Ok(self.b.iter().map(|b| pseudo_inverse(&us, &v, &s, m, d, rcond, b, false)).collect())
        } else {
            let Svd { us, s, v } = svd(transposed(&self.a, m, d), d, m, run)?;
            Ok(self.b.iter().map(|b| pseudo_inverse(&us, &v, &s, d, m, rcond, b, true)).collect())
        }
    }

    /// What to add to predictions so that they pass through the means.
    #[must_use]
    pub fn intercept(&self, target: usize, coef: &[f64]) -> f64 {
        self.target_means[target] - dot(&self.feature_means, coef)
    }

    /// Whether the triangle's condition number, bounded by Frobenius norms, is far from `1 / rcond`.
    fn is_well_conditioned(&self, rcond: f64, run: &Run) -> Result<bool> {
        let d = self.d;
        if (0..d).any(|j| self.a[j * d + j] == 0.0) {
            return Ok(false);
        }
        let mut inverse_squares = 0.0;
        let mut unit = vec![0.0; d];
        for j in 0..d {
            run.check()?;
            unit.fill(0.0);
            unit[j] = 1.0;
            self.substitute_from(j, &mut unit);
            inverse_squares += dot(&unit, &unit);
        }
        Ok(norm(&self.a) * inverse_squares.sqrt() * rcond.max(f64::EPSILON * 16.0) < 1.0)
    }

    fn back_substitute(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        self.substitute_from(self.d - 1, &mut x);
        x
    }

    /// Solves the upper triangle for right sides that are zero below row `last`.
    fn substitute_from(&self, last: usize, x: &mut [f64]) {
        for j in (0..=last).rev() {
            let column = self.column(j);
            x[j] /= column[j];
            let value = x[j];
            axpy(-value, &column[..j], &mut x[..j]);
        }
    }
}

/// `A⁺ b` from the decomposition of `A` (`p × q`), or of its transpose.
#[allow(clippy::too_many_arguments)] // the pieces of one formula
fn pseudo_inverse(
    us: &[f64],
    v: &[f64],
    s: &[f64],
    p: usize,
    q: usize,
    rcond: f64,
    b: &[f64],
    of_transpose: bool,
) -> Vec<f64> {
    let cutoff = rcond * s.first().copied().unwrap_or(0.0);
    let mut x = vec![0.0; if of_transpose { p } else { q }];
    for (k, &s) in s.iter().enumerate().filter(|(_, s)| **s > cutoff) {
        let (left, right) = (&us[k * p..(k + 1) * p], &v[k * q..(k + 1) * q]);
        // `us` holds the left vectors times s: one division makes it a unit vector, the other inverts s.
        if of_transpose {
            axpy(dot(right, b) / (s * s), left, &mut x);
        } else {
            axpy(dot(left, b) / (s * s), right, &mut x);
        }
    }
    x
}

fn transposed(a: &[f64], m: usize, d: usize) -> Vec<f64> {
    (0..m).flat_map(|i| (0..d).map(move |j| a[j * m + i])).collect()
}

/// Features and targets of a data set, centred and weighted block by block.
struct Source<'a> {
    data: &'a Dataset,
    targets: &'a [&'a [f64]],
    root_weight: Option<Vec<f64>>,
    feature_means: Vec<f64>,
    target_means: Vec<f64>,
    run: &'a Run,
}

impl<'a> Source<'a> {
    fn new(
        data: &'a Dataset,
        targets: &'a [&'a [f64]],
        weight: Option<&[f64]>,
        fit_intercept: bool,
        run: &'a Run,
    ) -> Result<Self> {
        let (feature_means, target_means) = if fit_intercept {
            let targets: Result<Vec<f64>> = targets.iter().map(|t| mean(t, weight, run)).collect();
            (feature_means(data, weight, run)?, targets?)
        } else {
            (vec![0.0; data.n_features()], vec![0.0; targets.len()])
        };
        let root_weight = weight.map(|w| w.iter().map(|w| w.sqrt()).collect());
        Ok(Self { data, targets, root_weight, feature_means, target_means, run })
    }

    /// Writes the centred, weighted columns of `rows`: features, then targets.
    fn fill(&self, rows: &Range<usize>, out: &mut [f64]) {
        let d = self.data.n_features();
        copy_columns(self.data, rows, &mut out[..d * rows.len()]);
        for (t, column) in out[d * rows.len()..].chunks_exact_mut(rows.len()).enumerate() {
            column.copy_from_slice(&self.targets[t][rows.clone()]);
        }
        let means = self.feature_means.iter().chain(&self.target_means);
        for (column, mean) in out.chunks_exact_mut(rows.len()).zip(means) {
            if *mean != 0.0 {
                column.iter_mut().for_each(|x| *x -= mean);
            }
            if let Some(root) = &self.root_weight {
                let unweighted = column.to_vec();
                multiply(&unweighted, &root[rows.clone()], column);
            }
        }
    }

    fn n_columns(&self) -> usize {
        self.data.n_features() + self.targets.len()
    }

    /// All rows as they are, for fewer rows than features.
    fn all(&self, run: &Run) -> Result<Vec<f64>> {
        let n = self.data.n_rows();
        let _memory = run.reserve(16 * (n * self.n_columns()) as u64, "the matrix of features")?;
        let mut columns = vec![0.0; n * self.n_columns()];
        self.fill(&(0..n), &mut columns);
        Ok(columns)
    }

    /// The triangle that all rows rotate into.
    fn qr(&self, run: &Run) -> Result<(usize, Vec<f64>, Vec<f64>)> {
        let d = self.data.n_features();
        let size = block_rows(self.n_columns());
        let bytes = 8 * (3 * d * self.n_columns() + size * self.n_columns());
        let _memory = run.reserve(bytes as u64, "the factorisation")?;
        let mut triangle = Triangle::new(d, self.targets.len());
        let mut scratch = vec![0.0; size * self.n_columns()];
        for rows in ranges(self.data.n_rows(), size) {
            self.run.check()?;
            run.progress("training", rows.start as u64, self.data.n_rows() as u64);
            let block = &mut scratch[..rows.len() * self.n_columns()];
            self.fill(&rows, block);
            triangle.absorb(block, rows.len());
        }
        Ok(triangle.finish())
    }
}

/// The upper triangle that the `m × d` matrix in `columns` (column after column, destroyed) rotates into: `d × d`,
/// column after column, with the same right singular vectors.
#[must_use]
pub fn upper_triangle(columns: &mut [f64], m: usize, d: usize) -> Vec<f64> {
    let mut triangle = Triangle::new(d, 0);
    triangle.absorb(columns, m);
    triangle.finish().1
}

/// The upper triangle `R` beside `Qᵀ Y`, row after row, growing by blocks of rows.
struct Triangle {
    d: usize,
    width: usize,
    rows: Vec<f64>,
    rest: Vec<f64>,
}

impl Triangle {
    fn new(d: usize, n_targets: usize) -> Self {
        let width = d + n_targets;
        Self { d, width, rows: vec![0.0; d * width], rest: vec![0.0; n_targets] }
    }

    fn row(&mut self, j: usize) -> &mut [f64] {
        &mut self.rows[j * self.width..(j + 1) * self.width]
    }

    /// Rotates a block of `m` rows (column after column, destroyed) into the triangle: Householder reflections that
    /// touch row `j` of the triangle and the block alone.
    fn absorb(&mut self, block: &mut [f64], m: usize) {
        for j in 0..self.d {
            let (left, right) = block.split_at_mut((j + 1) * m);
            let v = &mut left[j * m..];
            let below = dot(v, v);
            if below == 0.0 {
                continue;
            }
            let row = &mut self.rows[j * self.width..(j + 1) * self.width];
            let pivot = row[j];
            let beta = -pivot.signum() * (pivot * pivot + below).sqrt();
            let (tau, scale) = ((beta - pivot) / beta, 1.0 / (pivot - beta));
            v.iter_mut().for_each(|x| *x *= scale);
            row[j] = beta;
            for (cell, column) in row[j + 1..].iter_mut().zip(right.chunks_exact_mut(m)) {
                let projection = tau * (*cell + dot(v, column));
                *cell -= projection;
                axpy(-projection, v, column);
            }
        }
        for (rest, column) in self.rest.iter_mut().zip(block[self.d * m..].chunks_exact(m)) {
            *rest += dot(column, column);
        }
    }

    /// Rows, columns one after another, and the rest.
    fn finish(self) -> (usize, Vec<f64>, Vec<f64>) {
        let (d, width) = (self.d, self.width);
        let columns = (0..width).flat_map(|j| (0..d).map(move |i| (i, j)));
        let columns = columns.map(|(i, j)| self.rows[i * width + j]).collect();
        (d, columns, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(n: usize, d: usize) -> (Dataset, Vec<f64>) {
        let mut rng = Run::new().with_seed(5).rng(0);
        let rows: Vec<f64> = (0..n * d).map(|_| rng.f64() * 3.0 + 1.0).collect();
        let y = (0..n).map(|_| rng.f64()).collect();
        (Dataset::from_rows(&rows, d).expect("n rows"), y)
    }

    #[test]
    fn compression_keeps_every_squared_loss() {
        let (data, y) = problem(3000, 3);
        let weight: Vec<f64> = (0..3000).map(|i| f64::from(i % 4)).collect();
        let run = Run::new();
        let small = Compressed::new(&data, &[&y], Some(&weight), false, &run).expect("fits");
        let coef = [0.3, -0.2, 0.05];
        let rows = data.to_rows();
        let direct: f64 = (0..3000).map(|i| weight[i] * (y[i] - dot(&rows[i * 3..i * 3 + 3], &coef)).powi(2)).sum();
        let mut residual = small.b[0].clone();
        (0..3).for_each(|j| axpy(-coef[j], small.column(j), &mut residual));
        let compressed = dot(&residual, &residual) + small.rest[0];
        assert!((direct - compressed).abs() < 1e-11 * direct, "{direct} {compressed}");
    }

    #[test]
    fn an_l2_penalty_is_d_more_rows() {
        for n in [3, 40] {
            let (data, y) = problem(n, 5);
            let run = Run::new();
            let small = Compressed::new(&data, &[&y], None, true, &run).expect("fits");
            let w = small.with_l2(0.7).solve(0.0, &run).expect("solved").remove(0);
            // At the optimum, Xᵀ (y − X w) = α w.
            let mut residual = small.b[0].clone();
            (0..5).for_each(|j| axpy(-w[j], small.column(j), &mut residual));
            for (j, w) in w.iter().enumerate() {
                assert!((dot(small.column(j), &residual) - 0.7 * w).abs() < 1e-13, "{n} rows");
            }
        }
    }
}
