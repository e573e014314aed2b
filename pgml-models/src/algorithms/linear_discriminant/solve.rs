//! The three ways to solve it.

use pgml_core::{Dataset, Feature, Result, Run, bail};

use crate::solvers::blocks::ranges;
use crate::solvers::cholesky;
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::scatter::{Axes, Shrinkage, axes, axes_of_rows, by_class, shrunk_covariance};
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

/// What is to be solved.
pub struct Problem<'a> {
    pub data: &'a Dataset,
    /// The class of each row, among those that were seen.
    pub positions: &'a [u32],
    pub priors: &'a [f64],
    pub run: &'a Run,
}

/// A solution.
pub struct Solved {
    /// One row of features per class.
    pub coef: Vec<f64>,
    /// One per class.
    pub intercept: Vec<f64>,
    pub axes: Option<Components>,
}

/// What rows are expressed by.
pub struct Components {
    /// One row of features per component, the most telling first.
    pub scalings: Vec<f64>,
    /// What is subtracted from a row before.
    pub centre: Vec<f64>,
}

impl Problem<'_> {
    /// Whitens the scatter within classes by its singular vectors, then finds those of the classes' means.
    pub fn by_svd(&self, tol: f64) -> Result<Solved> {
        let (n, d) = (self.data.n_rows() as f64, self.data.n_features());
        let means = self.means()?;
        let (within, deviations) = self.within(&means)?;
        let Axes { lengths, directions } = axes(&within, false, self.run)?;
        drop(within);
        let rank = lengths.iter().filter(|s| **s > tol).count();
        if rank == 0 {
            bail!(InvalidData, "no feature varies within the classes: there is no scatter to measure distances by");
        }
        let mut whitening = directions[..rank * d].to_vec();
        for (row, s) in whitening.chunks_exact_mut(d).zip(&lengths) {
            row.iter_mut().zip(&deviations).for_each(|(x, deviation)| *x /= deviation * s);
        }
        let mut centre = vec![0.0; d];
        means.chunks_exact(d).zip(self.priors).for_each(|(mean, p)| axpy(*p, mean, &mut centre));
        let gaps: Vec<f64> = means.chunks_exact(d).flat_map(|m| m.iter().zip(&centre).map(|(m, c)| m - c)).collect();
        let share = n / (self.priors.len() - 1) as f64;
        let weighted = gaps.chunks_exact(d).zip(self.priors).flat_map(|(gap, p)| {
            let weight = (share * p).sqrt();
            whitening.chunks_exact(d).map(move |row| weight * dot(gap, row)).collect::<Vec<_>>()
        });
        let Axes { lengths, directions } = axes_of_rows(weighted.collect(), rank, self.run)?;
        let n_axes = lengths.iter().filter(|s| **s > tol * lengths[0]).count();
        let scalings: Vec<f64> = directions
            .chunks_exact(rank)
            .take(n_axes)
            .flat_map(|direction| {
                let mut row = vec![0.0; d];
                direction.iter().zip(whitening.chunks_exact(d)).for_each(|(x, axis)| axpy(*x, axis, &mut row));
                row
            })
            .collect();
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for (gap, prior) in gaps.chunks_exact(d).zip(self.priors) {
            let (mut row, mut half_square) = (vec![0.0; d], 0.0);
            for axis in scalings.chunks_exact(d) {
                let along = dot(gap, axis);
                half_square += along * along / 2.0;
                axpy(along, axis, &mut row);
            }
            intercept.push(prior.ln() - half_square - dot(&centre, &row));
            coef.extend(row);
        }
        Ok(Solved { coef, intercept, axes: Some(Components { scalings, centre }) })
    }

    /// The means times the inverse of the covariance within classes, or its pseudo-inverse where it is singular.
    pub fn by_least_squares(&self, shrinkage: Shrinkage) -> Result<Solved> {
        let d = self.data.n_features();
        let (means, within) = self.covariance_within(shrinkage)?;
        if let Some(factor) = Factor::of(within.clone(), d, self.run)? {
            return Ok(self.discriminants(&means, &factor.inverse_root(), None));
        }
        let Eigen { values, vectors } = symmetric_eigen(within, d, self.run)?;
        let least = values[0].max(0.0) * f64::EPSILON * d as f64;
        let mut scalings = vectors;
        for (row, value) in scalings.chunks_exact_mut(d).zip(&values) {
            let scale = if *value > least { 1.0 / value.sqrt() } else { 0.0 };
            row.iter_mut().for_each(|x| *x *= scale);
        }
        Ok(self.discriminants(&means, &scalings, None))
    }

    /// The generalised eigenvectors of the covariances between and within classes.
    pub fn by_eigenvectors(&self, shrinkage: Shrinkage) -> Result<Solved> {
        let d = self.data.n_features();
        let (means, within) = self.covariance_within(shrinkage)?;
        let mut between = shrunk_covariance(self.data, shrinkage, self.run)?.1;
        axpy(-1.0, &within, &mut between);
        let Some(factor) = Factor::of(within, d, self.run)? else {
            bail!(
                InvalidData,
                "the covariance within classes is singular: give shrinkage, take another solver, or drop columns that \
                 repeat others"
            );
        };
        // Rows, then, as the matrix is symmetric, columns.
        for _ in 0..2 {
            transpose(&mut between, d);
            between.chunks_exact_mut(d).for_each(|row| factor.whiten(row));
        }
        let mut scalings = symmetric_eigen(between, d, self.run)?.vectors;
        scalings.chunks_exact_mut(d).for_each(|row| factor.unwhiten(row));
        let axes = Components { scalings: scalings.clone(), centre: vec![0.0; d] };
        Ok(self.discriminants(&means, &scalings, Some(axes)))
    }

    /// Scores from rows of `scalings`, whose products with their transpose are the inverse covariance.
    fn discriminants(&self, means: &[f64], scalings: &[f64], axes: Option<Components>) -> Solved {
        let d = self.data.n_features();
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for (mean, prior) in means.chunks_exact(d).zip(self.priors) {
            let mut row = vec![0.0; d];
            scalings.chunks_exact(d).for_each(|axis| axpy(dot(mean, axis), axis, &mut row));
            intercept.push(prior.ln() - 0.5 * dot(mean, &row));
            coef.extend(row);
        }
        Solved { coef, intercept, axes }
    }

    /// Means of the classes, and the mean of their covariances weighted by their priors.
    fn covariance_within(&self, shrinkage: Shrinkage) -> Result<(Vec<f64>, Vec<f64>)> {
        let d = self.data.n_features();
        let (mut means, mut within) = (Vec::new(), vec![0.0; d * d]);
        for (rows, prior) in by_class(self.data, self.positions, self.priors.len()).iter().zip(self.priors) {
            let (mean, matrix) = shrunk_covariance(rows, shrinkage, self.run)?;
            axpy(*prior, &matrix, &mut within);
            means.extend(mean);
        }
        Ok((means, within))
    }

    /// The mean row of each class.
    fn means(&self) -> Result<Vec<f64>> {
        let (d, k) = (self.data.n_features(), self.priors.len());
        let (mut means, mut counts) = (vec![0.0; k * d], vec![0.0; k]);
        let mut rows = Vec::new();
        for block in ranges(self.data.n_rows(), 1024) {
            self.run.check()?;
            self.data.rows_into(block.clone(), &mut rows);
            for (row, class) in rows.chunks_exact(d).zip(&self.positions[block]) {
                let class = *class as usize;
                axpy(1.0, row, &mut means[class * d..(class + 1) * d]);
                counts[class] += 1.0;
            }
        }
        means.chunks_exact_mut(d).zip(&counts).for_each(|(mean, n)| mean.iter_mut().for_each(|x| *x /= n));
        Ok(means)
    }

    /// Rows less the mean of their class, in deviations and over `√n`; and those deviations, 1 for what is constant.
    fn within(&self, means: &[f64]) -> Result<(Dataset, Vec<f64>)> {
        let (n, d) = (self.data.n_rows() as f64, self.data.n_features());
        let mut deviations = Vec::with_capacity(d);
        let mut features = Vec::with_capacity(d);
        for (j, feature) in self.data.features().iter().enumerate() {
            self.run.check()?;
            let centred =
                feature.values.iter().zip(self.positions).map(|(x, class)| x - means[*class as usize * d + j]);
            let mut column: Vec<f64> = centred.collect();
            let deviation = (dot(&column, &column) / n).sqrt();
            let deviation = if deviation > 0.0 { deviation } else { 1.0 };
            let scale = 1.0 / (deviation * n.sqrt());
            column.iter_mut().for_each(|x| *x *= scale);
            deviations.push(deviation);
            features.push(Feature::new(feature.name.clone(), column));
        }
        Ok((Dataset::new(features)?, deviations))
    }
}

