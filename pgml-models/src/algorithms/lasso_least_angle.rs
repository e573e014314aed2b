//! The lasso, solved along the path of least angle regression.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};

use super::least_angle::{self, Jitter};
use crate::linear_model::LinearModel;
use crate::solvers::least_angle::Path;

hyperparams! {
    /// Parameters of `lasso_least_angle`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct LassoLeastAngleParams {
        /// Strength of the L1 penalty.
        alpha: f64 = 1.0, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Whether coefficients must not be negative.
        positive: bool = false;
        /// Most pieces of the path.
        max_iter: u32 = 500, range: at_least(1.0), aliases: ["max_iterations"];
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

/// The lasso by least angles.
pub struct LassoLeastAngle;

impl Estimator for LassoLeastAngle {
    const NAME: &'static str = "lasso_least_angle";
    const DESCRIPTION: &'static str =
        "The lasso, exact to rounding: drops useless features; quick when few of many features matter.";
    const SOURCE: &'static str = "Efron, Hastie, Johnstone, Tibshirani 2004; scikit-learn 1.9 LassoLars";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = LassoLeastAngleParams;
    type Model = LinearModel;

    fn fit(params: &LassoLeastAngleParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        let path = Path {
            lasso: true,
            positive: params.positive,
            alpha: params.alpha,
            max_iter: params.max_iter as usize,
            eps: params.eps,
            n_rows: data.n_rows(),
        };
        let jitter = Jitter { most: params.jitter, seed: params.random_state };
        least_angle::fit(Self::NAME, &path, params.fit_intercept, jitter, data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
