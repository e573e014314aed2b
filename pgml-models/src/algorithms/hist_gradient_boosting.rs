//! Gradient boosting on histograms, with the names, defaults and numbers of scikit-learn's.

mod constraints;
mod fit;
mod loss;
mod model;
mod params;
mod watch;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use crate::per_target::PerTarget;
use crate::solvers::parallel::pool;
pub use model::HistGradientBoostingModel;
pub use params::HistGradientBoostingParams;

/// `hist_gradient_boosting`.
///
/// Trees are scikit-learn's to the last digits where bins are: on at most 200,000 rows, and without random choices.
/// Beyond, quantiles are taken of 200,000 rows that are drawn otherwise; so are the rows that early stopping watches and
/// the features of `max_features`.
#[derive(Debug)]
pub struct HistGradientBoosting;

impl Estimator for HistGradientBoosting {
    const NAME: &'static str = "hist_gradient_boosting";
    const DESCRIPTION: &'static str = "Boosted trees on binned features: among the best for tables, fast on many rows, \
                                       knows categories and missing values, and stops early";
    const SOURCE: &'static str = "Ke et al. 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree; \
                                  scikit-learn 1.9 HistGradientBoostingRegressor and HistGradientBoostingClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = HistGradientBoostingParams;
    type Model = PerTarget<HistGradientBoostingModel>;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        pool(run)?.install(|| PerTarget::fit(data, |one| fit::fit(params, one, task, run)))
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        PerTarget::decode(parts, HistGradientBoostingModel::decode)
    }
}
