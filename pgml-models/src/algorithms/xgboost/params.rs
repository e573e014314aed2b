//! The hyperparameters of XGBoost, and how they reach the library.

use pgml_core::{Error, ErrorKind, Hyperparams, Result, Run, hyperparams};
use serde_json::Value;

hyperparams! {
    /// The parameters of XGBoost 3.2's scikit-learn interface, then its native ones. `null` means the library's default.
    pub struct XgboostParams {
        /// Boosting rounds.
        n_estimators: u32 = 100, range: between(1.0, 1e6), aliases: ["num_boost_round", "boost_rounds", "num_round", "num_rounds"];
        /// Most levels of a tree; 0 means no limit.
        max_depth: Option<u32> = None, range: between(0.0, 1000.0);
        /// Most leaves of a tree; 0 means no limit.
        max_leaves: Option<u32> = None, range: between(0.0, 2147483647.0);
        /// Most bins per feature for the tree methods hist and approx.
        max_bin: Option<u32> = None, range: between(2.0, 65536.0);
        /// Whether to split level by level or where the loss falls most.
        grow_policy: Option<String> = None, choices: ["depthwise", "lossguide", "loss_guide"];
        /// Step size: how much of each tree is added.
        learning_rate: Option<f64> = None, range: at_least(0.0), aliases: ["eta"];
        /// How much the library logs; its log is not shown.
        verbosity: Option<u32> = None, range: between(0.0, 3.0), aliases: ["silent", "verbose"], no_effect: true;
        /// What is minimised; by default reg:squarederror, binary:logistic or multi:softprob.
        objective: Option<String> = None;
        /// Trees, trees with dropout, or a linear model.
        booster: Option<String> = None, choices: ["gbtree", "gblinear", "dart", "linear"];
        /// How splits are found.
        tree_method: Option<String> = None, choices: ["auto", "exact", "approx", "hist", "gpu_hist", "gpu_exact"];
        /// Threads; by default as many as the training may use.
        n_jobs: Option<i32> = None, aliases: ["nthread"];
        /// Least loss reduction that justifies a split.
        gamma: Option<f64> = None, range: at_least(0.0), aliases: ["min_split_loss"];
        /// Least sum of instance weights (hessians) in a child.
        min_child_weight: Option<f64> = None, range: at_least(0.0);
        /// Largest step a leaf may take; 0 means no limit.
        max_delta_step: Option<f64> = None, range: at_least(0.0);
        /// Fraction of rows used per tree.
        subsample: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// How rows are sampled; gradient_based needs a GPU.
        sampling_method: Option<String> = None, choices: ["uniform", "gradient_based"];
        /// Fraction of features used per tree.
        colsample_bytree: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// Fraction of features used per level.
        colsample_bylevel: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// Fraction of features used per split.
        colsample_bynode: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// Strength of the L1 penalty on leaf values.
        reg_alpha: Option<f64> = None, range: at_least(0.0), aliases: ["alpha"];
        /// Strength of the L2 penalty on leaf values.
        reg_lambda: Option<f64> = None, range: at_least(0.0), aliases: ["lambda"];
        /// Weight of positive rows of a binary objective.
        scale_pos_weight: Option<f64> = None, range: at_least(0.0);
        /// The prediction before the first tree; by default estimated from the labels.
        base_score: Option<f64> = None;
        /// Seed of all sampling; by default the seed of the training, which is 0.
        random_state: Option<u64> = None, range: between(0.0, 4294967295.0), aliases: ["seed"];
        /// The value that means missing, besides NULL and NaN.
        missing: Option<f64> = None;
        /// Trees grown per round: more than 1 makes a boosted random forest.
        num_parallel_tree: Option<u32> = None, range: at_least(1.0);
        /// Per feature 1 (increasing), -1 (decreasing) or 0: an array, an object by feature name, or a text like (1,-1).
        monotone_constraints: Value = Value::Null;
        /// Groups of features that may appear together on a path: an array of arrays of indices or names.
        interaction_constraints: Value = Value::Null;
        /// How feature importances are counted; they are not part of a model here.
        importance_type: Option<String> = None, no_effect: true;
        /// Where to train. Only the CPU is supported: anything else trains there, with a warning.
        device: Option<String> = None;
        /// Whether the library warns of unused parameters.
        validate_parameters: Option<bool> = None, no_effect: true;
        /// Whether columns with categories are split by sets of categories rather than by their codes' order.
        enable_categorical: bool = true;
        /// Types of features; they follow from the columns.
        feature_types: Value = Value::Null, no_effect: true;
        /// Weight of each feature in column sampling: an array.
        feature_weights: Value = Value::Null;
        /// Below this many categories a split separates one category from the rest.
        max_cat_to_onehot: Option<u32> = None, range: at_least(1.0);
        /// Most categories that a split may take to one side.
        max_cat_threshold: Option<u32> = None, range: at_least(1.0);
        /// Several targets: a tree for each, or trees whose leaves have a value for each.
        multi_strategy: Option<String> = None, choices: ["one_output_per_tree", "multi_output_tree"];
        /// What is computed on the validation rows: a text or an array of texts.
        eval_metric: Value = Value::Null;
        /// Rounds without improvement on the validation rows after which training stops.
        early_stopping_rounds: Option<u32> = None, range: at_least(1.0);
        /// Python callbacks; there are none here.
        callbacks: Value = Value::Null, no_effect: true;
        /// Number of classes; it follows from the labels.
        num_class: Option<u32> = None, no_effect: true;
        /// The tree updaters, in order: a text with commas or an array.
        updater: Value = Value::Null;
        /// Whether the updater refresh renews leaf values too.
        refresh_leaf: Option<bool> = None;
        /// Only the default is possible: there is no model to update.
        process_type: Option<String> = None, choices: ["default"];
        /// The predictor; all models predict through one of pgml's own.
        predictor: Option<String> = None, no_effect: true;
        /// Accuracy of sketches; replaced by max_bin in the library.
        sketch_eps: Option<f64> = None, no_effect: true;
        /// Whether to seed the sampler again in each round.
        seed_per_iteration: Option<bool> = None;
        /// Most nodes whose histograms are kept.
        max_cached_hist_node: Option<u64> = None, range: at_least(1.0);
        /// Dart: fraction of trees dropped per round.
        rate_drop: Option<f64> = None, range: between(0.0, 1.0);
        /// Dart: whether at least one tree is always dropped.
        one_drop: Option<bool> = None;
        /// Dart: probability of dropping nothing in a round.
        skip_drop: Option<f64> = None, range: between(0.0, 1.0);
        /// Dart: how dropped trees are chosen.
        sample_type: Option<String> = None, choices: ["uniform", "weighted"];
        /// Dart: how new and dropped trees are weighed.
        normalize_type: Option<String> = None, choices: ["tree", "forest"];
        /// Linear booster: how features are chosen.
        feature_selector: Option<String> = None, choices: ["cyclic", "shuffle", "random", "greedy", "thrifty"];
        /// Linear booster: how many features the selectors greedy and thrifty take; 0 means all.
        top_k: Option<u32> = None;
        /// Power of the variance for reg:tweedie.
        tweedie_variance_power: Option<f64> = None, range: between(1.0, 2.0);
        /// Where reg:pseudohubererror turns from quadratic to linear.
        huber_slope: Option<f64> = None, range: above(0.0);
        /// The quantile for reg:quantileerror.
        quantile_alpha: Option<f64> = None, range: between(0.0, 1.0);
        /// Distribution of survival:aft.
        aft_loss_distribution: Option<String> = None, choices: ["normal", "logistic", "extreme"];
        /// Scale of the distribution of survival:aft.
        aft_loss_distribution_scale: Option<f64> = None, range: above(0.0);
        /// Ranking: how pairs are made.
        lambdarank_pair_method: Option<String> = None, choices: ["mean", "topk"];
        /// Ranking: pairs per row, or the truncation level.
        lambdarank_num_pair_per_sample: Option<u32> = None, range: at_least(1.0);
        /// Ranking: whether leaf values are normalised.
        lambdarank_normalization: Option<bool> = None;
        /// Ranking: whether the gradient is normalised by the score difference.
        lambdarank_score_normalization: Option<bool> = None;
        /// Ranking: whether clicks are debiased by position.
        lambdarank_unbiased: Option<bool> = None;
        /// Ranking: regularisation of the position bias.
        lambdarank_bias_norm: Option<f64> = None, range: at_least(0.0);
        /// Ranking: whether the gain is 2^relevance - 1.
        ndcg_exp_gain: Option<bool> = None;
    }
}

