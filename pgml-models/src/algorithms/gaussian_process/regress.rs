//! Regression: the posterior is a normal distribution (Rasmussen, Williams 2006, algorithm 2.1).

use std::f64::consts::PI;

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Dataset, MatrixRef, Parts, Result, Run, Shared, bail};

use super::covariance::Room;
use super::likelihood::Points;
use super::{GaussianProcessParams, Kernel, parse};
use crate::algorithms::task_params::regression_targets;
use crate::solvers::bounded::Value;
use crate::solvers::cholesky;
use crate::solvers::kernels::dot;

/// Where numbers of the default kernel begin; they are learnt.
const USUAL_KERNEL: &str = "constant(1) * rbf(1)";

pub(super) fn fit(params: &GaussianProcessParams, data: &Dataset, run: &Run) -> Result<GaussianRegressor> {
    let (n, d) = (data.n_rows(), data.n_features());
    let mut kernel = Kernel::read(params, USUAL_KERNEL, d)?;
    let targets = regression_targets(data)?;
    let _memory = run.reserve(8 * (n * (2 * d + 3 * targets.len())) as u64, "the matrix of features")?;
    let units: Vec<(f64, f64)> =
        targets.iter().map(|y| if params.normalize_y { unit(y) } else { (0.0, 1.0) }).collect();
    let scale = |(y, (mean, deviation)): (&&[f64], &(f64, f64))| y.iter().map(|y| (y - mean) / deviation).collect();
    let problem = Problem {
        points: Points::new(data.to_rows(), d),
        targets: targets.iter().zip(&units).map(scale).collect(),
        noise: params.alpha,
        run,
    };
    let probe = kernel.clone();
    kernel.optimise(params, 0, run, |theta| problem.evaluate(&probe, theta))?;
    let Some(solved) = problem.solve(&kernel, &kernel.values())? else {
        bail!(
            InvalidData,
            "the covariances of the training rows are not positive definite: raise alpha, or add white_noise to the kernel"
        );
    };
    let model = GaussianRegressor {
        log_likelihood: solved.log_likelihood,
        dual: solved.dual.concat().into(),
        points: problem.points,
        kernel,
        units,
    };
    if model.dual.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the covariances overflow: features or targets are too large, scale them in preprocess");
    }
    Ok(model)
}

/// Mean and standard deviation, 1 for a constant.
fn unit(y: &[f64]) -> (f64, f64) {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let deviation = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    (mean, if deviation > 10.0 * f64::EPSILON * mean.abs() { deviation } else { 1.0 })
}

struct Problem<'a> {
    points: Points,
    targets: Vec<Vec<f64>>,
    noise: f64,
    run: &'a Run,
}

struct Solved {
    lower: Vec<f64>,
    /// `K⁻¹ y` of each target.
    dual: Vec<Vec<f64>>,
    log_likelihood: f64,
}

impl Problem<'_> {
    /// `None` where the matrix is not positive definite.
    fn solve(&self, kernel: &Kernel, values: &[f64]) -> Result<Option<Solved>> {
        let n = self.points.n_rows();
        let (mut lower, _memory) = self.points.matrix(kernel, values, self.run)?;
        lower.iter_mut().step_by(n + 1).for_each(|k| *k += self.noise);
        if !cholesky::factor(&mut lower, n, self.run)? {
            return Ok(None);
        }
        let mut dual = self.targets.clone();
        for y in &mut dual {
            self.run.check()?;
            cholesky::solve(&lower, n, y);
        }
        let log_volume: f64 = lower.iter().step_by(n + 1).map(|x| x.ln()).sum();
        let of_one =
            |(y, dual): (&Vec<f64>, &Vec<f64>)| -0.5 * dot(y, dual) - log_volume - 0.5 * n as f64 * (2.0 * PI).ln();
        let log_likelihood = self.targets.iter().zip(&dual).map(of_one).sum();
        Ok(Some(Solved { lower, dual, log_likelihood }))
    }

    /// Minus the log likelihood of the logarithms `theta`, and its slopes.
    fn evaluate(&self, kernel: &Kernel, theta: &[f64]) -> Result<Value> {
        let values: Vec<f64> = theta.iter().map(|x| x.exp()).collect();
        let (n, t) = (self.points.n_rows(), self.targets.len() as f64);
        let _memory = self.run.reserve(16 * (n as u64).saturating_mul(n as u64), "the inverse of the covariances")?;
        let Some(Solved { lower, dual, log_likelihood }) = self.solve(kernel, &values)? else { return Ok(None) };
        if !log_likelihood.is_finite() {
            return Ok(None);
        }
        let inverse = cholesky::inverse(&lower, n, self.run)?;
        drop(lower);
        let mut slopes = vec![0.0; kernel.hypers.len()];
        let mut weights = vec![0.0; n];
        self.points.each_slope(kernel, &values, self.run, |i, by| {
            // Of the symmetric matrix Σ α αᵀ − t K⁻¹ the diagonal counts once, all else twice.
            for (weight, inverse) in weights[..=i].iter_mut().zip(&inverse[i * n..]) {
                *weight = -t * inverse;
            }
            for dual in &dual {
                weights[..=i].iter_mut().zip(dual).for_each(|(weight, other)| *weight += dual[i] * other);
            }
            weights[i] *= 0.5;
            slopes.iter_mut().zip(by).for_each(|(slope, by)| *slope -= dot(&weights[..=i], by));
        })?;
        Ok(Some((-log_likelihood, slopes)))
    }
}

