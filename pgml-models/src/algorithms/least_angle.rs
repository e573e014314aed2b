//! Least angle regression, and what its lasso shares with it.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::least_angle::{Path, follow};
use crate::solvers::least_squares::Compressed;

hyperparams! {
    /// Parameters of `least_angle`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct LeastAngleParams {
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Most coefficients that are not zero.
        n_nonzero_coefs: u32 = 500, range: at_least(1.0);
        /// Smallest diagonal of the factorisation: more lets features in that depend on others.
        eps: f64 = f64::EPSILON, range: at_least(0.0);
        /// Largest random number that is added to each target value; null adds none.
        jitter: Option<f64> = None, range: at_least(0.0);
        /// Seed of the jitter; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: rows are always condensed before the path starts.
        precompute: serde_json::Value = serde_json::Value::from("auto"), no_effect: true;
        /// Accepted for compatibility: only the end of the path is kept.
        fit_path: bool = true, no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
    }
}

/// Least angle regression.
pub struct LeastAngle;

impl Estimator for LeastAngle {
    const NAME: &'static str = "least_angle";
    const DESCRIPTION: &'static str =
        "Least squares that lets one feature in after the other: for a few features out of many.";
    const SOURCE: &'static str = "Efron, Hastie, Johnstone, Tibshirani 2004; scikit-learn 1.9 Lars";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = LeastAngleParams;
    type Model = LinearModel;

    fn fit(params: &LeastAngleParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        let path = Path {
            lasso: false,
            positive: false,
            alpha: 0.0,
            max_iter: params.n_nonzero_coefs as usize,
            eps: params.eps,
            n_rows: data.n_rows(),
        };
        let jitter = Jitter { most: params.jitter, seed: params.random_state };
        fit(Self::NAME, &path, params.fit_intercept, jitter, data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Random numbers that are added to the targets, to break ties.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jitter {
    /// The largest; none are added without.
    pub most: Option<f64>,
    /// Their seed, instead of the run's.
    pub seed: Option<u64>,
}

impl Jitter {
    fn add(self, targets: &[&[f64]], run: &Run) -> Vec<Vec<f64>> {
        let mut rng = self.seed.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed)).rng(0);
        let mut shaken: Vec<Vec<f64>> = targets.iter().map(|target| target.to_vec()).collect();
        if let Some(most) = self.most {
            for row in 0..targets.first().map_or(0, |target| target.len()) {
                let noise = most * rng.f64();
                shaken.iter_mut().for_each(|target| target[row] += noise);
            }
        }
        shaken
    }
}

/// Follows the path of each target, for `lasso_least_angle` too.
pub(super) fn fit(
    algorithm: &str,
    path: &Path,
    fit_intercept: bool,
    jitter: Jitter,
    data: &Dataset,
    run: &Run,
) -> Result<LinearModel> {
    data.require_finite()?;
    if data.weight().is_some() {
        bail!(NotSupported, "{algorithm} cannot weight rows");
    }
    let targets = jitter.add(&regression_targets(data)?, run);
    let targets: Vec<&[f64]> = targets.iter().map(Vec::as_slice).collect();
    let problem = Compressed::new(data, &targets, None, fit_intercept, run)?;
    let (mut coef, mut intercept) = (Vec::new(), Vec::new());
    for target in 0..targets.len() {
        let end = follow(&problem, target, path, run)?;
        if end.early {
            run.warn(&format!(
                "the path of {algorithm} ended early: residuals are too small to tell features apart; raise alpha"
            ));
        }
        intercept.push(problem.intercept(target, &end.coef));
        coef.extend(end.coef);
    }
    LinearModel::new(coef, intercept, Head::Value)
}