/// What the library is not told, or not under this name.
const OWN: &[&str] = &[
    "n_estimators",
    "objective",
    "booster",
    "n_jobs",
    "random_state",
    "missing",
    "device",
    "enable_categorical",
    "feature_weights",
    "eval_metric",
    "early_stopping_rounds",
    "monotone_constraints",
    "interaction_constraints",
    "updater",
    "tree_method",
    "grow_policy",
    "process_type",
];

impl XgboostParams {
    /// The booster under the library's name.
    pub(in crate::algorithms) fn booster(&self) -> &str {
        match self.booster.as_deref() {
            Some("linear") => "gblinear",
            Some(name) => name,
            None => "gbtree",
        }
    }

    /// The tree method on a CPU.
    pub(super) fn tree_method(&self) -> Option<&str> {
        self.tree_method.as_deref().map(|name| name.strip_prefix("gpu_").unwrap_or(name))
    }

    /// Whether the training matrix can be quantised: only the tree method hist reads such.
    pub(super) fn quantised(&self) -> bool {
        self.booster() != "gblinear"
            && self.updater.is_null()
            && matches!(self.tree_method(), None | Some("auto" | "hist"))
    }

    /// Threads: as asked, where that is a number of threads, else those of the run.
    pub(super) fn threads(&self, run: &Run) -> usize {
        self.n_jobs.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or_else(|| run.threads())
    }

