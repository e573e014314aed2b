//! How trees are grown, as the hyperparameters of tree algorithms say it.

use std::sync::Arc;

use pgml_core::{Dataset, Error, ErrorKind, Result, Task, bail};
use serde_json::Value;

use super::amount::{Amount, MaxFeatures};
use super::grower::{Growth, Splitter};
use super::search::SideLimits;

/// The hyperparameters that all tree algorithms have, under scikit-learn's names.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The SQL name of the algorithm, for messages.
    pub algorithm: &'static str,
    /// What splits lower; `auto` is Gini impurity for classes and squared error for values.
    pub criterion: String,
    /// Which splits along a feature are looked at.
    pub splitter: Splitter,
    /// Most steps from the root to a leaf.
    pub max_depth: Option<usize>,
    /// Fewest rows of a node that is split.
    pub min_samples_split: Amount,
    /// Fewest rows of a leaf.
    pub min_samples_leaf: Amount,
    /// Least share of the weight in a leaf.
    pub min_weight_fraction_leaf: f64,
    /// How many features a split looks at.
    pub max_features: MaxFeatures,
    /// Most leaves.
    pub max_leaf_nodes: Option<usize>,
    /// Least fall of impurity for which a node is split.
    pub min_impurity_decrease: f64,
    /// Complexity below which branches are pruned.
    pub ccp_alpha: f64,
    /// Per feature 1, −1 or 0; null for none.
    pub monotonic_cst: Value,
}

/// The [`Recipe`] of an algorithm whose parameters have the fields of the same names.
macro_rules! recipe {
    ($algorithm:expr, $params:expr, $splitter:expr) => {
        $crate::trees::recipe::Recipe {
            algorithm: $algorithm,
            criterion: $params.criterion.clone(),
            splitter: $splitter,
            max_depth: $params.max_depth,
            min_samples_split: $params.min_samples_split,
            min_samples_leaf: $params.min_samples_leaf,
            min_weight_fraction_leaf: $params.min_weight_fraction_leaf,
            max_features: $params.max_features,
            max_leaf_nodes: $params.max_leaf_nodes,
            min_impurity_decrease: $params.min_impurity_decrease,
            ccp_alpha: $params.ccp_alpha,
            monotonic_cst: $params.monotonic_cst.clone(),
        }
    };
}
pub(crate) use recipe;

impl Recipe {
    /// Checks what the declarations alone cannot.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], [`ErrorKind::InvalidData`] or [`ErrorKind::NotSupported`], saying what is wrong.
    pub fn check(&self, data: &Dataset, task: Task) -> Result<()> {
        let (name, is_classification) = (self.algorithm, task == Task::Classification);
        if data.targets().is_empty() || (is_classification && (data.targets().len() != 1 || data.n_classes() == 0)) {
            bail!(NotSupported, "{name} for {task} cannot learn {} target columns", data.targets().len());
        }
        let criterion = self.criterion.as_str();
        let for_classes = matches!(criterion, "gini" | "entropy" | "log_loss");
        if criterion != "auto" && for_classes != is_classification {
            let allowed = if is_classification {
                "gini, entropy, log_loss"
            } else {
                "squared_error, friedman_mse, absolute_error, poisson"
            };
            bail!(InvalidParameter, "criterion \"{criterion}\" of {name} is not for {task}; use one of {allowed}");
        }
        if matches!(self.min_samples_split, Amount::Count(1)) {
            bail!(InvalidParameter, "min_samples_split of {name} is 1, but must be at least 2, or a share of rows");
        }
        for (parameter, amount) in
            [("min_samples_split", self.min_samples_split), ("min_samples_leaf", self.min_samples_leaf)]
        {
            if matches!(amount, Amount::Share(share) if share > 1.0) {
                bail!(InvalidParameter, "{parameter} of {name} is neither a count nor a share of at most 1");
            }
        }
        if data.targets().iter().flatten().any(|y| !y.is_finite()) {
            bail!(InvalidData, "a target is missing (NULL or NaN) or infinite");
        }
        let is_poisson = criterion == "poisson";
        if is_poisson && data.targets().iter().any(|t| t.iter().any(|y| *y < 0.0) || t.iter().sum::<f64>() <= 0.0) {
            bail!(InvalidData, "criterion \"poisson\" needs targets of at least 0 that are not all 0");
        }
        Ok(())
    }

    /// How a tree over the rows of `data` grows. The least weight of a leaf is a share of each tree's own, so it is 0 yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when `monotonic_cst` does not fit the data.
    pub fn growth(&self, data: &Dataset) -> Result<Growth> {
        let n = data.n_rows();
        Ok(Growth {
            max_depth: self.max_depth.unwrap_or(usize::MAX),
            max_leaves: self.max_leaf_nodes,
            min_rows_to_split: self.min_samples_split.of(n, 2),
            sides: SideLimits { min_rows: self.min_samples_leaf.of(n, 1), min_weight: 0.0 },
            min_gain: self.min_impurity_decrease,
            max_features: self.max_features.of(data.n_features(), data.n_classes() > 0),
            splitter: self.splitter,
            signs: self.signs(data)?,
        })
    }

    /// The signs of `monotonic_cst`: one per feature, in an array or in an object by feature name.
    fn signs(&self, data: &Dataset) -> Result<Option<Arc<[i8]>>> {
        let sign = |x: &Value| x.as_f64().filter(|x| [-1.0, 0.0, 1.0].contains(x)).map(|x| x as i8);
        let names = || data.features().iter().map(|feature| feature.name.as_str());
        let signs: Option<Vec<i8>> = match &self.monotonic_cst {
            Value::Null => return Ok(None),
            Value::Array(signs) if signs.len() == data.n_features() => signs.iter().map(sign).collect(),
            Value::Object(by_name) if by_name.keys().all(|name| names().any(|other| other == name)) => {
                names().map(|name| by_name.get(name).map_or(Some(0), sign)).collect()
            }
            _ => None,
        };
        let Some(signs) = signs else {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                format!(
                    "hyperparameter \"monotonic_cst\" of {} is {}, but must be an array with -1, 0 or 1 for each of {} \
                     features, or an object of such by feature name",
                    self.algorithm,
                    self.monotonic_cst,
                    data.n_features()
                ),
            ));
        };
        if data.targets().len() > 1 || data.n_classes() > 2 {
            bail!(
                InvalidParameter,
                "monotonic_cst of {} needs a single target, of values or of two classes",
                self.algorithm
            );
        }
        Ok(signs.iter().any(|sign| *sign != 0).then(|| signs.into()))
    }
}
