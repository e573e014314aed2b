//! LightGBM: the library itself trains, the flat-tree predictor predicts.

mod model;
mod objective;
mod params;
mod read;
mod train;

use std::borrow::Cow;

use pgml_core::estimator::Imported;
use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

pub use model::LightgbmModel;
pub use params::LightgbmParams;

/// Gradient boosting by LightGBM.
///
/// Fitting is the library's; the model is then read into flat arrays that predict the library's numbers bit for bit
/// (to 1 ulp of f64 where an exponential follows and the C libraries differ). One seed gives the same bytes: the
/// library's `deterministic` mode is on and its histograms are built column by column, unless the hyperparameters say
/// otherwise. One difference: the probabilities of the objective `multiclassova` are made to sum to 1.
#[derive(Debug)]
pub struct Lightgbm;

impl Estimator for Lightgbm {
    const NAME: &'static str = "lightgbm";
    const DESCRIPTION: &'static str =
        "Gradient boosted trees by the LightGBM library: grows leaf by leaf, fast on many rows, knows categories.";
    const SOURCE: &'static str =
        "Ke et al. 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree; LightGBM 4.7";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 2;
    type Params = LightgbmParams;
    type Model = LightgbmModel;

    fn fit(params: &LightgbmParams, data: &Dataset, task: Task, run: &Run) -> Result<LightgbmModel> {
        train::fit(params, Cow::Borrowed(data), task, run)
    }

    fn fit_owned(params: &LightgbmParams, data: Dataset, task: Task, run: &Run) -> Result<LightgbmModel> {
        train::fit(params, Cow::Owned(data), task, run)
    }

    fn decode(parts: &Parts) -> Result<LightgbmModel> {
        LightgbmModel::decode(parts)
    }

    fn import(bytes: &[u8]) -> Result<Imported<LightgbmModel>> {
        read::read(bytes)
    }
}
