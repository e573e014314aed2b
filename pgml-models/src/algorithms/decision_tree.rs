//! Decision trees (Breiman, Friedman, Olshen, Stone 1984), with scikit-learn's names, defaults and semantics.

use pgml_core::{Dataset, Error, ErrorKind, Estimator, Hyperparams, Parts, Result, Run, Task, hyperparams};
use serde_json::Value;

use crate::algorithms::task_params::refuse_other_tasks;
use crate::solvers::class_weight;
use crate::trees::amount::{Amount, MaxFeatures};
use crate::trees::averaged::AveragedTrees;
use crate::trees::ensemble::{Ensemble, in_pool};
use crate::trees::forest::weighted_rows;
use crate::trees::grower::Splitter;
use crate::trees::learner::{Draw, Learner};
use crate::trees::recipe::{Recipe, recipe};

hyperparams! {
    /// Parameters of decision trees: those of scikit-learn 1.9's `DecisionTreeClassifier` and `DecisionTreeRegressor`.
    pub struct DecisionTreeParams {
        /// What splits lower. `auto`: `gini` for classification, `squared_error` for regression.
        criterion: String = "auto".to_owned(),
            choices: ["auto", "gini", "entropy", "log_loss", "squared_error", "friedman_mse", "absolute_error", "poisson"];
        /// Which thresholds are tried: `best` for all, `random` for one per feature, drawn at random.
        splitter: String = "best".to_owned(), choices: ["best", "random"];
        /// Most steps from the root to a leaf; unlimited when null.
        max_depth: Option<usize> = None, range: at_least(1.0);
        /// Fewest rows of a node that is split, as a count or a share of all rows.
        min_samples_split: Amount = Amount::Count(2), range: above(0.0);
        /// Fewest rows of a leaf, as a count or a share of all rows.
        min_samples_leaf: Amount = Amount::Count(1), range: above(0.0);
        /// Least share of the whole weight in a leaf.
        min_weight_fraction_leaf: f64 = 0.0, range: between(0.0, 0.5);
        /// Features that a split looks at: a count, a share, `sqrt`, `log2`, or null for all.
        max_features: MaxFeatures = MaxFeatures::Amount(Amount::Share(1.0)), range: above(0.0), choices: ["sqrt", "log2"];
        /// Most leaves; the tree then grows best split first; unlimited when null.
        max_leaf_nodes: Option<usize> = None, range: at_least(2.0);
        /// Least fall of impurity, weighted by the node's share of rows, for which a node is split.
        min_impurity_decrease: f64 = 0.0, range: at_least(0.0);
        /// Weights by class: `balanced` makes classes weigh the same; or an object from class position to weight, or an array of weights.
        class_weight: Value = Value::Null, choices: ["balanced"];
        /// Complexity below which branches are pruned: the fall of impurity per leaf that they must bring.
        ccp_alpha: f64 = 0.0, range: at_least(0.0);
        /// Per feature 1 where predictions may only rise with it, -1 where only fall, else 0: an array, or an object by feature name. For one target of values or two classes.
        monotonic_cst: Value = Value::Null;
        /// Seed of the order in which features are looked at, which decides between equal splits; that of the training when null.
        random_state: Option<u64> = None;
    }
}

impl DecisionTreeParams {
    /// How `algorithm` grows such a tree.
    #[must_use]
    pub fn recipe(&self, algorithm: &'static str) -> Recipe {
        let splitter = if self.splitter == "random" { Splitter::Random } else { Splitter::Best };
        recipe!(algorithm, self, splitter)
    }

    /// The trees of an ensemble whose parameter `estimator` is null or an object of these parameters.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for anything else.
    pub fn of_estimator(ensemble: &str, estimator: &Value, when_null: Self) -> Result<Self> {
        match estimator {
            Value::Null => Ok(when_null),
            Value::Object(given) if given.contains_key("random_state") => Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("the trees of {ensemble} have no seed of their own; set random_state of {ensemble}"),
            )),
            Value::Object(given) => Self::from_json(&format!("the trees of {ensemble}"), given),
            other => Err(Error::new(
                ErrorKind::InvalidParameter,
                format!(
                    "hyperparameter \"estimator\" of {ensemble} is {other}, but must be null or an object of \
                     hyperparameters of decision_tree"
                ),
            )),
        }
    }
}

/// `decision_tree`.
#[derive(Debug)]
pub struct DecisionTree;

impl Estimator for DecisionTree {
    const NAME: &'static str = "decision_tree";
    const DESCRIPTION: &'static str =
        "One tree of questions about single features; easily read, and the building block of the tree ensembles";
    const SOURCE: &'static str = "L. Breiman, J. Friedman, R. Olshen, C. Stone, Classification and Regression Trees (1984); \
                                  parameters of scikit-learn 1.9's decision trees";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = DecisionTreeParams;
    type Model = AveragedTrees;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        if task == Task::Regression {
            refuse_other_tasks(Self::NAME, params, task, &["class_weight"])?;
        }
        let run = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        let weight = class_weight::times_rows(&params.class_weight, data, data.weight())?;
        let recipe = params.recipe(Self::NAME);
        in_pool(&run, || {
            let learner = Learner::new(&recipe, data, task, &run)?;
            let draw = |_: &mut _| Draw { rows: weighted_rows(data.n_rows(), weight.as_deref()), features: None };
            Ensemble { learner: &learner, n_trees: 1, draw, oob_score: false }.fit()
        })
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        AveragedTrees::decode(parts)
    }
}
