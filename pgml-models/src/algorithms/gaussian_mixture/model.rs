//! A fitted mixture.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{MatrixRef, Model, Parts, Result, bail};

use super::BLOCK;
use super::covariances::Kind;
use super::gaussians::Gaussians;

/// Normal distributions, of which a row belongs to the one that it most probably comes from.
pub struct GaussianMixtureModel {
    gaussians: Gaussians,
    lower_bound: f64,
}

impl GaussianMixtureModel {
    pub(super) fn new(gaussians: Gaussians, lower_bound: f64) -> Result<Self> {
        if gaussians.means().iter().any(|x| !x.is_finite()) || !lower_bound.is_finite() {
            bail!(InvalidData, "the distributions overflow: features are too large, scale them in preprocess");
        }
        Ok(Self { gaussians, lower_bound })
    }

    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let weights = parts.array::<f64>("weights")?.to_vec();
        let means = parts.array::<f64>("means")?.to_vec();
        let k = weights.len();
        if k == 0 || means.is_empty() || !means.len().is_multiple_of(k) {
            bail!(Corrupted, "stored gaussian_mixture has {} values for {k} means", means.len());
        }
        let name: String = parts.meta("covariance_type")?;
        let kind = Kind::named(&name);
        if kind.name() != name || weights.iter().any(|w| !(0.0..=1.0).contains(w)) {
            bail!(Corrupted, "stored gaussian_mixture has covariances {name} or a weight out of range");
        }
        let Some(numbers) = kind.n_numbers(k, means.len() / k) else {
            bail!(Corrupted, "stored gaussian_mixture has {k} means of {} features", means.len() / k);
        };
        let covariances = parts.array_of("covariances", numbers)?.to_vec();
        let lower_bound = parts.array_of::<f64>("lower_bound", 1)?[0];
        Gaussians::new(kind, weights, means, covariances)
            .and_then(|gaussians| Self::new(gaussians, lower_bound))
            .or_else(|_| bail!(Corrupted, "stored gaussian_mixture has a value out of range"))
    }
}

impl Model for GaussianMixtureModel {
    fn n_features(&self) -> usize {
        self.gaussians.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let (d, k) = (self.n_features(), self.gaussians.n_components());
        expect_shape(&rows, d, out, 1)?;
        require_finite(&rows)?;
        let (mut densities, mut scratch) = (vec![0.0; rows.n_rows().min(BLOCK) * k], Vec::new());
        for (rows, out) in rows.as_slice().chunks(BLOCK * d).zip(out.chunks_mut(BLOCK)) {
            let densities = &mut densities[..out.len() * k];
            self.gaussians.log_densities_into(rows, densities, &mut scratch);
            for (row, out) in densities.chunks_exact(k).zip(out) {
                let mut best = 0;
                (1..k).for_each(|c| best = if row[c] > row[best] { c } else { best });
                *out = best as f64;
            }
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let (k, d) = (self.gaussians.n_components(), self.n_features());
        let shape = match self.gaussians.kind() {
            Kind::Full => vec![k, d, d],
            Kind::Tied => vec![d, d],
            Kind::Diag => vec![k, d],
            Kind::Spherical => vec![k],
        };
        Parts::new()
            .with("weights", self.gaussians.weights().to_vec())
            .with_shape("means", vec![k, d], self.gaussians.means().to_vec())
            .with_shape("covariances", shape, self.gaussians.covariances().to_vec())
            .with("lower_bound", vec![self.lower_bound])
            .with_meta("covariance_type", &self.gaussians.kind().name())
    }

    fn bytes(&self) -> usize {
        self.gaussians.bytes()
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("lower_bound", self.lower_bound)]
    }
}
