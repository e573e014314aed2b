//! The hyperparameters of LightGBM, and how they reach the library.

use pgml_core::{Dataset, Error, ErrorKind, Hyperparams, Result, Run, hyperparams};
use serde_json::Value;

hyperparams! {
    /// The parameters of LightGBM 4.7's scikit-learn interface, then its native ones. `null` means the library's default.
    pub struct LightgbmParams {
        /// Boosting rounds: exactly so many.
        n_estimators: u32 = 100, range: between(1.0, 1e6), aliases: ["num_iterations", "n_iter", "nrounds", "max_iter", "num_tree", "num_round", "num_trees", "num_rounds", "num_iteration", "num_boost_round"];
        /// Gradient boosted trees, trees with dropout, gradient-based one-side sampling, or a random forest.
        boosting_type: String = "gbdt".to_owned(), choices: ["gbdt", "dart", "goss", "rf", "gbrt", "random_forest"], aliases: ["boosting", "boost"];
        /// Most leaves of a tree.
        num_leaves: u32 = 31, range: between(2.0, 131072.0), aliases: ["num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes"];
        /// Most levels of a tree; -1 means no limit.
        max_depth: i32 = -1;
        /// Step size: how much of each tree is added.
        learning_rate: f64 = 0.1, range: above(0.0), aliases: ["eta", "shrinkage_rate"];
        /// Rows sampled to find the bins.
        subsample_for_bin: u32 = 200_000, range: at_least(1.0), aliases: ["bin_construct_sample_cnt"];
        /// What is minimised; by default regression, binary or multiclass.
        objective: Option<String> = None, aliases: ["app", "loss", "application", "objective_type"];
        /// Weights of classes: an object by class index, or "balanced".
        class_weight: Value = Value::Null;
        /// Least gain that justifies a split.
        min_split_gain: f64 = 0.0, range: at_least(0.0), aliases: ["min_gain_to_split"];
        /// Least sum of hessians in a leaf.
        min_child_weight: f64 = 0.001, range: at_least(0.0), aliases: ["min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian"];
        /// Least rows in a leaf.
        min_child_samples: u32 = 20, aliases: ["min_data_in_leaf", "min_data_per_leaf", "min_data", "min_samples_leaf"];
        /// Fraction of rows used per tree; needs subsample_freq above 0.
        subsample: f64 = 1.0, range: above_up_to(0.0, 1.0), aliases: ["bagging_fraction", "sub_row", "bagging"];
        /// Rounds after which rows are sampled anew; 0 means no sampling.
        subsample_freq: u32 = 0, aliases: ["bagging_freq"];
        /// Fraction of features used per tree.
        colsample_bytree: f64 = 1.0, range: above_up_to(0.0, 1.0), aliases: ["feature_fraction", "sub_feature"];
        /// Strength of the L1 penalty on leaf values.
        reg_alpha: f64 = 0.0, range: at_least(0.0), aliases: ["lambda_l1", "l1_regularization"];
        /// Strength of the L2 penalty on leaf values.
        reg_lambda: f64 = 0.0, range: at_least(0.0), aliases: ["lambda_l2", "lambda", "l2_regularization"];
        /// Seed of all sampling; by default the library's seeds, or the seed of the training if that is not 0.
        random_state: Option<u32> = None, range: between(0.0, 2147483647.0), aliases: ["seed", "random_seed"];
        /// Threads; by default as many as the training may use.
        n_jobs: Option<i32> = None, aliases: ["num_threads", "num_thread", "nthread", "nthreads"];
        /// How feature importances are counted; they are not part of a model here.
        importance_type: Option<String> = None, no_effect: true;
        /// How much the library logs; its log is not shown.
        verbosity: Option<i32> = None, aliases: ["verbose"], no_effect: true;
        /// Number of classes; it follows from the labels.
        num_class: Option<u32> = None, aliases: ["num_classes"], no_effect: true;
        /// Where to train; only the CPU.
        device_type: Option<String> = None, choices: ["cpu"], aliases: ["device"];
        /// How trees are learned; this is one machine.
        tree_learner: Option<String> = None, choices: ["serial"], aliases: ["tree", "tree_type", "tree_learner_type"];
        /// How rows are sampled.
        data_sample_strategy: Option<String> = None, choices: ["bagging", "goss"];
        /// Whether equal seeds give equal models whatever the number of threads.
        deterministic: bool = true;
        /// Whether histograms are built column by column; on unless force_row_wise is.
        force_col_wise: Option<bool> = None;
        /// Whether histograms are built row by row: faster on many rows of few features, not reproducible across threads.
        force_row_wise: Option<bool> = None;
        /// Megabytes of histograms kept; below 0 means no limit.
        histogram_pool_size: Option<f64> = None, aliases: ["hist_pool_size"];
        /// Fraction of positive rows used per tree.
        pos_bagging_fraction: Option<f64> = None, range: above_up_to(0.0, 1.0), aliases: ["pos_sub_row", "pos_subsample", "pos_bagging"];
        /// Fraction of negative rows used per tree.
        neg_bagging_fraction: Option<f64> = None, range: above_up_to(0.0, 1.0), aliases: ["neg_sub_row", "neg_subsample", "neg_bagging"];
        /// Seed of row sampling.
        bagging_seed: Option<i32> = None, aliases: ["bagging_fraction_seed"];
        /// Whether whole groups are sampled.
        bagging_by_query: Option<bool> = None;
        /// Fraction of features used per split.
        feature_fraction_bynode: Option<f64> = None, range: above_up_to(0.0, 1.0), aliases: ["colsample_bynode", "sub_feature_bynode"];
        /// Seed of feature sampling.
        feature_fraction_seed: Option<i32> = None;
        /// Whether thresholds are drawn at random.
        extra_trees: Option<bool> = None, aliases: ["extra_tree"];
        /// Seed of random thresholds.
        extra_seed: Option<i32> = None;
        /// Rounds without improvement on the validation rows after which training stops; 0 means never.
        early_stopping_round: Option<u32> = None, aliases: ["early_stopping_rounds", "early_stopping", "n_iter_no_change"];
        /// Least improvement that counts for early stopping.
        early_stopping_min_delta: Option<f64> = None, range: at_least(0.0);
        /// Whether only the first metric stops early.
        first_metric_only: Option<bool> = None;
        /// Largest step a leaf may take; 0 means no limit.
        max_delta_step: Option<f64> = None, aliases: ["max_tree_output", "max_leaf_output"];
        /// Linear leaves are not supported.
        linear_tree: Option<bool> = None, aliases: ["linear_trees"];
        /// Dart: fraction of trees dropped per round.
        drop_rate: Option<f64> = None, range: between(0.0, 1.0), aliases: ["rate_drop"];
        /// Dart: most trees dropped per round.
        max_drop: Option<i32> = None;
        /// Dart: probability of dropping nothing in a round.
        skip_drop: Option<f64> = None, range: between(0.0, 1.0);
        /// Dart: whether to weigh trees as XGBoost does.
        xgboost_dart_mode: Option<bool> = None;
        /// Dart: whether trees are dropped with equal probability.
        uniform_drop: Option<bool> = None;
        /// Dart: seed of dropping.
        drop_seed: Option<i32> = None;
        /// Goss: fraction of rows with the largest gradients that are kept.
        top_rate: Option<f64> = None, range: between(0.0, 1.0);
        /// Goss: fraction of other rows that are kept.
        other_rate: Option<f64> = None, range: between(0.0, 1.0);
        /// Whether columns with categories are split by sets of categories rather than by their codes' order.
        categorical_feature: bool = true, aliases: ["cat_feature", "categorical_features"];
        /// Least rows per categorical group.
        min_data_per_group: Option<u32> = None, range: at_least(1.0);
        /// Most categories on the smaller side of a split.
        max_cat_threshold: Option<u32> = None, range: at_least(1.0);
        /// L2 penalty in splits by category.
        cat_l2: Option<f64> = None, range: at_least(0.0);
        /// How much rare categories are smoothed.
        cat_smooth: Option<f64> = None, range: at_least(0.0);
        /// Below this many categories a split separates one category from the rest.
        max_cat_to_onehot: Option<u32> = None, range: at_least(1.0);
        /// Per feature 1 (increasing), -1 (decreasing) or 0: an array.
        monotone_constraints: Value = Value::Null, aliases: ["mc", "monotone_constraint", "monotonic_cst"];
        /// How monotone constraints are kept.
        monotone_constraints_method: Option<String> = None, choices: ["basic", "intermediate", "advanced"], aliases: ["monotone_constraining_method", "mc_method"];
        /// Penalty of monotone splits near the root.
        monotone_penalty: Option<f64> = None, range: at_least(0.0), aliases: ["monotone_splits_penalty", "ms_penalty", "mc_penalty"];
        /// Factors on the gain per feature: an array.
        feature_contri: Value = Value::Null, aliases: ["feature_contrib", "fc", "fp", "feature_penalty"];
        /// Factor on all penalties of cost-effective boosting.
        cegb_tradeoff: Option<f64> = None, range: at_least(0.0);
        /// Penalty of a split.
        cegb_penalty_split: Option<f64> = None, range: at_least(0.0);
        /// Penalty of using a feature on a row, per feature: an array.
        cegb_penalty_feature_lazy: Value = Value::Null;
        /// Penalty of using a feature at all, per feature: an array.
        cegb_penalty_feature_coupled: Value = Value::Null;
        /// How much leaves are smoothed towards their parents.
        path_smooth: Option<f64> = None, range: at_least(0.0);
        /// Groups of features that may appear together on a path: an array of arrays of indices.
        interaction_constraints: Value = Value::Null;
        /// Whether gradients are rounded to few bits.
        use_quantized_grad: Option<bool> = None;
        /// Levels of rounded gradients.
        num_grad_quant_bins: Option<u32> = None, range: at_least(2.0);
        /// Whether leaf values are computed anew from exact gradients.
        quant_train_renew_leaf: Option<bool> = None;
        /// Whether gradients are rounded at random.
        stochastic_rounding: Option<bool> = None;
        /// Most bins per feature.
        max_bin: Option<u32> = None, range: between(2.0, 65535.0), aliases: ["max_bins"];
        /// Most bins of each feature: an array.
        max_bin_by_feature: Value = Value::Null;
        /// Least rows in a bin.
        min_data_in_bin: Option<u32> = None, range: at_least(1.0);
        /// Seed of the sample that bins are found on.
        data_random_seed: Option<i32> = None, aliases: ["data_seed"];
        /// Whether sparse features are stored as such.
        is_enable_sparse: Option<bool> = None, aliases: ["is_sparse", "enable_sparse", "sparse"];
        /// Whether exclusive features are bundled.
        enable_bundle: Option<bool> = None, aliases: ["is_enable_bundle", "bundle"];
        /// Whether missing values are told apart.
        use_missing: Option<bool> = None;
        /// Whether zeros mean missing.
        zero_as_missing: Option<bool> = None;
        /// Whether features that cannot be split are left out.
        feature_pre_filter: Option<bool> = None;
        /// Seed of objectives that sample.
        objective_seed: Option<i32> = None;
        /// Whether the classes of a binary objective are weighted to balance.
        is_unbalance: Option<bool> = None, aliases: ["unbalance", "unbalanced_sets"];
        /// Weight of positive rows of a binary objective.
        scale_pos_weight: Option<f64> = None, range: above(0.0);
        /// Steepness of the sigmoid.
        sigmoid: Option<f64> = None, range: above(0.0);
        /// Whether the first tree starts from the mean label.
        boost_from_average: Option<bool> = None;
        /// Whether the square root of the label is learned.
        reg_sqrt: Option<bool> = None;
        /// The quantile, or where huber turns linear.
        alpha: Option<f64> = None, range: above(0.0);
        /// Parameter of the objective fair.
        fair_c: Option<f64> = None, range: above(0.0);
        /// Safeguard of the objective poisson.
        poisson_max_delta_step: Option<f64> = None, range: above(0.0);
        /// Power of the variance for tweedie.
        tweedie_variance_power: Option<f64> = None, range: at_least_below(1.0, 2.0);
        /// Ranking: how many first places count.
        lambdarank_truncation_level: Option<u32> = None, range: at_least(1.0);
        /// Ranking: whether lambdas are normalised.
        lambdarank_norm: Option<bool> = None;
        /// Ranking: gain of each label: an array.
        label_gain: Value = Value::Null;
        /// What is computed on the validation rows: a text or an array of texts.
        metric: Value = Value::Null, aliases: ["metrics", "metric_types", "eval_metric"];
        /// Places that ndcg and map are computed at: an array.
        eval_at: Value = Value::Null, aliases: ["ndcg_eval_at", "ndcg_at", "map_eval_at", "map_at"];
        /// How many classes count for the top-k error.
        multi_error_top_k: Option<u32> = None, range: at_least(1.0);
        /// Weights of auc_mu: an array.
        auc_mu_weights: Value = Value::Null;
    }
}