/// What predictions are made of.
pub(super) struct GaussianRegressor {
    points: Points,
    /// A row of `n` per target.
    dual: Shared<f64>,
    kernel: Kernel,
    /// Mean and deviation of each target.
    units: Vec<(f64, f64)>,
    log_likelihood: f64,
}

impl GaussianRegressor {
    pub fn n_features(&self) -> usize {
        self.points.d
    }

    pub fn n_targets(&self) -> usize {
        self.units.len()
    }

    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.points.bytes() + self.dual.private_bytes()
    }

    pub fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_targets())?;
        require_finite(&rows)?;
        let (n, values) = (self.points.n_rows(), self.kernel.values());
        let (mut covariances, mut room) = (vec![0.0; self.points.padded()], Room::default());
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(self.n_targets())) {
            self.points.covariances(&self.kernel, &values, row, &mut covariances, &mut room);
            for ((out, dual), (mean, deviation)) in out.iter_mut().zip(self.dual.chunks_exact(n)).zip(&self.units) {
                *out = mean + deviation * dot(&covariances[..n], dual);
            }
        }
        Ok(())
    }

    pub fn encode(&self) -> Result<Parts> {
        let (n, d, t) = (self.points.n_rows(), self.points.d, self.n_targets());
        Parts::new()
            .with_shared("rows", vec![n, d], self.points.rows.clone())
            .with_shared("dual_coef", vec![t, n], self.dual.clone())
            .with_shape("units", vec![t, 2], self.units.iter().flat_map(|(m, s)| [*m, *s]).collect::<Vec<f64>>())
            .with_meta("kernel", &self.kernel.text())?
            .with_meta("n_features", &d)?
            .with_meta("log_marginal_likelihood", &self.log_likelihood)
    }

    pub fn decode(parts: &Parts) -> Result<Self> {
        let (points, kernel) = decode_points(parts)?;
        let stored = parts.array::<f64>("units")?;
        let units: Vec<(f64, f64)> = stored.chunks_exact(2).map(|unit| (unit[0], unit[1])).collect();
        let n_dual = points.n_rows().checked_mul(units.len()).filter(|n| *n > 0 && stored.len() % 2 == 0);
        let Some(n_dual) = n_dual else { bail!(Corrupted, "stored gaussian_process has {} units", stored.len()) };
        let dual = parts.shared_of::<f64>("dual_coef", n_dual)?;
        if dual.iter().chain(stored).any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored gaussian_process has a value that is not finite");
        }
        Ok(Self { points, dual, kernel, units, log_likelihood: parts.meta("log_marginal_likelihood")? })
    }
}

/// The training rows and the kernel that both tasks store.
pub(super) fn decode_points(parts: &Parts) -> Result<(Points, Kernel)> {
    let (rows, d): (_, usize) = (parts.shared::<f64>("rows")?, parts.meta("n_features")?);
    if d == 0 || rows.is_empty() || !rows.len().is_multiple_of(d) || rows.iter().any(|x| !x.is_finite()) {
        bail!(Corrupted, "stored gaussian_process has {} values in rows of {d} features", rows.len());
    }
    let text: String = parts.meta("kernel")?;
    let Ok((covariance, hypers)) = parse::parse(&text, d) else {
        bail!(Corrupted, "stored gaussian_process has the unknown kernel \"{text}\"");
    };
    Ok((Points::new(rows, d), Kernel { covariance, hypers }))
}
