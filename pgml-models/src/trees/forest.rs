//! Forests: trees that each learn from all rows, or from as many drawn with replacement, and look at random splits.

use fastrand::Rng;
use pgml_core::{Dataset, Result, Run, Task, bail};
use serde_json::Value;

use super::amount::Amount;
use super::averaged::AveragedTrees;
use super::bootstrap::{self, Bootstrap};
use super::ensemble::{Ensemble, in_pool};
use super::learner::{Draw, Learner};
use super::recipe::Recipe;
use crate::solvers::class_weight;

/// Declares the hyperparameters of a forest. Forests differ in whether each tree draws rows by default.
macro_rules! forest_params {
    ($(#[$meta:meta])* pub struct $name:ident { bootstrap: $bootstrap:literal }) => {
        pgml_core::hyperparams! {
            $(#[$meta])*
            pub struct $name {
                /// How many trees.
                n_estimators: usize = 100, range: at_least(1.0);
                /// What splits lower. `auto`: `gini` for classification, `squared_error` for regression.
                criterion: String = "auto".to_owned(),
                    choices: ["auto", "gini", "entropy", "log_loss", "squared_error", "friedman_mse", "absolute_error", "poisson"];
                /// Most steps from the root of a tree to a leaf; unlimited when null.
                max_depth: Option<usize> = None, range: at_least(1.0);
                /// Fewest rows of a node that is split, as a count or a share of all rows.
                min_samples_split: $crate::trees::amount::Amount = $crate::trees::amount::Amount::Count(2), range: above(0.0);
                /// Fewest rows of a leaf, as a count or a share of all rows.
                min_samples_leaf: $crate::trees::amount::Amount = $crate::trees::amount::Amount::Count(1), range: above(0.0);
                /// Least share of a tree's weight in a leaf.
                min_weight_fraction_leaf: f64 = 0.0, range: between(0.0, 0.5);
                /// Features that a split looks at: a count, a share, `sqrt`, `log2`, null for all, or `auto`: `sqrt` for classification, all for regression.
                max_features: $crate::trees::amount::MaxFeatures = $crate::trees::amount::MaxFeatures::Auto, range: above(0.0), choices: ["auto", "sqrt", "log2"];
                /// Most leaves of a tree, which then grows best split first; unlimited when null.
                max_leaf_nodes: Option<usize> = None, range: at_least(2.0);
                /// Least fall of impurity, weighted by the node's share of rows, for which a node is split.
                min_impurity_decrease: f64 = 0.0, range: at_least(0.0);
                /// Whether each tree learns from rows drawn with replacement, else from all.
                bootstrap: bool = $bootstrap;
                /// Whether to estimate the score by the rows that each tree did not draw, as metric `oob_score`.
                oob_score: bool = false;
                /// How many rows each tree draws, as a count or a share; as many as there are when null.
                max_samples: Option<$crate::trees::amount::Amount> = None, range: above(0.0);
                /// Weights by class: `balanced` makes classes weigh the same, `balanced_subsample` in each tree's rows; or an object from class position to weight, or an array of weights.
                class_weight: serde_json::Value = serde_json::Value::Null, choices: ["balanced", "balanced_subsample"];
                /// Complexity below which branches are pruned: the fall of impurity per leaf that they must bring.
                ccp_alpha: f64 = 0.0, range: at_least(0.0);
                /// Per feature 1 where predictions may only rise with it, -1 where only fall, else 0: an array, or an object by feature name. For one target of values or two classes.
                monotonic_cst: serde_json::Value = serde_json::Value::Null;
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

        impl $name {
            /// The forest that they ask for, its splits found by `splitter`.
            fn forest(&self, algorithm: &'static str, splitter: $crate::trees::grower::Splitter)
                -> $crate::trees::forest::Forest
            {
                $crate::trees::forest::Forest {
                    recipe: $crate::trees::recipe::recipe!(algorithm, self, splitter),
                    n_estimators: self.n_estimators,
                    bootstrap: self.bootstrap,
                    oob_score: self.oob_score,
                    max_samples: self.max_samples,
                    class_weight: self.class_weight.clone(),
                }
            }
        }
    };
}
pub(crate) use forest_params;

/// What a forest is, beside its trees' [`Recipe`], under scikit-learn's names.
#[derive(Debug, Clone)]
pub struct Forest {
    /// How each tree is grown.
    pub recipe: Recipe,
    /// How many trees.
    pub n_estimators: usize,
    /// Whether each tree draws rows with replacement.
    pub bootstrap: bool,
    /// Whether to estimate the score by the rows that trees do not draw.
    pub oob_score: bool,
    /// How many rows each tree draws.
    pub max_samples: Option<Amount>,
    /// Weights by class.
    pub class_weight: Value,
}

impl Forest {
    /// Grows the forest, with as many threads as the run has.
    ///
    /// # Errors
    /// When parameters and data do not fit, or there is not enough memory, or the run was cancelled.
    pub fn fit(&self, data: &Dataset, task: Task, run: &Run) -> Result<AveragedTrees> {
        self.check(task)?;
        let weight = self.row_weights(data)?;
        let bootstrap = if self.bootstrap {
            let name = self.recipe.algorithm;
            let n_draws = bootstrap::n_draws(name, self.max_samples, data.n_rows(), weight.as_deref())?;
            Some(Bootstrap::new(data.n_rows(), n_draws, weight.as_deref()))
        } else {
            None
        };
        in_pool(run, || {
            let learner = Learner::new(&self.recipe, data, task, run)?;
            let draw = |rng: &mut Rng| match &bootstrap {
                Some(bootstrap) => self.drawn(data, &bootstrap.counts(rng)),
                None => Draw { rows: weighted_rows(data.n_rows(), weight.as_deref()), features: None },
            };
            Ensemble { learner: &learner, n_trees: self.n_estimators, draw, oob_score: self.oob_score }.fit()
        })
    }

    fn check(&self, task: Task) -> Result<()> {
        let name = self.recipe.algorithm;
        if task != Task::Classification && !self.class_weight.is_null() {
            bail!(InvalidParameter, "class_weight of {name} is for classification, not for {task}");
        }
        if !self.bootstrap && (self.max_samples.is_some() || self.oob_score) {
            bail!(InvalidParameter, "max_samples and oob_score of {name} need bootstrap, which is false");
        }
        Ok(())
    }

    fn is_balanced_per_tree(&self) -> bool {
        self.bootstrap && self.class_weight == "balanced_subsample"
    }

    /// The weights of rows times those of their classes; `None` when all are 1.
    fn row_weights(&self, data: &Dataset) -> Result<Option<Vec<f64>>> {
        if self.is_balanced_per_tree() {
            return Ok(data.weight().map(<[f64]>::to_vec));
        }
        let of_all =
            if self.class_weight == "balanced_subsample" { &Value::from("balanced") } else { &self.class_weight };
        class_weight::times_rows(of_all, data, data.weight())
    }

    /// What a tree learns from, by how often it drew each row.
    fn drawn(&self, data: &Dataset, counts: &[u32]) -> Draw {
        let drawn = (0..).zip(counts).filter(|(_, count)| **count > 0).map(|(row, count)| (row, f64::from(*count)));
        if !self.is_balanced_per_tree() {
            return Draw { rows: drawn.collect(), features: None };
        }
        let classes = &data.targets()[0];
        let counts: Vec<f64> = counts.iter().map(|count| f64::from(*count)).collect();
        let by_class = class_weight::balanced(classes, data.n_classes(), Some(&counts));
        let weighted = drawn.map(|(row, count)| (row, count * by_class[classes[row as usize] as usize]));
        Draw { rows: weighted.collect(), features: None }
    }
}

/// All rows that have any weight, with it.
#[must_use]
pub fn weighted_rows(n_rows: usize, weight: Option<&[f64]>) -> Vec<(u32, f64)> {
    let rows = (0..n_rows as u32).map(|row| (row, weight.map_or(1.0, |weight| weight[row as usize])));
    rows.filter(|(_, weight)| *weight > 0.0).collect()
}
