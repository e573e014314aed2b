//! Ridge regression whose penalty is learnt from the rows.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::least_squares::Compressed;
use crate::solvers::svd::{Svd, svd};

hyperparams! {
    /// Parameters of `bayesian_ridge`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct BayesianRidgeParams {
        /// Most iterations.
        max_iter: u32 = 300, range: at_least(1.0), aliases: ["n_iter", "max_iterations"];
        /// Change of the coefficients (sum of absolute values) below which to stop.
        tol: f64 = 1e-3, range: at_least(0.0), aliases: ["tolerance"];
        /// Shape of the gamma distribution that the noise's precision is expected to have.
        alpha_1: f64 = 1e-6, range: at_least(0.0);
        /// Rate of the gamma distribution that the noise's precision is expected to have.
        alpha_2: f64 = 1e-6, range: at_least(0.0);
        /// Shape of the gamma distribution that the coefficients' precision is expected to have.
        lambda_1: f64 = 1e-6, range: at_least(0.0);
        /// Rate of the gamma distribution that the coefficients' precision is expected to have.
        lambda_2: f64 = 1e-6, range: at_least(0.0);
        /// Precision of the noise at the start; null means 1 / variance of the target.
        alpha_init: Option<f64> = None, range: at_least(0.0);
        /// Precision of the coefficients at the start; null means 1.
        lambda_init: Option<f64> = None, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Accepted for compatibility: models keep no scores of their iterations.
        compute_score: bool = false, no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// Bayesian ridge regression.
pub struct BayesianRidge;

impl Estimator for BayesianRidge {
    const NAME: &'static str = "bayesian_ridge";
    const DESCRIPTION: &'static str = "Ridge regression that finds the strength of its penalty itself.";
    const SOURCE: &'static str = "MacKay 1992; Tipping 2001; scikit-learn 1.9 BayesianRidge";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = BayesianRidgeParams;
    type Model = LinearModel;

    fn fit(params: &BayesianRidgeParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        let targets = regression_targets(data)?;
        let problem = Compressed::new(data, &targets, data.weight(), params.fit_intercept, run)?;
        let total = data.weight().map_or(data.n_rows() as f64, |w| w.iter().sum());
        let spectrum = Spectrum::new(&problem, run)?;
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for (target, values) in targets.iter().enumerate() {
            let variance = variance(values, data.weight());
            let one = maximise_evidence(params, &spectrum.rotated(&problem, target), total, variance, run)?;
            intercept.push(problem.intercept(target, &one));
            coef.extend(one);
        }
        LinearModel::new(coef, intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Weighted variance of a target.
pub(super) fn variance(values: &[f64], weight: Option<&[f64]>) -> f64 {
    let of_row = |row: usize| weight.map_or(1.0, |w| w[row]);
    let total: f64 = (0..values.len()).map(of_row).sum();
    let mean = values.iter().enumerate().map(|(row, y)| of_row(row) * y).sum::<f64>() / total;
    values.iter().enumerate().map(|(row, y)| of_row(row) * (y - mean).powi(2)).sum::<f64>() / total
}

/// The columns' singular values and vectors, by which a ridge of any strength is a division per value.
struct Spectrum {
    /// Squared singular values.
    squares: Vec<f64>,
    /// Directions in the space of rows, and those of coefficients, one after another.
    left: Vec<f64>,
    right: Vec<f64>,
}

/// One target in the coordinates of a [`Spectrum`].
struct Rotated<'a> {
    spectrum: &'a Spectrum,
    /// The target along each left direction.
    along: Vec<f64>,
    /// Its squared norm along no direction.
    beyond: f64,
    n_features: usize,
}

impl Spectrum {
    fn new(problem: &Compressed, run: &Run) -> Result<Self> {
        let (m, d) = (problem.m, problem.d);
        let _memory = run.reserve(16 * (m * d) as u64, "the singular vectors")?;
        let wide = m < d;
        let Svd { us, s, v } = if wide {
            let transposed = (0..m).flat_map(|i| (0..d).map(move |j| problem.a[j * m + i])).collect();
            svd(transposed, d, m, run)?
        } else {
            svd(problem.a.clone(), m, d, run)?
        };
        let cutoff = f64::EPSILON * m.max(d) as f64 * s.first().copied().unwrap_or(0.0);
        let rank = s.iter().filter(|s| **s > cutoff).count();
        let p = m.max(d);
        let mut long = us[..rank * p].to_vec();
        long.chunks_exact_mut(p.max(1)).zip(&s).for_each(|(u, s)| u.iter_mut().for_each(|x| *x /= s));
        let short = v[..rank * m.min(d)].to_vec();
        let (left, right) = if wide { (short, long) } else { (long, short) };
        Ok(Self { squares: s[..rank].iter().map(|s| s * s).collect(), left, right })
    }

    fn rotated(&self, problem: &Compressed, target: usize) -> Rotated<'_> {
        let mut left_over = problem.b[target].clone();
        let mut along = Vec::with_capacity(self.squares.len());
        for unit in self.left.chunks_exact(problem.m.max(1)) {
            along.push(dot(unit, &problem.b[target]));
            axpy(-dot(unit, &left_over), unit, &mut left_over);
        }
        let beyond = dot(&left_over, &left_over) + problem.rest[target];
        Rotated { spectrum: self, along, beyond, n_features: problem.d }
    }
}

impl Rotated<'_> {
    /// Coefficients under the penalty `ratio · ‖w‖²`, and the sum of squared residuals.
    fn ridge(&self, ratio: f64) -> (Vec<f64>, f64) {
        let mut coef = vec![0.0; self.n_features];
        let mut residual = self.beyond;
        let directions = self.spectrum.right.chunks_exact(self.n_features);
        for ((square, along), direction) in self.spectrum.squares.iter().zip(&self.along).zip(directions) {
            axpy(along * square.sqrt() / (square + ratio), direction, &mut coef);
            residual += (along * ratio / (square + ratio)).powi(2);
        }
        (coef, residual)
    }
}

/// Alternates between the coefficients and the two precisions that make them most probable (MacKay's fixed point).
fn maximise_evidence(
    params: &BayesianRidgeParams,
    target: &Rotated<'_>,
    total: f64,
    variance: f64,
    run: &Run,
) -> Result<Vec<f64>> {
    let mut noise = params.alpha_init.unwrap_or(1.0 / (variance + f64::EPSILON));
    let mut prior = params.lambda_init.unwrap_or(1.0);
    let mut previous: Option<Vec<f64>> = None;
    for iteration in 0..params.max_iter {
        run.check()?;
        run.progress("training", u64::from(iteration), u64::from(params.max_iter));
        let (coef, residual) = target.ridge(prior / noise);
        let effective: f64 = target.spectrum.squares.iter().map(|s| noise * s / (prior + noise * s)).sum();
        prior = (effective + 2.0 * params.lambda_1) / (dot(&coef, &coef) + 2.0 * params.lambda_2);
        noise = (total - effective + 2.0 * params.alpha_1) / (residual + 2.0 * params.alpha_2);
        let change = previous.map(|old| old.iter().zip(&coef).map(|(a, b)| (a - b).abs()).sum::<f64>());
        if change.is_some_and(|change| change < params.tol) {
            break;
        }
        previous = Some(coef);
    }
    Ok(target.ridge(prior / noise).0)
}
