//! Poisson regression.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use super::tweedie;
use crate::linear_model::LinearModel;
use crate::solvers::deviance::Link;

tweedie::glm_params! {
    /// Parameters of `poisson`.
    pub struct PoissonParams {}
}

/// Poisson regression.
pub struct Poisson;

impl Estimator for Poisson {
    const NAME: &'static str = "poisson";
    const DESCRIPTION: &'static str = "Linear regression for counts: the logarithm of the expected number is linear.";
    const SOURCE: &'static str = "Nelder, Wedderburn 1972; scikit-learn 1.9 PoissonRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = PoissonParams;
    type Model = LinearModel;

    fn fit(params: &PoissonParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        tweedie::fit(Self::NAME, &params.family(1.0, Link::Log), data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
