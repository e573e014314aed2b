//! Extremely randomised trees (Geurts, Ernst, Wehenkel 2006), with scikit-learn's names, defaults and semantics.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use crate::trees::averaged::AveragedTrees;
use crate::trees::forest::forest_params;
use crate::trees::grower::Splitter;

forest_params! {
    /// Parameters of extra-trees: those of scikit-learn 1.9's `ExtraTreesClassifier` and `ExtraTreesRegressor`.
    pub struct ExtraTreesParams {
        bootstrap: false
    }
}

/// `extra_trees`.
#[derive(Debug)]
pub struct ExtraTrees;

impl Estimator for ExtraTrees {
    const NAME: &'static str = "extra_trees";
    const DESCRIPTION: &'static str =
        "The average of many decision trees that split at random thresholds; faster than random_forest, and smoother";
    const SOURCE: &'static str = "P. Geurts, D. Ernst, L. Wehenkel, Extremely randomized trees, Machine Learning 63 (2006); \
                                  parameters of scikit-learn 1.9's extra-trees";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = ExtraTreesParams;
    type Model = AveragedTrees;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let seeded = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        params.forest(Self::NAME, Splitter::Random).fit(data, task, &seeded)
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        AveragedTrees::decode(parts)
    }
}
