//! Random forests (Breiman 2001), grown by our tree engine with scikit-learn's names, defaults and semantics.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};
use serde_json::Value;

use crate::trees::amount::{Amount, MaxFeatures};
use crate::trees::averaged::AveragedTrees;
use crate::trees::forest::Forest;
use crate::trees::grower::Splitter;
use crate::trees::recipe::recipe;

hyperparams! {
    /// Parameters of random forests: those of scikit-learn 1.9's `RandomForestClassifier` and `RandomForestRegressor`.
    pub struct RandomForestParams {
        /// How many trees.
        n_estimators: usize = 100, range: at_least(1.0);
        /// What splits lower. `auto`: `gini` for classification, `squared_error` for regression.
        criterion: String = "auto".to_owned(),
            choices: ["auto", "gini", "entropy", "log_loss", "squared_error", "friedman_mse", "absolute_error", "poisson"];
        /// Most steps from the root of a tree to a leaf; unlimited when null.
        max_depth: Option<usize> = None, range: at_least(1.0);
        /// Fewest rows of a node that is split, as a count or a share of all rows.
        min_samples_split: Amount = Amount::Count(2), range: above(0.0);
        /// Fewest rows of a leaf, as a count or a share of all rows.
        min_samples_leaf: Amount = Amount::Count(1), range: above(0.0);
        /// Least share of a tree's weight in a leaf.
        min_weight_fraction_leaf: f64 = 0.0, range: between(0.0, 0.5);
        /// Features that a split looks at: a count, a share, `sqrt`, `log2`, null for all, or `auto`: `sqrt` for classification, all for regression.
        max_features: MaxFeatures = MaxFeatures::Auto, range: above(0.0), choices: ["auto", "sqrt", "log2"];
        /// Most leaves of a tree, which then grows best split first; unlimited when null.
        max_leaf_nodes: Option<usize> = None, range: at_least(2.0);
        /// Least fall of impurity, weighted by the node's share of rows, for which a node is split.
        min_impurity_decrease: f64 = 0.0, range: at_least(0.0);
        /// Whether each tree learns from rows drawn with replacement, else from all.
        bootstrap: bool = true;
        /// Whether to estimate the score by the rows that each tree did not draw, as metric `oob_score`.
        oob_score: bool = false;
        /// How many rows each tree draws, as a count or a share; as many as there are when null.
        max_samples: Option<Amount> = None, range: above(0.0);
        /// Weights by class: `balanced` makes classes weigh the same, `balanced_subsample` in each tree's rows; or an object from class position to weight, or an array of weights.
        class_weight: Value = Value::Null, choices: ["balanced", "balanced_subsample"];
        /// Complexity below which branches are pruned: the fall of impurity per leaf that they must bring.
        ccp_alpha: f64 = 0.0, range: at_least(0.0);
        /// Per feature 1 where predictions may only rise with it, -1 where only fall, else 0: an array, or an object by feature name. For one target of values or two classes.
        monotonic_cst: Value = Value::Null;
        /// Seed of all random choices; that of the training when null.
        random_state: Option<u64> = None;
        /// How many threads. Without effect: the server's settings decide.
        n_jobs: Option<i64> = None, no_effect: true;
        /// How much to report.
        verbose: Option<i64> = None, no_effect: true;
        /// Whether to go on from an earlier fit.
        warm_start: bool = false, no_effect: true;
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
        let forest = Forest {
            recipe: recipe!(Self::NAME, params, Splitter::Best),
            n_estimators: params.n_estimators,
            bootstrap: params.bootstrap,
            oob_score: params.oob_score,
            max_samples: params.max_samples,
            class_weight: params.class_weight.clone(),
        };
        forest.fit(data, task, &seeded)
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        AveragedTrees::decode(parts)
    }
}
