//! Passive-aggressive learning.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::stochastic_gradient_descent::average;
use super::stochastic_gradient_descent::fit::Fit;
use super::task_params::refuse_other_tasks;
use crate::linear_model::{Head, LinearModel};
use crate::per_target::PerTarget;
use crate::solvers::sgd::{Loss, Rate, Settings};

hyperparams! {
    /// Parameters of `passive_aggressive`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct PassiveAggressiveParams {
        /// Largest step, or how little steps are damped: lower means calmer.
        C: f64 = 1.0, range: above(0.0), aliases: ["c"];
        /// "epsilon_insensitive" limits the steps, "squared_epsilon_insensitive" damps them; for classes "hinge" and "squared_hinge". "auto" limits.
        loss: String = "auto".to_owned(), choices: ["auto", "epsilon_insensitive", "squared_epsilon_insensitive", "hinge", "squared_hinge"];
        /// Regression: distance from the target within which errors cost nothing.
        epsilon: f64 = 0.1, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Most passes over the rows.
        max_iter: u32 = 1000, range: at_least(1.0);
        /// Improvement per row below which a pass counts as none; null always makes max_iter passes.
        tol: Option<f64> = Some(1e-3), range: at_least(0.0);
        /// Whether each pass takes the rows in a new order.
        shuffle: bool = true;
        /// Whether to stop by the score of rows set aside rather than by the loss.
        early_stopping: bool = false;
        /// Share of the rows that early_stopping sets aside.
        validation_fraction: f64 = 0.1, range: between(0.0, 1.0);
        /// Passes without improvement at which to stop.
        n_iter_no_change: u32 = 5, range: at_least(1.0);
        /// Whether to average coefficients over all steps, or from which step on.
        average: Value = Value::Bool(false);
        /// Classification: null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Seed of the order of rows and of those set aside; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: the server's settings decide.
        n_jobs: Option<i32> = None, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// Passive-aggressive regression and classification.
pub struct PassiveAggressive;

impl Estimator for PassiveAggressive {
    const NAME: &'static str = "passive_aggressive";
    const DESCRIPTION: &'static str =
        "Linear model that corrects each row's error at once, as far as needed: for streams; scale the features.";
    const SOURCE: &'static str =
        "Crammer et al. 2006; scikit-learn 1.9 PassiveAggressiveRegressor and PassiveAggressiveClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = PassiveAggressiveParams;
    type Model = PerTarget<LinearModel>;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        if data.weight().is_some() {
            bail!(NotSupported, "{} takes no weights", Self::NAME);
        }
        let classes = task == Task::Classification;
        refuse_other_tasks(Self::NAME, params, task, if classes { &["epsilon"] } else { &["class_weight"] })?;
        let fit = Fit {
            name: Self::NAME,
            settings: settings(params, classes)?,
            watched_share: params.early_stopping.then_some(params.validation_fraction),
            seed: params.random_state,
        };
        PerTarget::fit(data, |one| match classes {
            true => fit.classify(one, &params.class_weight, Head::Decision, run),
            false => fit.regress(one, run),
        })
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        PerTarget::<LinearModel>::decode(parts, LinearModel::decode)
    }
}

fn settings(params: &PassiveAggressiveParams, classes: bool) -> Result<Settings> {
    let damped = match (params.loss.as_str(), classes) {
        ("auto", _) | ("hinge", true) | ("epsilon_insensitive", false) => false,
        ("squared_hinge", true) | ("squared_epsilon_insensitive", false) => true,
        (other, _) => {
            let task = if classes { Task::Regression } else { Task::Classification };
            bail!(InvalidParameter, "loss \"{other}\" of passive_aggressive is for {task}");
        }
    };
    Ok(Settings {
        // Both rules measure the error by this loss; they differ in how far they go.
        loss: if classes { Loss::Hinge(1.0) } else { Loss::EpsilonInsensitive(params.epsilon) },
        alpha: 1.0,
        l2: None,
        l1: None,
        rate: if damped { Rate::PassiveAggressive2(params.C) } else { Rate::PassiveAggressive1(params.C) },
        fit_intercept: params.fit_intercept,
        max_iter: params.max_iter as usize,
        tol: params.tol,
        n_iter_no_change: params.n_iter_no_change as usize,
        shuffle: params.shuffle,
        average: average(&params.average, PassiveAggressive::NAME)?,
    })
}
