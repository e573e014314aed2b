//! Several weighted normal distributions, and how dense they are where rows lie.

use pgml_core::Result;

use super::covariances::{Kind, factor_of_covariance, factor_of_precision, precisions, times};
use crate::solvers::exponential::exp_in_place;
use crate::solvers::kernels::{dot, for_each_cpu};
use crate::solvers::product::{Left, Panels, add_product};

/// Weighted normal distributions.
pub struct Gaussians {
    kind: Kind,
    d: usize,
    weights: Vec<f64>,
    /// One row per distribution.
    means: Vec<f64>,
    covariances: Vec<f64>,
    /// What does not depend on the row: the logarithm of weight and of the density's factor.
    constants: Vec<f64>,
    form: Form,
}

enum Form {
    /// One matrix, or one for all, which makes coordinates standard, and the standard coordinates of each mean.
    Dense { factors: Vec<Panels>, centres: Vec<f64> },
    /// Reciprocal variances, one row per distribution.
    Diagonal(Vec<f64>),
}

impl Gaussians {
    /// Distributions with these covariances, in the shape of `kind`.
    pub fn new(kind: Kind, weights: Vec<f64>, means: Vec<f64>, covariances: Vec<f64>) -> Result<Self> {
        let d = means.len() / weights.len();
        if kind.is_dense() {
            let factors: Result<Vec<Vec<f64>>> =
                covariances.chunks_exact(d * d).map(|c| factor_of_covariance(c, d)).collect();
            Ok(Self::dense(kind, weights, means, covariances, &factors?))
        } else {
            let precisions = precisions(&covariances)?;
            Ok(Self::diagonal(kind, weights, means, covariances, &precisions))
        }
    }

    /// Distributions with these inverse covariances, in the shape of `kind`.
    pub fn with_precisions(kind: Kind, weights: Vec<f64>, means: Vec<f64>, given: &[f64]) -> Result<Self> {
        let d = means.len() / weights.len();
        if kind.is_dense() {
            let factors: Result<Vec<Vec<f64>>> = given.chunks_exact(d * d).map(|p| factor_of_precision(p, d)).collect();
            Ok(Self::dense(kind, weights, means, Vec::new(), &factors?))
        } else {
            Ok(Self::diagonal(kind, weights, means, Vec::new(), given))
        }
    }

    fn dense(kind: Kind, weights: Vec<f64>, means: Vec<f64>, covariances: Vec<f64>, factors: &[Vec<f64>]) -> Self {
        let d = means.len() / weights.len();
        // A tied factor serves all.
        let of_each = || factors.iter().cycle();
        let centres = means.chunks_exact(d).zip(of_each()).flat_map(|(mean, u)| times(mean, u)).collect();
        let log_dets = of_each().map(|u| (0..d).map(|j| u[j * d + j].ln()).sum::<f64>());
        let constants = constants(&weights, d, log_dets);
        let factors = factors.iter().map(|u| Panels::pack(u, d)).collect();
        Self { kind, d, weights, means, covariances, constants, form: Form::Dense { factors, centres } }
    }

    fn diagonal(kind: Kind, weights: Vec<f64>, means: Vec<f64>, covariances: Vec<f64>, precisions: &[f64]) -> Self {
        let d = means.len() / weights.len();
        let precisions: Vec<f64> = match kind {
            Kind::Spherical => precisions.iter().flat_map(|p| std::iter::repeat_n(*p, d)).collect(),
            _ => precisions.to_vec(),
        };
        let log_dets = precisions.chunks_exact(d).map(|row| 0.5 * row.iter().map(|p| p.ln()).sum::<f64>());
        let constants = constants(&weights, d, log_dets);
        Self { kind, d, weights, means, covariances, constants, form: Form::Diagonal(precisions) }
    }

    /// How many there are.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// Features per row.
    pub fn n_features(&self) -> usize {
        self.d
    }

    /// The shape of covariances.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The weight of each.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// One row per distribution.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Covariances in the shape of the kind; empty for distributions made of precisions.
    pub fn covariances(&self) -> &[f64] {
        &self.covariances
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        let form = match &self.form {
            Form::Dense { factors, centres } => factors.iter().map(Panels::bytes).sum::<usize>() + 8 * centres.len(),
            Form::Diagonal(precisions) => 8 * precisions.len(),
        };
        size_of::<Self>() + 8 * (self.means.len() + self.covariances.len() + 2 * self.weights.len()) + form
    }

    /// Writes the logarithm of weight times density of each distribution at each of the row-major `rows`:
    /// `n_rows × n_components`.
    pub fn log_densities_into(&self, rows: &[f64], out: &mut [f64], scratch: &mut Vec<f64>) {
        let (d, k) = (self.d, self.n_components());
        match &self.form {
            Form::Dense { factors, centres } => {
                scratch.clear();
                scratch.resize(rows.len(), 0.0);
                for (c, centre) in centres.chunks_exact(d).enumerate() {
                    let factor = if factors.len() == 1 { &factors[0] } else { &factors[c] };
                    scratch.chunks_exact_mut(d).for_each(|row| row.copy_from_slice(centre));
                    scratch.iter_mut().for_each(|x| *x = -*x);
                    add_product(Left::rows(rows, d), factor, scratch);
                    for (row, out) in scratch.chunks_exact(d).zip(out.chunks_exact_mut(k)) {
                        out[c] = self.constants[c] - 0.5 * dot(row, row);
                    }
                }
            }
            Form::Diagonal(precisions) => {
                for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(k)) {
                    let each = self.means.chunks_exact(d).zip(precisions.chunks_exact(d)).zip(&self.constants);
                    for (out, ((mean, precision), constant)) in out.iter_mut().zip(each) {
                        *out = constant - 0.5 * weighted_distance(row, mean, precision);
                    }
                }
            }
        }
    }
}

fn constants(weights: &[f64], d: usize, log_dets: impl Iterator<Item = f64>) -> Vec<f64> {
    let norm = 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln();
    weights.iter().zip(log_dets).map(|(w, log_det)| w.ln() + log_det - norm).collect()
}

for_each_cpu! {
    /// `Σ (xⱼ − mⱼ)² pⱼ`.
    fn weighted_distance(x: &[f64], m: &[f64], p: &[f64]) -> f64 {
        let ((x, x_rest), (m, m_rest), (p, p_rest)) = (x.as_chunks::<8>(), m.as_chunks::<8>(), p.as_chunks::<8>());
        let mut lanes = [0.0; 8];
        for ((x, m), p) in x.iter().zip(m).zip(p) {
            for l in 0..8 {
                lanes[l] += (x[l] - m[l]) * (x[l] - m[l]) * p[l];
            }
        }
        let rest = x_rest.iter().zip(m_rest).zip(p_rest);
        lanes.iter().sum::<f64>() + rest.map(|((x, m), p)| (x - m) * (x - m) * p).sum::<f64>()
    }
}

/// Turns logarithms of weighted densities, `k` per row, into shares that sum to 1 per row; returns the sum of the rows'
/// log likelihoods.
pub fn to_shares(densities: &mut [f64], k: usize) -> f64 {
    let mut likelihood = 0.0;
    for row in densities.chunks_exact_mut(k) {
        let largest = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        row.iter_mut().for_each(|x| *x -= largest);
        likelihood += largest;
    }
    exp_in_place(densities);
    for row in densities.chunks_exact_mut(k) {
        let total: f64 = row.iter().sum();
        row.iter_mut().for_each(|x| *x /= total);
        likelihood += total.ln();
    }
    likelihood
}