/// What the library is not told, or not as it is.
const OWN: &[&str] = &[
    "n_estimators",
    "objective",
    "class_weight",
    "random_state",
    "n_jobs",
    "force_col_wise",
    "early_stopping_round",
    "early_stopping_min_delta",
    "first_metric_only",
    "linear_tree",
    "categorical_feature",
    "interaction_constraints",
];

impl LightgbmParams {
    /// Rounds without improvement to wait for.
    pub(super) fn patience(&self) -> Option<usize> {
        self.early_stopping_round.filter(|rounds| *rounds > 0).map(|rounds| rounds as usize)
    }

    /// Name and value of each parameter as the library takes them, without objective and categories.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a value of the wrong form.
    pub(super) fn native(&self, run: &Run) -> Result<Vec<(String, String)>> {
        let specs = Self::specs();
        let told = |name: &str| !OWN.contains(&name) && !specs.iter().any(|s| s.name == name && s.no_effect);
        let given = self.to_json();
        let given = given.iter().filter(|(name, value)| told(name) && !value.is_null());
        let mut native =
            given.map(|(name, value)| Ok((name.clone(), plain(name, value)?))).collect::<Result<Vec<_>>>()?;
        let mut add = |name: &str, value: String| native.push((name.to_owned(), value));
        add("verbosity", "-1".to_owned());
        let threads = self.n_jobs.filter(|n| *n > 0).map_or(run.threads(), |n| n as usize);
        add("num_threads", threads.to_string());
        add("force_col_wise", (self.force_col_wise.unwrap_or(self.force_row_wise != Some(true))).to_string());
        let seed = self.random_state.or(Some((run.seed() & 0x7fff_ffff) as u32).filter(|seed| *seed != 0));
        if let Some(seed) = seed {
            add("seed", seed.to_string());
        }
        if !self.interaction_constraints.is_null() {
            add("interaction_constraints", interaction(&self.interaction_constraints)?);
        }
        Ok(native)
    }

