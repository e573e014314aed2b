//! The hyperparameters.

use pgml_core::hyperparams;
use pgml_core::hyperparams::ParamValue;
use serde_json::Value;

use crate::trees::amount::Amount;

hyperparams! {
    /// Parameters of `hist_gradient_boosting`.
    pub struct HistGradientBoostingParams {
        /// What is minimised. `auto`: `squared_error` for regression, `log_loss` for classification.
        loss: String = "auto".to_owned(),
            choices: ["auto", "squared_error", "absolute_error", "gamma", "poisson", "quantile", "log_loss"];
        /// The quantile that the loss `quantile` predicts.
        quantile: Option<f64> = None, range: between(0.0, 1.0);
        /// How much of each tree is added.
        learning_rate: f64 = 0.1, range: above(0.0);
        /// Most rounds of one tree, or of one tree per class where there are more than two.
        max_iter: usize = 100, range: at_least(1.0), aliases: ["n_estimators"];
        /// Most leaves of a tree; unlimited when null.
        max_leaf_nodes: Option<usize> = Some(31), range: at_least(2.0);
        /// Most steps from the root of a tree to a leaf; unlimited when null.
        max_depth: Option<usize> = None, range: at_least(1.0);
        /// Fewest rows of a leaf.
        min_samples_leaf: usize = 20, range: at_least(1.0);
        /// Strength of the L2 penalty on the values of leaves.
        l2_regularization: f64 = 0.0, range: at_least(0.0);
        /// The share of features that each split looks at.
        max_features: f64 = 1.0, range: above(0.0);
        /// Most bins of a feature, beside one for missing values.
        max_bins: usize = 255, range: between(2.0, 255.0);
        /// Features that are categories: `from_dtype` for columns of codes, null for none, or a list of names or positions.
        categorical_features: Value = Value::from("from_dtype");
        /// Features that predictions must rise (1) or fall (-1) with: an object of names, or a list of one number each.
        monotonic_cst: Value = Value::Null;
        /// Features that may meet in a tree's branch: lists of names or positions, `pairwise`, or `no_interactions`.
        interaction_cst: Value = Value::Null;
        /// Whether to stop when rounds bring nothing more; `auto`: with more than 10,000 rows.
        early_stopping: EarlyStopping = EarlyStopping::Auto, choices: ["auto"];
        /// What early stopping watches: `loss`, `accuracy`, `r2`, or null for accuracy or r2 by task.
        scoring: Option<String> = Some("loss".to_owned()), choices: ["loss", "accuracy", "r2"];
        /// Rows that early stopping sets aside to watch, as a share or a count; null watches the training rows.
        validation_fraction: Option<Amount> = Some(Amount::Share(0.1)), range: above(0.0);
        /// Rounds without improvement after which early stopping stops.
        n_iter_no_change: usize = 10, range: at_least(1.0);
        /// How much better a score must be to count as an improvement.
        tol: f64 = 1e-7, range: at_least(0.0);
        /// Classification: null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Seed of all random choices; that of the training when null.
        random_state: Option<u64> = None;
        /// Whether to go on from an earlier fit.
        warm_start: bool = false, no_effect: true;
        /// How much to report.
        verbose: i64 = 0, no_effect: true;
    }
}

/// Whether training may stop before the last round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyStopping {
    /// With more than 10,000 rows.
    Auto,
    /// Yes or no.
    Is(bool),
}

impl EarlyStopping {
    /// Whether it may with so many rows.
    #[must_use]
    pub fn applies(self, n_rows: usize) -> bool {
        match self {
            Self::Auto => n_rows > 10_000,
            Self::Is(yes) => yes,
        }
    }
}

impl ParamValue for EarlyStopping {
    const KIND: &'static str = "boolean or text";

    fn read(json: &Value) -> Option<Self> {
        match json.as_str() {
            Some("auto") => Some(Self::Auto),
            Some(_) => None,
            None => bool::read(json).map(Self::Is),
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Auto => Value::from("auto"),
            Self::Is(yes) => Value::from(*yes),
        }
    }
}
