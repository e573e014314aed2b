//! AdaBoost (Freund, Schapire 1997): trees that each mind what those before got wrong.

mod classify;
mod model;
mod regress;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::algorithms::decision_tree::DecisionTreeParams;
use crate::algorithms::task_params::refuse_other_tasks;
use crate::per_target::PerTarget;
use crate::trees::ensemble::in_pool;
use crate::trees::learner::Learner;
pub use model::AdaBoostModel;

hyperparams! {
    /// Parameters of AdaBoost: those of scikit-learn 1.9's `AdaBoostClassifier` and `AdaBoostRegressor`, over decision trees.
    pub struct AdaBoostParams {
        /// Hyperparameters of the trees, as an object such as `{"max_depth": 2}`: those of `decision_tree`, whose defaults hold. When null, trees have a depth of 1 for classification and of 3 for regression.
        estimator: Value = Value::Null;
        /// Most trees; boosting ends earlier once a tree makes no error.
        n_estimators: usize = 50, range: between(1.0, 100_000.0);
        /// How much the vote of each tree, and the weight of rows that it gets wrong, is raised.
        learning_rate: f64 = 1.0, range: above(0.0);
        /// For regression: how errors, as shares of the largest, add up.
        loss: String = "linear".to_owned(), choices: ["linear", "square", "exponential"];
        /// Seed of all random choices; that of the training when null.
        random_state: Option<u64> = None;
    }
}

/// `ada_boost`.
#[derive(Debug)]
pub struct AdaBoost;

impl Estimator for AdaBoost {
    const NAME: &'static str = "ada_boost";
    const DESCRIPTION: &'static str =
        "Small decision trees in turn, each minding the rows that those before got wrong; sensitive to outliers";
    const SOURCE: &'static str = "J. Zhu, H. Zou, S. Rosset, T. Hastie, Multi-class AdaBoost (2009; SAMME); H. Drucker, \
                                  Improving regressors using boosting techniques (1997; AdaBoost.R2); parameters of \
                                  scikit-learn 1.9's AdaBoost";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = AdaBoostParams;
    type Model = PerTarget<AdaBoostModel>;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let is_classification = task == Task::Classification;
        if is_classification {
            refuse_other_tasks(Self::NAME, params, task, &["loss"])?;
        }
        let run = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        let stump = DecisionTreeParams {
            max_depth: Some(if is_classification { 1 } else { 3 }),
            ..DecisionTreeParams::default()
        };
        let tree = DecisionTreeParams::of_estimator(Self::NAME, &params.estimator, stump)?;
        if !tree.class_weight.is_null() {
            bail!(InvalidParameter, "the trees of ada_boost are weighted by boosting, not by class_weight");
        }
        let recipe = tree.recipe(Self::NAME);
        PerTarget::fit(data, |data| {
            in_pool(&run, || {
                let learner = Learner::new(&recipe, data, task, &run)?;
                if is_classification { classify::boost(params, &learner) } else { regress::boost(params, &learner) }
            })
        })
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        PerTarget::decode(parts, AdaBoostModel::decode)
    }
}

/// The weights of rows as boosting begins: their sum is 1.
fn first_weights(data: &Dataset) -> Vec<f64> {
    let n = data.n_rows();
    let given = data.weight().map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
    let sum: f64 = given.iter().sum();
    given.into_iter().map(|weight| weight / sum).collect()
}

/// Weights as the next tree takes them: never too small to count, unless they were 0 from the start.
fn mend(weights: &mut [f64]) {
    weights.iter_mut().filter(|weight| **weight > 0.0).for_each(|weight| *weight = weight.max(f64::EPSILON));
}