    /// The metrics asked for.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when they are neither a text nor an array of texts.
    pub(super) fn eval_metrics(&self) -> Result<Vec<String>> {
        texts("eval_metric", &self.eval_metric)
    }

    /// Name and value of each parameter as the library takes them, without the objective.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a value of the wrong form.
    pub(super) fn native(&self, feature_names: &[&str], run: &Run) -> Result<Vec<(String, String)>> {
        let specs = Self::specs();
        let told = |name: &str| !OWN.contains(&name) && !specs.iter().any(|s| s.name == name && s.no_effect);
        let mut native: Vec<(String, String)> = self
            .to_json()
            .iter()
            .filter(|(name, value)| told(name) && !value.is_null())
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect();
        let mut add = |name: &str, value: String| native.push((name.to_owned(), value));
        add("verbosity", "0".to_owned());
        add("booster", self.booster().to_owned());
        add("nthread", self.threads(run).to_string());
        add("seed", self.random_state.unwrap_or(run.seed() & 0xffff_ffff).to_string());
        if let Some(method) = self.tree_method() {
            add("tree_method", method.to_owned());
        }
        if let Some(policy) = &self.grow_policy {
            add("grow_policy", policy.replace('_', ""));
        }
        if !self.updater.is_null() {
            add("updater", texts("updater", &self.updater)?.join(","));
        }
        for metric in self.eval_metrics()? {
            add("eval_metric", metric);
        }
        if !self.monotone_constraints.is_null() {
            add("monotone_constraints", monotone(&self.monotone_constraints, feature_names)?);
        }
        if !self.interaction_constraints.is_null() {
            add("interaction_constraints", interaction(&self.interaction_constraints, feature_names)?);
        }
        Ok(native)
    }

    /// The weight of each feature in column sampling.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when there is not one number per feature.
    pub(super) fn feature_weights(&self, n_features: usize) -> Result<Option<Vec<f32>>> {
        if self.feature_weights.is_null() {
            return Ok(None);
        }
        let weights: Option<Vec<f32>> = self
            .feature_weights
            .as_array()
            .and_then(|items| items.iter().map(|x| x.as_f64().filter(|x| *x >= 0.0).map(|x| x as f32)).collect());
        match weights.filter(|w| w.len() == n_features) {
            Some(weights) => Ok(Some(weights)),
            None => Err(refuse("feature_weights", &self.feature_weights, &format!("an array of {n_features} numbers"))),
        }
    }
}

