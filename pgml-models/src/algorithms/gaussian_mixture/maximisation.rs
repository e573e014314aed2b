//! The likeliest distributions, given each one's share of the rows.

use pgml_core::{Result, Run};

use super::covariances::Kind;
use super::gaussians::Gaussians;
use super::{BLOCK, Problem};
use crate::solvers::kernels::axpy;
use crate::solvers::product::{Left, Panels, add_lower_product, mirror_lower};

/// Sums over rows, each in its share, of first and second powers around a point per distribution. Around points near
/// the means, second powers lose no digits.
pub struct Sums {
    kind: Kind,
    d: usize,
    /// One row per distribution.
    around: Vec<f64>,
    shares: Vec<f64>,
    first: Vec<f64>,
    /// Matrices (lower half) for full covariances, rows for diagonal ones, nothing for tied ones.
    second: Vec<f64>,
}

impl Sums {
    /// Empty sums around these points, one row of `d` each.
    pub fn around(around: Vec<f64>, d: usize, kind: Kind) -> Self {
        let k = around.len() / d;
        let second = match kind {
            Kind::Full => k * d * d,
            Kind::Tied => 0,
            Kind::Diag | Kind::Spherical => k * d,
        };
        Self { kind, d, shares: vec![0.0; k], first: vec![0.0; k * d], second: vec![0.0; second], around }
    }

    /// Adds row-major `rows`, of which each distribution has these `shares` (one per distribution and row).
    pub fn add(&mut self, rows: &[f64], shares: &[f64]) {
        let (d, k) = (self.d, self.shares.len());
        let (mut centred, mut shared) = (rows.to_vec(), rows.to_vec());
        for c in 0..k {
            let around = &self.around[c * d..(c + 1) * d];
            let first = &mut self.first[c * d..(c + 1) * d];
            let shares = shares[c..].iter().step_by(k);
            let each = centred.chunks_exact_mut(d).zip(shared.chunks_exact_mut(d)).zip(rows.chunks_exact(d));
            for (((centred, shared), row), share) in each.zip(shares) {
                self.shares[c] += share;
                for (((z, s), x), a) in centred.iter_mut().zip(shared.iter_mut()).zip(row).zip(around) {
                    *z = x - a;
                    *s = *z * share;
                }
                axpy(1.0, shared, first);
            }
            match self.kind {
                Kind::Full => {
                    let matrix = &mut self.second[c * d * d..(c + 1) * d * d];
                    add_lower_product(Left::transposed(&shared, d), &Panels::pack(&centred, d), matrix);
                }
                Kind::Tied => {}
                Kind::Diag | Kind::Spherical => {
                    let sums = &mut self.second[c * d..(c + 1) * d];
                    for (shared, centred) in shared.chunks_exact(d).zip(centred.chunks_exact(d)) {
                        sums.iter_mut().zip(shared).zip(centred).for_each(|((sum, s), z)| *sum += s * z);
                    }
                }
            }
        }
    }

    /// The means.
    pub fn means(&self) -> Vec<f64> {
        let each = self.first.chunks_exact(self.d).zip(self.around.chunks_exact(self.d)).zip(self.counts());
        each.flat_map(|((first, around), n)| first.iter().zip(around).map(move |(x, a)| a + x / n)).collect()
    }

    /// Rows per distribution; never none.
    fn counts(&self) -> impl Iterator<Item = f64> {
        self.shares.iter().map(|share| share + 10.0 * f64::EPSILON)
    }

    /// The likeliest distributions; with these weights in place of their shares if given.
    pub fn gaussians(
        mut self,
        problem: &Problem<'_>,
        tied: Option<&SecondMoments>,
        weights: Option<Vec<f64>>,
    ) -> Result<Gaussians> {
        let means = self.means();
        let total: f64 = self.counts().sum();
        let weights = weights.unwrap_or_else(|| self.counts().map(|n| n / total).collect());
        let covariances = match tied {
            Some(moments) => self.tied(&means, moments, problem.reg_covar),
            None => self.own(&means, problem.reg_covar),
        };
        Gaussians::new(problem.kind, weights, means, covariances)
    }

    /// One covariance per distribution.
    fn own(&mut self, means: &[f64], reg_covar: f64) -> Vec<f64> {
        let (d, kind) = (self.d, self.kind);
        let counts: Vec<f64> = self.counts().collect();
        let shifts: Vec<f64> = means.iter().zip(&self.around).map(|(m, a)| m - a).collect();
        let size = self.second.len() / counts.len();
        for ((second, shift), n) in self.second.chunks_exact_mut(size).zip(shifts.chunks_exact(d)).zip(&counts) {
            if kind == Kind::Full {
                for (i, row) in second.chunks_exact_mut(d).enumerate() {
                    row.iter_mut().zip(shift).for_each(|(cell, s)| *cell = *cell / n - shift[i] * s);
                    row[i] += reg_covar;
                }
                mirror_lower(second, d);
            } else {
                second.iter_mut().zip(shift).for_each(|(cell, s)| *cell = *cell / n - s * s + reg_covar);
            }
        }
        let second = std::mem::take(&mut self.second);
        match kind {
            Kind::Spherical => second.chunks_exact(d).map(|row| row.iter().sum::<f64>() / d as f64).collect(),
            _ => second,
        }
    }

    /// One covariance for all: what varies less what means explain of it.
    fn tied(&self, means: &[f64], moments: &SecondMoments, reg_covar: f64) -> Vec<f64> {
        let d = self.d;
        let mut matrix = moments.matrix.clone();
        let mut total = 0.0;
        for (mean, n) in means.chunks_exact(d).zip(self.counts()) {
            let shift: Vec<f64> = mean.iter().zip(&moments.mean).map(|(m, all)| m - all).collect();
            matrix.chunks_exact_mut(d).zip(&shift).for_each(|(row, s)| axpy(-n * s, &shift, row));
            total += n;
        }
        matrix.iter_mut().for_each(|cell| *cell /= total);
        (0..d).for_each(|j| matrix[j * d + j] += reg_covar);
        matrix
    }
}

/// Sums of products of the features around their means, which no iteration changes.
pub struct SecondMoments {
    mean: Vec<f64>,
    matrix: Vec<f64>,
}

impl Problem<'_> {
    /// The mean of all rows.
    pub fn mean(&self) -> Vec<f64> {
        let n = (self.rows.len() / self.d) as f64;
        let mut mean = vec![0.0; self.d];
        self.rows.chunks_exact(self.d).for_each(|row| axpy(1.0 / n, row, &mut mean));
        mean
    }

    /// What tied covariances are made of; nothing for others.
    pub fn second_moments(&self, run: &Run) -> Result<Option<SecondMoments>> {
        if self.kind != Kind::Tied {
            return Ok(None);
        }
        let d = self.d;
        let (mean, mut matrix) = (self.mean(), vec![0.0; d * d]);
        for rows in self.rows.chunks(BLOCK * d) {
            run.check()?;
            let mut centred = rows.to_vec();
            centred.chunks_exact_mut(d).for_each(|row| axpy(-1.0, &mean, row));
            add_lower_product(Left::transposed(&centred, d), &Panels::pack(&centred, d), &mut matrix);
        }
        mirror_lower(&mut matrix, d);
        Ok(Some(SecondMoments { mean, matrix }))
    }
}