/// A covariance matrix `D L Lᵀ D`, where `D` holds the deviations: factored in those units, so that features of any scale
/// lose no digits.
struct Factor {
    lower: Vec<f64>,
    deviations: Vec<f64>,
}

impl Factor {
    /// `None` where the matrix is singular but for rounding.
    fn of(mut matrix: Vec<f64>, d: usize, run: &Run) -> Result<Option<Self>> {
        let deviations: Vec<f64> = matrix.iter().step_by(d + 1).map(|v| v.max(0.0).sqrt()).collect();
        if deviations.contains(&0.0) {
            return Ok(None);
        }
        for (row, a) in matrix.chunks_exact_mut(d).zip(&deviations) {
            row.iter_mut().zip(&deviations).for_each(|(x, b)| *x /= a * b);
        }
        let least = 10.0 * f64::EPSILON * d as f64;
        let whole = cholesky::factor(&mut matrix, d, run)?;
        let sound = whole && matrix.iter().step_by(d + 1).all(|pivot| pivot * pivot > least);
        Ok(sound.then_some(Self { lower: matrix, deviations }))
    }

    /// `x ← (D L)⁻¹ x`.
    fn whiten(&self, x: &mut [f64]) {
        x.iter_mut().zip(&self.deviations).for_each(|(x, s)| *x /= s);
        cholesky::forward(&self.lower, x.len(), x);
    }

    /// `x ← (D L)⁻ᵀ x`.
    fn unwhiten(&self, x: &mut [f64]) {
        cholesky::backward(&self.lower, x.len(), x);
        x.iter_mut().zip(&self.deviations).for_each(|(x, s)| *x /= s);
    }

    /// Rows whose products with their transpose are the inverse: those of `(D L)⁻¹`.
    fn inverse_root(&self) -> Vec<f64> {
        let d = self.deviations.len();
        let mut columns = vec![0.0; d * d];
        for (j, column) in columns.chunks_exact_mut(d).enumerate() {
            column[j] = 1.0;
            self.whiten(column);
        }
        transpose(&mut columns, d);
        columns
    }
}

fn transpose(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            matrix.swap(i * n + j, j * n + i);
        }
    }
}
