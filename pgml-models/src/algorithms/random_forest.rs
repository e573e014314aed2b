//! Random forests (Breiman 2001), grown by our tree engine with scikit-learn's names, defaults and semantics.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use crate::trees::averaged::AveragedTrees;
use crate::trees::forest::forest_params;
use crate::trees::grower::Splitter;

forest_params! {
    /// Parameters of random forests: those of scikit-learn 1.9's `RandomForestClassifier` and `RandomForestRegressor`.
    pub struct RandomForestParams {
        bootstrap: true
    }
}

/// `random_forest`.
#[derive(Debug)]
pub struct RandomForest;

impl Estimator for RandomForest {
    const NAME: &'static str = "random_forest";
    const DESCRIPTION: &'static str =
        "The average of many deep decision trees, each grown on other rows and features; strong without tuning";
    const SOURCE: &'static str =
        "L. Breiman, Random Forests, Machine Learning 45 (2001); parameters of scikit-learn 1.9's random forests";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 2;
    type Params = RandomForestParams;
    type Model = AveragedTrees;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let seeded = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        params.forest(Self::NAME, Splitter::Best).fit(data, task, &seeded)
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        AveragedTrees::decode(parts)
    }
}