    /// The weight of each row with its class's weight in it; `None` where classes have none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when it is neither "balanced" nor an object of numbers by class index.
    pub(super) fn class_weights(&self, data: &Dataset) -> Result<Option<Vec<f64>>> {
        let n_classes = data.n_classes();
        let by_class = match &self.class_weight {
            Value::Null => return Ok(None),
            Value::String(text) if text == "balanced" && n_classes > 0 => balanced(data.target()?, n_classes),
            given => by_index(given, n_classes).ok_or_else(|| {
                refuse("class_weight", given, "\"balanced\", or an object of numbers by class index, in classification")
            })?,
        };
        let own = |row: usize| data.weight().map_or(1.0, |w| w[row]);
        Ok(Some(data.target()?.iter().enumerate().map(|(row, class)| own(row) * by_class[*class as usize]).collect()))
    }
}

/// As many rows per class weigh the same, as scikit-learn defines it.
fn balanced(classes: &[f64], n_classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0_f64; n_classes];
    classes.iter().for_each(|class| counts[*class as usize] += 1.0);
    counts.iter().map(|count| classes.len() as f64 / (n_classes as f64 * count.max(1.0))).collect()
}

fn by_index(given: &Value, n_classes: usize) -> Option<Vec<f64>> {
    let mut weights = vec![1.0; n_classes];
    for (class, weight) in given.as_object()? {
        *weights.get_mut(class.parse::<usize>().ok()?)? = weight.as_f64().filter(|w| *w >= 0.0)?;
    }
    Some(weights)
}

