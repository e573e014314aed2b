//! Gradient boosting (Friedman 2001): trees that each fit what is left of the loss.

mod fit;
mod loss;
mod model;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::algorithms::task_params::{refuse_other_tasks, regression_targets};
use crate::per_target::PerTarget;
use crate::trees::amount::{Amount, MaxFeatures};
use crate::trees::ensemble::in_pool;
pub use model::GradientBoostingModel;

hyperparams! {
    /// Parameters of gradient boosting: those of scikit-learn 1.9's `GradientBoostingClassifier` and `GradientBoostingRegressor`.
    pub struct GradientBoostingParams {
        /// What is minimised. `auto`: `log_loss` for classification, `squared_error` for regression.
        loss: String = "auto".to_owned(),
            choices: ["auto", "squared_error", "absolute_error", "huber", "quantile", "log_loss", "exponential"];
        /// How much of each tree is added.
        learning_rate: f64 = 0.1, range: at_least(0.0);
        /// Rounds of boosting: one tree each, or one for each of more than two classes.
        n_estimators: usize = 100, range: between(1.0, 1e6);
        /// Share of the rows that each round learns from, drawn without replacement.
        subsample: f64 = 1.0, range: above_up_to(0.0, 1.0);
        /// What splits lower. Without effect, as in scikit-learn 1.9: both choices are the squared error.
        criterion: String = "friedman_mse".to_owned(), choices: ["friedman_mse", "squared_error"], no_effect: true;
        /// Fewest rows of a node that is split, as a count or a share of all rows.
        min_samples_split: Amount = Amount::Count(2), range: above(0.0);
        /// Fewest rows of a leaf, as a count or a share of all rows.
        min_samples_leaf: Amount = Amount::Count(1), range: above(0.0);
        /// Least share of the whole weight in a leaf.
        min_weight_fraction_leaf: f64 = 0.0, range: between(0.0, 0.5);
        /// Most steps from the root of a tree to a leaf; unlimited when null.
        max_depth: Option<usize> = Some(3), range: at_least(1.0);
        /// Least fall of impurity, weighted by the node's share of rows, for which a node is split.
        min_impurity_decrease: f64 = 0.0, range: at_least(0.0);
        /// Where boosting begins: at the best constant when null, at 0 with `zero`.
        init: Option<String> = None, choices: ["zero"];
        /// Features that a split looks at: a count, a share, `sqrt`, `log2`, or null for all.
        max_features: MaxFeatures = MaxFeatures::Amount(Amount::Share(1.0)), range: above(0.0), choices: ["sqrt", "log2"];
        /// For loss `quantile` the quantile; for `huber` the share of errors that count as small.
        alpha: f64 = 0.9, range: above_below(0.0, 1.0);
        /// Most leaves of a tree, which then grows best split first; unlimited when null.
        max_leaf_nodes: Option<usize> = None, range: at_least(2.0);
        /// With `n_iter_no_change`: the share of rows that are held out to watch.
        validation_fraction: f64 = 0.1, range: above_below(0.0, 1.0);
        /// Rounds without improvement on held-out rows after which boosting ends; never when null.
        n_iter_no_change: Option<usize> = None, range: at_least(1.0);
        /// With `n_iter_no_change`: how much the loss must fall to count as improved.
        tol: f64 = 1e-4, range: at_least(0.0);
        /// Complexity below which branches are pruned: the fall of impurity per leaf that they must bring.
        ccp_alpha: f64 = 0.0, range: at_least(0.0);
        /// Seed of all random choices; that of the training when null.
        random_state: Option<u64> = None;
        /// How much to report.
        verbose: Option<i64> = None, no_effect: true;
        /// Whether to go on from an earlier fit.
        warm_start: bool = false, no_effect: true;
    }
}

/// `gradient_boosting_trees`.
#[derive(Debug)]
pub struct GradientBoostingTrees;

impl Estimator for GradientBoostingTrees {
    const NAME: &'static str = "gradient_boosting_trees";
    const DESCRIPTION: &'static str =
        "Small trees in turn, each fitting what those before left over; exact splits, and robust and quantile losses";
    const SOURCE: &'static str = "J. Friedman, Greedy function approximation: a gradient boosting machine, Annals of \
                                  Statistics 29 (2001); parameters of scikit-learn 1.9's gradient boosting";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = GradientBoostingParams;
    type Model = PerTarget<GradientBoostingModel>;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let is_classification = task == Task::Classification;
        if is_classification {
            refuse_other_tasks(Self::NAME, params, task, &["alpha"])?;
        } else {
            regression_targets(data)?;
        }
        let for_classes = matches!(params.loss.as_str(), "log_loss" | "exponential");
        if params.loss != "auto" && for_classes != is_classification {
            let allowed = if is_classification {
                "log_loss, exponential"
            } else {
                "squared_error, absolute_error, huber, quantile"
            };
            let (name, loss) = (Self::NAME, &params.loss);
            bail!(InvalidParameter, "loss \"{loss}\" of {name} is not for {task}; use one of {allowed}");
        }
        let run = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        PerTarget::fit(data, |data| in_pool(&run, || fit::boost(params, data, task, &run)))
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        PerTarget::decode(parts, GradientBoostingModel::decode)
    }
}
