//! Least squares with an L1 penalty.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};

use super::elastic_net::{self, ElasticNetParams};
use crate::linear_model::LinearModel;

hyperparams! {
    /// Parameters of `lasso`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct LassoParams {
        /// Strength of the L1 penalty.
        alpha: f64 = 1.0, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Whether coefficients must not be negative.
        positive: bool = false;
        /// Most passes over the coefficients.
        max_iter: u32 = 1000, range: at_least(1.0), aliases: ["max_iterations"];
        /// Distance from the optimum (duality gap, relative to the target's square) at which the solver stops.
        tol: f64 = 1e-4, range: at_least(0.0), aliases: ["tolerance"];
        /// Whether coefficients are visited in turn or at random.
        selection: String = "cyclic".to_owned(), choices: ["cyclic", "random"];
        /// Seed of random selection; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: rows are always condensed before the solver starts.
        precompute: bool = false, no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// Lasso regression.
pub struct Lasso;

impl Estimator for Lasso {
    const NAME: &'static str = "lasso";
    const DESCRIPTION: &'static str = "Least squares that drops useless features: their coefficients become zero.";
    const SOURCE: &'static str = "Tibshirani 1996; scikit-learn 1.9 Lasso";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = LassoParams;
    type Model = LinearModel;

    fn fit(params: &LassoParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        let params = ElasticNetParams {
            alpha: params.alpha,
            l1_ratio: 1.0,
            fit_intercept: params.fit_intercept,
            positive: params.positive,
            max_iter: params.max_iter,
            tol: params.tol,
            selection: params.selection.clone(),
            random_state: params.random_state,
            ..ElasticNetParams::default()
        };
        elastic_net::fit(Self::NAME, &params, data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