fn refuse(name: &str, given: &Value, wanted: &str) -> Error {
    let message = format!("hyperparameter \"{name}\" of lightgbm is {given}, but must be {wanted}");
    Error::new(ErrorKind::InvalidParameter, message)
}

/// Parameters travel in one text, separated by blanks: a value must not have any.
fn plain(name: &str, value: &Value) -> Result<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(|item| plain(name, item)).collect::<Result<Vec<_>>>()?.join(","),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(refuse(name, value, "a number, a text, or an array of such")),
    };
    if text.contains(|c: char| c.is_whitespace() || c == '=') {
        return Err(refuse(name, value, "without blanks and equals signs"));
    }
    Ok(text)
}

fn interaction(value: &Value) -> Result<String> {
    let group = |group: &Value| {
        let indices: Option<Vec<String>> =
            group.as_array()?.iter().map(|i| i.as_u64().map(|i| i.to_string())).collect();
        indices.map(|i| format!("[{}]", i.join(",")))
    };
    let groups: Option<Vec<String>> = value.as_array().and_then(|groups| groups.iter().map(group).collect());
    groups
        .map(|g| g.join(","))
        .ok_or_else(|| refuse("interaction_constraints", value, "an array of arrays of feature indices"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(given: &Value) -> Result<LightgbmParams> {
        LightgbmParams::from_json("lightgbm", given.as_object().expect("an object"))
    }

    #[test]
    fn native_names_and_aliases_reach_the_library_and_seeds_only_when_given() {
        let given =
            json!({"num_iterations": 7, "lambda_l2": 0.5, "mc": [1, -1], "interaction_constraints": [[0, 1], [2]]});
        let native = params(&given).and_then(|p| p.native(&Run::new().with_threads(2))).expect("valid");
        let value = |name: &str| native.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        for (name, expected) in [
            ("reg_lambda", "0.5"),
            ("monotone_constraints", "1,-1"),
            ("interaction_constraints", "[0,1],[2]"),
            ("num_threads", "2"),
            ("deterministic", "true"),
            ("force_col_wise", "true"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
        assert_eq!((value("seed"), value("n_estimators")), (None, None));
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_parameter() {
        let error =
            params(&json!({"metric": "auc output_model=x"})).and_then(|p| p.native(&Run::new())).expect_err("blank");
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn balanced_classes_weigh_the_same_in_all() {
        let data =
            Dataset::from_rows(&[0.0; 4], 1).and_then(|d| d.with_classes(vec![0.0, 1.0, 1.0, 1.0], 2)).expect("rows");
        let weights = |given: Value| params(&given).and_then(|p| p.class_weights(&data));
        assert_eq!(weights(json!({"class_weight": "balanced"})), Ok(Some(vec![2.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0])));
        assert_eq!(weights(json!({"class_weight": {"0": 5}})), Ok(Some(vec![5.0, 1.0, 1.0, 1.0])));
        assert!(weights(json!({"class_weight": {"2": 5}})).is_err());
    }
}
