//! Bagging (Breiman 1996): decision trees that each learn from their own draw of rows and features.

use fastrand::Rng;
use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::algorithms::decision_tree::DecisionTreeParams;
use crate::solvers::class_weight;
use crate::trees::amount::Amount;
use crate::trees::averaged::AveragedTrees;
use crate::trees::bootstrap::{self, Bootstrap};
use crate::trees::ensemble::{Ensemble, in_pool};
use crate::trees::learner::{Draw, Learner};

hyperparams! {
    /// Parameters of bagging: those of scikit-learn 1.9's `BaggingClassifier` and `BaggingRegressor`, over decision trees.
    pub struct BaggingParams {
        /// Hyperparameters of the trees, as an object such as `{"max_depth": 5}`: those of `decision_tree`, whose defaults hold.
        estimator: Value = Value::Null;
        /// How many trees.
        n_estimators: usize = 10, range: at_least(1.0);
        /// How many rows each tree draws, as a count or a share of all; as many as there are when null.
        max_samples: Option<Amount> = None, range: above(0.0);
        /// How many features each tree draws, as a count or a share of all.
        max_features: Amount = Amount::Share(1.0), range: above(0.0);
        /// Whether rows are drawn with replacement.
        bootstrap: bool = true;
        /// Whether features are drawn with replacement.
        bootstrap_features: bool = false;
        /// Whether to estimate the score by the rows that each tree did not draw, as metric `oob_score`.
        oob_score: bool = false;
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

/// `bagging`.
#[derive(Debug)]
pub struct Bagging;

impl Estimator for Bagging {
    const NAME: &'static str = "bagging";
    const DESCRIPTION: &'static str =
        "The average of a few decision trees, each grown on its own draw of rows and, if asked for, of features";
    const SOURCE: &'static str =
        "L. Breiman, Bagging predictors, Machine Learning 24 (1996); parameters of scikit-learn 1.9's bagging";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = BaggingParams;
    type Model = AveragedTrees;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let run = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        let tree = DecisionTreeParams::of_estimator(Self::NAME, &params.estimator, DecisionTreeParams::default())?;
        if task == Task::Regression && !tree.class_weight.is_null() {
            bail!(InvalidParameter, "class_weight in the estimator of bagging is for classification, not for {task}");
        }
        let bag = Bag::new(params, &tree, data)?;
        let recipe = tree.recipe(Self::NAME);
        in_pool(&run, || {
            let learner = Learner::new(&recipe, data, task, &run)?;
            let draw = |rng: &mut Rng| bag.draw(rng);
            Ensemble { learner: &learner, n_trees: params.n_estimators, draw, oob_score: params.oob_score }.fit()
        })
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        AveragedTrees::decode(parts)
    }
}

/// What the draws of all trees have in common.
struct Bag<'a> {
    data: &'a Dataset,
    n_rows: usize,
    n_features: usize,
    with_replacement: Option<Bootstrap>,
    features_with_replacement: bool,
    /// The factor of each row's class.
    factors: Option<Vec<f64>>,
}

impl<'a> Bag<'a> {
    fn new(params: &BaggingParams, tree: &DecisionTreeParams, data: &'a Dataset) -> Result<Self> {
        if !params.bootstrap && params.oob_score {
            bail!(InvalidParameter, "oob_score of bagging needs bootstrap, which is false");
        }
        let n_rows = bootstrap::n_draws("bagging", params.max_samples, data.n_rows(), data.weight())?;
        let weighted = data.weight().map_or(data.n_rows(), |weight| weight.iter().filter(|w| **w > 0.0).count());
        if !params.bootstrap && n_rows > weighted {
            bail!(
                InvalidParameter,
                "max_samples of bagging asks for {n_rows} different rows, but there are {weighted} that have any weight"
            );
        }
        let n_features = match params.max_features {
            Amount::Count(count) => count,
            Amount::Share(share) => ((share * data.n_features() as f64) as usize).max(1),
        };
        if n_features > data.n_features() {
            bail!(
                InvalidParameter,
                "max_features of bagging asks for {n_features} features, but there are {}",
                data.n_features()
            );
        }
        Ok(Self {
            data,
            n_rows,
            n_features,
            with_replacement: params.bootstrap.then(|| Bootstrap::new(data.n_rows(), n_rows, data.weight())),
            features_with_replacement: params.bootstrap_features,
            factors: class_weight::times_rows(&tree.class_weight, data, None)?,
        })
    }

    /// The rows and features of one tree.
    fn draw(&self, rng: &mut Rng) -> Draw {
        let all = self.data.n_features() as u32;
        let features = if self.features_with_replacement {
            Some((0..self.n_features).map(|_| rng.u32(0..all)).collect())
        } else if self.n_features < all as usize {
            Some(bootstrap::distinct(all as usize, self.n_features, None, rng))
        } else {
            None
        };
        let mut rows: Vec<(u32, f64)> = match &self.with_replacement {
            Some(bootstrap) => {
                let counts = bootstrap.counts(rng);
                (0..).zip(counts).filter(|(_, count)| *count > 0).map(|(row, count)| (row, f64::from(count))).collect()
            }
            None => bootstrap::distinct(self.data.n_rows(), self.n_rows, self.data.weight(), rng)
                .into_iter()
                .map(|row| (row, 1.0))
                .collect(),
        };
        if let Some(factors) = &self.factors {
            rows.iter_mut().for_each(|(row, weight)| *weight *= factors[*row as usize]);
            rows.retain(|(_, weight)| *weight > 0.0);
        }
        Draw { rows, features }
    }
}