fn refuse(name: &str, given: &Value, wanted: &str) -> Error {
    let message = format!("hyperparameter \"{name}\" of xgboost is {given}, but must be {wanted}");
    Error::new(ErrorKind::InvalidParameter, message)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => u8::from(*flag).to_string(),
        other => other.to_string(),
    }
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>> {
    let one = |item: &Value| item.as_str().map(str::to_owned);
    let texts = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    };
    texts.ok_or_else(|| refuse(name, value, "a text or an array of texts"))
}

fn monotone(value: &Value, feature_names: &[&str]) -> Result<String> {
    let wanted = "an array with -1, 0 or 1 per feature, or an object of such by feature name";
    let sign = |x: &Value| x.as_f64().filter(|x| [-1.0, 0.0, 1.0].contains(x)).map(|x| x.to_string());
    let signs: Option<Vec<String>> = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(items) if items.len() <= feature_names.len() => items.iter().map(sign).collect(),
        Value::Object(by_name) if by_name.keys().all(|name| feature_names.contains(&name.as_str())) => {
            feature_names.iter().map(|name| by_name.get(*name).map_or(Some("0".to_owned()), sign)).collect()
        }
        _ => None,
    };
    signs.map(|s| format!("({})", s.join(","))).ok_or_else(|| refuse("monotone_constraints", value, wanted))
}

fn interaction(value: &Value, feature_names: &[&str]) -> Result<String> {
    let wanted = "an array of arrays of feature names or indices";
    let index = |item: &Value| match item {
        Value::String(name) => feature_names.iter().position(|n| n == name),
        other => other.as_u64().map(|i| i as usize).filter(|i| *i < feature_names.len()),
    };
    let group = |group: &Value| group.as_array()?.iter().map(index).collect::<Option<Vec<usize>>>();
    let groups: Option<Vec<Vec<usize>>> = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(groups) => groups.iter().map(group).collect(),
        _ => None,
    };
    groups.map(|g| Value::from(g).to_string()).ok_or_else(|| refuse("interaction_constraints", value, wanted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn native(given: Value) -> Result<Vec<(String, String)>> {
        let params = XgboostParams::from_json("xgboost", given.as_object().expect("an object"))?;
        params.native(&["a", "b", "c"], &Run::new().with_threads(3))
    }

    fn value_of(native: &[(String, String)], name: &str) -> Option<String> {
        native.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    }

    #[test]
    fn postgresml_spellings_reach_the_library_under_its_own_names() {
        let given = native(json!({"booster": "linear", "eta": 0.1, "lambda": 2, "tree_method": "gpu_hist",
            "grow_policy": "loss_guide", "seed": 7, "nthread": 2, "boost_rounds": 5, "refresh_leaf": true}))
        .expect("valid");
        for (name, value) in [
            ("booster", "gblinear"),
            ("learning_rate", "0.1"),
            ("reg_lambda", "2.0"),
            ("tree_method", "hist"),
            ("grow_policy", "lossguide"),
            ("seed", "7"),
            ("nthread", "2"),
            ("refresh_leaf", "1"),
        ] {
            assert_eq!(value_of(&given, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(value_of(&given, "n_estimators"), None);
    }

    #[test]
    fn constraints_are_written_by_position_whether_given_by_name_or_not() {
        for (given, expected) in [
            (json!({"monotone_constraints": [1, -1]}), "(1,-1)"),
            (json!({"monotone_constraints": {"c": -1}}), "(0,0,-1)"),
        ] {
            let native = native(given).expect("valid");
            assert_eq!(value_of(&native, "monotone_constraints").as_deref(), Some(expected));
        }
        let names = native(json!({"interaction_constraints": [["a", "c"], [1]]})).expect("valid");
        assert_eq!(value_of(&names, "interaction_constraints").as_deref(), Some("[[0,2],[1]]"));
        for bad in [
            json!({"monotone_constraints": {"z": 1}}),
            json!({"monotone_constraints": [2]}),
            json!({"interaction_constraints": [["z"]]}),
            json!({"eval_metric": 3}),
        ] {
            assert_eq!(native(bad).map(drop).map_err(|e| e.kind()), Err(ErrorKind::InvalidParameter));
        }
    }
}
