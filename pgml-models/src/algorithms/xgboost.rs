//! XGBoost: the library itself trains, the flat-tree predictor predicts.

mod model;
mod objective;
mod params;
mod read;
pub(super) mod train;

use std::borrow::Cow;

use pgml_core::estimator::Imported;
use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

pub use model::XgboostModel;
pub use params::XgboostParams;

/// Gradient boosting by XGBoost.
///
/// Fitting is the library's; the model is then read into flat arrays that predict the library's numbers (as from a
/// `DMatrix`) bit for bit, and to 1 ulp where an exponential follows and the C libraries differ. Features are compared
/// in f32, as there. One seed gives the same bytes for one number of threads; another number sums histograms in another
/// order, so that last digits differ. The boosters' updater `shotgun` is not reproducible: that is the library's word.
#[derive(Debug)]
pub struct Xgboost;

impl Estimator for Xgboost {
    const NAME: &'static str = "xgboost";
    const DESCRIPTION: &'static str =
        "Gradient boosted trees by the XGBoost library: the first choice for tables, copes with missing values.";
    const SOURCE: &'static str = "Chen, Guestrin 2016, XGBoost: A Scalable Tree Boosting System; XGBoost 3.2";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 2;
    type Params = XgboostParams;
    type Model = XgboostModel;

    fn fit(params: &XgboostParams, data: &Dataset, task: Task, run: &Run) -> Result<XgboostModel> {
        train::fit(params, Cow::Borrowed(data), task, run)
    }

    fn fit_owned(params: &XgboostParams, data: Dataset, task: Task, run: &Run) -> Result<XgboostModel> {
        train::fit(params, Cow::Owned(data), task, run)
    }

    fn decode(parts: &Parts) -> Result<XgboostModel> {
        XgboostModel::decode(parts)
    }

    fn import(bytes: &[u8]) -> Result<Imported<XgboostModel>> {
        read::read(bytes, None)
    }
}
