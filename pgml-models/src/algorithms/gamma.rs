//! Gamma regression.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use super::tweedie;
use crate::linear_model::LinearModel;
use crate::solvers::deviance::Link;

tweedie::glm_params! {
    /// Parameters of `gamma`.
    pub struct GammaParams {}
}

/// Gamma regression.
pub struct Gamma;

impl Estimator for Gamma {
    const NAME: &'static str = "gamma";
    const DESCRIPTION: &'static str =
        "Linear regression for positive amounts: the logarithm of the expected amount is linear.";
    const SOURCE: &'static str = "Nelder, Wedderburn 1972; scikit-learn 1.9 GammaRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = GammaParams;
    type Model = LinearModel;

    fn fit(params: &GammaParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        tweedie::fit(Self::NAME, &params.family(2.0, Link::Log), data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
