//! The hyperparameters, under CatBoost's names.

use pgml_core::hyperparams;
use serde_json::Value;

hyperparams! {
    /// The parameters of CatBoost 1.2's `CatBoostRegressor` and `CatBoostClassifier` that this implementation knows.
    pub struct CatboostParams {
        /// Boosting rounds: one symmetric tree each.
        iterations: u32 = 1000, range: between(1.0, 1e6), aliases: ["n_estimators", "num_boost_round", "num_trees"];
        /// Step size. When null it follows from rows, rounds and loss as in CatBoost, or is 0.03 where CatBoost has no rule.
        learning_rate: Option<f64> = None, range: above_up_to(0.0, 10.0), aliases: ["eta"];
        /// Levels of a tree.
        depth: u32 = 6, range: between(1.0, 16.0), aliases: ["max_depth"];
        /// Strength of the L2 penalty on leaf values: 3 when null. A given value turns the automatic step size off.
        l2_leaf_reg: Option<f64> = None, range: at_least(0.0), aliases: ["reg_lambda"];
        /// What is minimised: RMSE, MAE, Quantile:alpha=0.5, MultiRMSE, Logloss or MultiClass. By default RMSE (MultiRMSE for several targets), Logloss for two classes, else MultiClass.
        loss_function: Option<String> = None, aliases: ["objective"];
        /// Seed of all random choices; that of the training when null.
        random_seed: Option<u64> = None, aliases: ["random_state"];
        /// Most borders between bins of a numeric feature.
        border_count: u32 = 254, range: between(1.0, 255.0), aliases: ["max_bin"];
        /// How borders are chosen.
        feature_border_type: String = "GreedyLogSum".to_owned(),
            choices: ["GreedyLogSum", "GreedyMinEntropy", "Median", "Uniform", "UniformAndQuantiles"];
        /// How rows are weighted at random for each tree. By default MVS for losses of one dimension, else Bayesian.
        bootstrap_type: Option<String> = None, choices: ["Bayesian", "Bernoulli", "MVS", "No"];
        /// Bayesian bootstrap: 0 weighs all rows the same, 1 draws weights from the exponential distribution.
        bagging_temperature: f64 = 1.0, range: at_least(0.0);
        /// Bernoulli and MVS bootstrap: the share of rows. By default 0.8, and 1 for MVS with fewer than 100 rows.
        subsample: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// MVS bootstrap: the regularisation of sampling probabilities; follows from the last tree when null.
        mvs_reg: Option<f64> = None, range: at_least(0.0);
        /// How strongly scores of splits are disturbed at random, less from tree to tree.
        random_strength: f64 = 1.0, range: at_least(0.0);
        /// The share of features that each level may choose from.
        rsm: f64 = 1.0, range: above_up_to(0.0, 1.0), aliases: ["colsample_bylevel"];
        /// Whether rows are judged by models that never saw them (Ordered) or by one model (Plain).
        boosting_type: String = "Plain".to_owned(), choices: ["Plain", "Ordered"];
        /// Ordered boosting: how much longer each model's rows are than those of the one before.
        fold_len_multiplier: f64 = 2.0, range: above(1.0);
        /// How leaf values are found. By default Exact for MAE and Quantile, else Newton.
        leaf_estimation_method: Option<String> = None, choices: ["Newton", "Gradient", "Exact"];
        /// Steps to find leaf values. By default 1, and 10 for Logloss unless features are fewer than 20 and rounds fewer than 200.
        leaf_estimation_iterations: Option<u32> = None, range: between(1.0, 1000.0);
        /// Whether a step that does not improve the loss is halved.
        leaf_estimation_backtracking: String = "AnyImprovement".to_owned(), choices: ["AnyImprovement", "No"];
        /// Categorical features of at most so many values are split value by value, others by target statistics.
        one_hot_max_size: u32 = 2, range: between(0.0, 255.0);
        /// Most categorical features that are combined for a target statistic: 4 when null, 1 with fewer than 200 rounds.
        max_ctr_complexity: Option<u32> = None, range: between(0.0, 15.0);
        /// Target statistics of single features: a text or an array such as ["Borders:Prior=0.5/1", "Counter"].
        simple_ctr: Value = Value::Null;
        /// Target statistics of combinations of features, in the form of simple_ctr.
        combinations_ctr: Value = Value::Null;
        /// How strongly new target statistics of many values are avoided.
        model_size_reg: f64 = 0.5, range: at_least(0.0);
        /// Whether rows are in the order of time, else target statistics and ordered boosting shuffle them.
        has_time: bool = false;
        /// Where missing numbers go: below all others, above them, or nowhere (an error).
        nan_mode: String = "Min".to_owned(), choices: ["Min", "Max", "Forbidden"];
        /// How trees grow; only symmetric trees are offered.
        grow_policy: String = "SymmetricTree".to_owned(), choices: ["SymmetricTree"];
        /// How splits are scored.
        score_function: String = "Cosine".to_owned(), choices: ["Cosine", "L2"];
        /// Whether the first prediction is the best constant. By default so for RMSE, MAE, Quantile and MultiRMSE.
        boost_from_average: Option<bool> = None;
        /// Rounds without improvement on the validation rows after which training stops.
        early_stopping_rounds: Option<u32> = None, range: at_least(1.0), aliases: ["od_wait"];
        /// Iter stops after early_stopping_rounds (20 when null) rounds without improvement.
        od_type: Option<String> = None, choices: ["Iter"];
        /// Whether trees after the best round on the validation rows are dropped. By default when training may stop early.
        use_best_model: Option<bool> = None;
        /// Factors on the weights of classes: an object by class index or an array.
        class_weights: Value = Value::Null;
        /// Balanced makes classes weigh the same, SqrtBalanced by the square root of that.
        auto_class_weights: Option<String> = None, choices: ["Balanced", "SqrtBalanced"];
        /// Factor on the weights of the second of two classes.
        scale_pos_weight: Option<f64> = None, range: above(0.0);
        /// Where to train; only the CPU.
        task_type: String = "CPU".to_owned(), choices: ["CPU"];
        /// How many threads. Without effect: the server's settings decide.
        thread_count: Option<i64> = None, no_effect: true;
        /// How much to report.
        verbose: Value = Value::Null, aliases: ["verbose_eval", "silent", "logging_level"], no_effect: true;
        /// Whether the library may write files; nothing is written here.
        allow_writing_files: Option<bool> = None, no_effect: true;
    }
}
