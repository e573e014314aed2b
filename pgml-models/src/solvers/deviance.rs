//! The mean deviance of a Tweedie distribution with its derivatives: what generalised linear models minimise.

use std::ops::Range;

use pgml_core::{Result, Run};

use super::damped_newton::Curved;
use super::design::Design;
use super::kernels::dot;
use super::lbfgs::Smooth;

/// How the mean of the target follows from the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The score is the mean.
    Identity,
    /// The score is the mean's logarithm.
    Log,
}

/// Half the deviance per unit weight, less a constant of the targets, and a penalty on coefficients.
pub struct Deviance<'a> {
    /// The features.
    pub design: &'a Design,
    /// The targets.
    pub target: &'a [f64],
    /// Weights, summing to 1.
    pub weight: &'a [f64],
    /// The variance grows as the mean to this power: 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian.
    pub power: f64,
    /// What scores mean.
    pub link: Link,
    /// Strength of the squared penalty per parameter.
    pub penalty: Vec<f64>,
    /// Polled per block of rows.
    pub run: &'a Run,
}

impl Deviance<'_> {
    fn sum(&self, at: &[f64], gradient: &mut [f64], mut hessian: Option<&mut [f64]>) -> Result<f64> {
        let (design, n) = (self.design, at.len());
        gradient.fill(0.0);
        if let Some(hessian) = &mut hessian {
            hessian.fill(0.0);
        }
        let mut scratch = vec![0.0; 3 * design.size];
        let mut value = 0.0;
        for rows in design.blocks() {
            self.run.check()?;
            let mut parts = scratch.chunks_exact_mut(design.size).map(|part| &mut part[..rows.len()]);
            let (Some(scores), Some(slopes), Some(curvatures)) = (parts.next(), parts.next(), parts.next()) else {
                break;
            };
            design.score(&rows, at, scores);
            value += self.rows(&rows, scores, slopes, curvatures);
            design.add_gradient(&rows, slopes, gradient);
            if let Some(hessian) = &mut hessian {
                design.add_hessian(&rows, curvatures, None, hessian, n);
            }
        }
        for (j, (w, l2)) in at.iter().zip(&self.penalty).enumerate() {
            value += 0.5 * l2 * w * w;
            gradient[j] += l2 * w;
            if let Some(hessian) = &mut hessian {
                hessian[j * n + j] += l2;
            }
        }
        Ok(if value.is_nan() { f64::INFINITY } else { value })
    }

    fn rows(&self, rows: &Range<usize>, scores: &[f64], slopes: &mut [f64], curvatures: &mut [f64]) -> f64 {
        let (target, weight) = (&self.target[rows.clone()], &self.weight[rows.clone()]);
        let mut value = 0.0;
        for i in 0..rows.len() {
            let (v, first, second) = match self.link {
                Link::Log => log_link(self.power, scores[i], target[i]),
                Link::Identity => identity_link(self.power, scores[i], target[i]),
            };
            value += weight[i] * v;
            slopes[i] = weight[i] * first;
            curvatures[i] = weight[i] * second;
        }
        value
    }
}

/// Value and two derivatives of half the unit deviance of mean `exp(score)`.
fn log_link(power: f64, score: f64, y: f64) -> (f64, f64, f64) {
    if power == 1.0 {
        let mean = score.exp();
        return (mean - y * score, mean - y, mean);
    }
    if power == 2.0 {
        let ratio = y * (-score).exp();
        return (score + ratio, 1.0 - ratio, ratio);
    }
    let (a, b) = (2.0 - power, 1.0 - power);
    let (up, down) = ((a * score).exp(), y * (b * score).exp());
    (up / a - down / b, up - down, a * up - b * down)
}

/// The same of mean `score`, which must be positive unless the distribution is normal.
fn identity_link(power: f64, mean: f64, y: f64) -> (f64, f64, f64) {
    if power == 0.0 {
        return (0.5 * (mean - y).powi(2), mean - y, 1.0);
    }
    if mean <= 0.0 {
        return (f64::INFINITY, 0.0, 0.0);
    }
    let scaled = mean.powf(-power);
    let (first, second) = (scaled * (mean - y), scaled * ((1.0 - power) + power * y / mean));
    let value = if power == 1.0 {
        mean - y * mean.ln()
    } else if power == 2.0 {
        mean.ln() + y / mean
    } else {
        scaled * mean * (mean / (2.0 - power) - y / (1.0 - power))
    };
    (value, first, second)
}

impl Curved for Deviance<'_> {
    fn n_params(&self) -> usize {
        self.design.width
    }

    fn evaluate(&self, at: &[f64], gradient: &mut [f64], hessian: &mut [f64]) -> Result<f64> {
        self.sum(at, gradient, Some(hessian))
    }

    fn slope(&self, _: &[f64], gradient: &[f64]) -> f64 {
        self.design.largest_slope(gradient)
    }
}

impl Smooth for Deviance<'_> {
    fn evaluate(&self, at: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.sum(at, gradient, None)
    }

    fn slope(&self, _: &[f64], gradient: &[f64]) -> f64 {
        self.design.largest_slope(gradient)
    }
}

/// The weighted mean of a target.
#[must_use]
pub fn mean(target: &[f64], weight: &[f64]) -> f64 {
    dot(target, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_the_differences_of_the_value() {
        let step = 1e-5;
        for power in [-1.0, 0.0, 1.0, 1.5, 2.0, 3.0] {
            for f in [log_link, identity_link] {
                for (score, y) in [(0.7, 2.0), (1.3, 0.4)] {
                    let (_, first, second) = f(power, score, y);
                    let (low, high) = (f(power, score - step, y), f(power, score + step, y));
                    let close = |difference: f64, exact: f64| (difference - exact).abs() < 1e-9 * (10.0 + exact.abs());
                    assert!(close((high.0 - low.0) / (2.0 * step), first), "power {power}");
                    assert!(close((high.1 - low.1) / (2.0 * step), second), "power {power}");
                }
            }
        }
    }
}
