//! CatBoost: gradient boosting of symmetric trees, with ordered target statistics for categorical columns.

mod assemble;
mod bins;
mod block;
mod bootstrap;
mod borders;
mod candidates;
mod columns;
mod ctr;
mod ctr_info;
mod data;
mod explain;
mod fold;
mod forest;
mod grow;
mod hash;
mod histogram;
mod import;
mod leaves;
mod loss;
mod model;
mod ordered;
mod params;
mod projection;
mod scores;
mod settings;
mod stored;
mod table;
mod train;
mod tree;
mod watch;
mod weights;

use pgml_core::estimator::Imported;
use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

pub use model::CatboostModel;
pub use params::CatboostParams;

/// Gradient boosting of symmetric trees.
///
/// Written here after the two papers, with CatBoost's parameters, defaults and arithmetic: without random choices
/// (`bootstrap_type` No, `random_strength` 0) the trees and predictions are CatBoost's own. Its random numbers are others.
#[derive(Debug)]
pub struct Catboost;

impl Estimator for Catboost {
    const NAME: &'static str = "catboost";
    const DESCRIPTION: &'static str = "Gradient boosted symmetric trees: strong without tuning, fast to score, and made for columns of many categories";
    const SOURCE: &'static str = "Prokhorenkova et al. 2018, CatBoost: unbiased boosting with categorical features; \
                                  Dorogush et al. 2018; parameters of CatBoost 1.2";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = CatboostParams;
    type Model = CatboostModel;

    fn fit(params: &CatboostParams, data: &Dataset, task: Task, run: &Run) -> Result<CatboostModel> {
        train::fit(params, data, task, run)
    }

    fn decode(parts: &Parts) -> Result<CatboostModel> {
        CatboostModel::decode(parts)
    }

    fn import(bytes: &[u8]) -> Result<Imported<CatboostModel>> {
        import::read(bytes)
    }
}
