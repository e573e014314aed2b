//! Least squares with an L1 penalty.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use super::elastic_net;
use crate::linear_model::LinearModel;

elastic_net::net_params! {
    /// Parameters of `lasso`.
    pub struct LassoParams {
        /// Strength of the L1 penalty.
        alpha: f64 = 1.0, range: at_least(0.0);
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
        elastic_net::fit(Self::NAME, &params.with_l1_ratio(1.0), data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
