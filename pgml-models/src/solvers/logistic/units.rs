//! Between the standard units that solvers work in and the features' own.

use super::Objective;
use crate::solvers::kernels::dot;

impl Objective {
    /// The largest slope at `params`, in the features' own units as in scikit-learn and in standard units: zero at the
    /// optimum.
    #[must_use]
    pub fn slope(&self, params: &[f64], gradient: &[f64]) -> f64 {
        let has_intercept = self.width > self.n_features;
        let mut largest = 0.0_f64;
        for c in 0..self.n_scores {
            let intercept = if has_intercept { gradient[(c + 1) * self.width - 1] } else { 0.0 };
            largest = largest.max(intercept.abs());
            for j in 0..self.n_features {
                let index = c * self.width + j;
                let (g, w, l1) = (gradient[index], params[index], self.l1[index]);
                let subgradient = if w != 0.0 { g + l1 * w.signum() } else { g.signum() * (g.abs() - l1).max(0.0) };
                let own_units = self.scales[j] * subgradient + self.means[j] * intercept;
                largest = largest.max(subgradient.abs()).max(own_units.abs());
            }
        }
        largest
    }

    /// Coefficients and intercepts in the features' own units.
    #[must_use]
    pub fn own_units(&self, params: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut coef = Vec::with_capacity(self.n_scores * self.n_features);
        let mut intercepts = Vec::with_capacity(self.n_scores);
        for params in params.chunks_exact(self.width) {
            let row: Vec<f64> = params.iter().zip(&self.scales).map(|(w, s)| w / s).collect();
            let intercept = params.get(self.n_features).copied().unwrap_or(0.0);
            intercepts.push(intercept - dot(&row, &self.means));
            coef.extend(row);
        }
        (coef, intercepts)
    }

    /// Parameters of this objective from coefficients and intercepts in the features' own units.
    #[must_use]
    pub fn standard_units(&self, coef: &[f64], intercepts: &[f64]) -> Vec<f64> {
        let mut params = Vec::with_capacity(self.n_params());
        for (row, intercept) in coef.chunks_exact(self.n_features).zip(intercepts) {
            params.extend(row.iter().zip(&self.scales).map(|(w, s)| w * s));
            if self.width > self.n_features {
                params.push(intercept + dot(row, &self.means));
            }
        }
        params
    }
}
