//! Linear models learnt row by row.

pub(super) mod fit;

use pgml_core::{Dataset, Error, ErrorKind, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::task_params::refuse_other_tasks;
use crate::linear_model::{Head, LinearModel, Squash};
use crate::per_target::PerTarget;
use crate::solvers::sgd::{Loss, Rate, Settings};

hyperparams! {
    /// Parameters of `stochastic_gradient_descent`.
    pub struct StochasticGradientDescentParams {
        /// What an error costs: "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive", and for classes "hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"; "auto" is squared_error, for classes hinge.
        loss: String = "auto".to_owned(), choices: ["auto", "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive", "hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"];
        /// How coefficients are kept small; null means not at all.
        penalty: Option<String> = Some("l2".to_owned()), choices: ["l2", "l1", "elasticnet"];
        /// Strength of the penalty; also sets the steps of the optimal learning rate.
        alpha: f64 = 1e-4, range: at_least(0.0);
        /// Share of the L1 penalty in elasticnet, the rest being L2.
        l1_ratio: f64 = 0.15, range: between(0.0, 1.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Most passes over the rows.
        max_iter: u32 = 1000, range: at_least(1.0);
        /// Improvement per row below which a pass counts as none; null always makes max_iter passes.
        tol: Option<f64> = Some(1e-3), range: at_least(0.0);
        /// Whether each pass takes the rows in a new order.
        shuffle: bool = true;
        /// Width of the zone in which the losses huber, epsilon_insensitive and squared_epsilon_insensitive are lenient.
        epsilon: f64 = 0.1, range: at_least(0.0);
        /// The size of steps: "optimal" 1 / (alpha (t + t0)), "invscaling" eta0 / t^power_t, "constant" eta0, "adaptive" eta0 divided by 5 whenever the loss stops falling, "pa1" and "pa2" passive-aggressive; "auto" is invscaling, for classes optimal.
        learning_rate: String = "auto".to_owned(), choices: ["auto", "optimal", "invscaling", "constant", "adaptive", "pa1", "pa2"];
        /// The first step's size; for pa1 and pa2 the largest step and the damping.
        eta0: f64 = 0.01, range: above(0.0);
        /// How fast invscaling's steps shrink; null means 0.25, for classes 0.5.
        power_t: Option<f64> = None, range: at_least(0.0);
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

/// Linear regression and classification by stochastic gradient descent.
pub struct StochasticGradientDescent;

impl Estimator for StochasticGradientDescent {
    const NAME: &'static str = "stochastic_gradient_descent";
    const DESCRIPTION: &'static str =
        "Linear model learnt row by row, with many losses: for very many rows; scale the features.";
    const SOURCE: &'static str = "Robbins, Monro 1951; Bottou 2012; scikit-learn 1.9 SGDRegressor and SGDClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = StochasticGradientDescentParams;
    type Model = PerTarget<LinearModel>;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let fit = fit::Fit {
            name: Self::NAME,
            settings: settings(params, task)?,
            watched_share: params.early_stopping.then_some(params.validation_fraction),
            seed: params.random_state,
        };
        if task == Task::Regression {
            refuse_other_tasks(Self::NAME, params, task, &["class_weight"])?;
            return PerTarget::fit(data, |one| fit.regress(one, run));
        }
        let head = |classes| match fit.settings.loss {
            Loss::Log => Head::OneVsRest(classes, Squash::Logistic),
            Loss::ModifiedHuber => Head::OneVsRest(classes, Squash::Clip),
            _ => Head::Decision(classes),
        };
        PerTarget::fit(data, |one| fit.classify(one, &params.class_weight, head, run))
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        PerTarget::<LinearModel>::decode(parts, LinearModel::decode)
    }
}

fn settings(params: &StochasticGradientDescentParams, task: Task) -> Result<Settings> {
    let loss = loss(params, task)?;
    let rate = rate(params, task, loss)?;
    let (l2, l1) = penalties(params.penalty.as_deref(), params.alpha, params.l1_ratio);
    Ok(Settings {
        loss,
        alpha: params.alpha,
        l2,
        l1,
        rate,
        fit_intercept: params.fit_intercept,
        max_iter: params.max_iter as usize,
        tol: params.tol,
        n_iter_no_change: params.n_iter_no_change as usize,
        shuffle: params.shuffle,
        average: average(&params.average, StochasticGradientDescent::NAME)?,
    })
}

fn loss(params: &StochasticGradientDescentParams, task: Task) -> Result<Loss> {
    let classes = task == Task::Classification;
    let for_classes = |loss: Loss| {
        if !classes {
            bail!(
                InvalidParameter,
                "loss \"{}\" of {} is for classification",
                params.loss,
                StochasticGradientDescent::NAME
            );
        }
        Ok(loss)
    };
    match params.loss.as_str() {
        "auto" if classes => Ok(Loss::Hinge(1.0)),
        "auto" | "squared_error" => Ok(Loss::SquaredError),
        "huber" => Ok(Loss::Huber(params.epsilon)),
        "epsilon_insensitive" => Ok(Loss::EpsilonInsensitive(params.epsilon)),
        "squared_epsilon_insensitive" => Ok(Loss::SquaredEpsilonInsensitive(params.epsilon)),
        "hinge" => for_classes(Loss::Hinge(1.0)),
        "perceptron" => for_classes(Loss::Hinge(0.0)),
        "log_loss" => for_classes(Loss::Log),
        "modified_huber" => for_classes(Loss::ModifiedHuber),
        _ => for_classes(Loss::SquaredHinge),
    }
}

fn rate(params: &StochasticGradientDescentParams, task: Task, loss: Loss) -> Result<Rate> {
    let classes = task == Task::Classification;
    let eta0 = params.eta0;
    let passive = |rate: Rate| match (classes, loss) {
        // The perceptron's loss is never passive: it is the hinge at another margin.
        (true, Loss::Hinge(1.0)) | (false, Loss::EpsilonInsensitive(_)) => Ok(rate),
        _ => Err(Error::new(
            ErrorKind::InvalidParameter,
            format!(
                "learning_rate \"{}\" goes with the loss hinge, for regression epsilon_insensitive",
                params.learning_rate
            ),
        )),
    };
    match params.learning_rate.as_str() {
        "optimal" if params.alpha == 0.0 => {
            bail!(InvalidParameter, "learning_rate \"optimal\" divides by alpha, which must then be greater than 0")
        }
        "auto" if classes && params.alpha == 0.0 => {
            bail!(InvalidParameter, "learning_rate \"optimal\" divides by alpha, which must then be greater than 0")
        }
        "auto" if classes => Ok(Rate::Optimal),
        "optimal" => Ok(Rate::Optimal),
        "auto" | "invscaling" => {
            let power = params.power_t.unwrap_or(if classes { 0.5 } else { 0.25 });
            Ok(Rate::Inverse { eta0, power })
        }
        "constant" => Ok(Rate::Constant(eta0)),
        "adaptive" => Ok(Rate::Adaptive(eta0)),
        "pa1" => passive(Rate::PassiveAggressive1(eta0)),
        _ => passive(Rate::PassiveAggressive2(eta0)),
    }
}

/// The strengths of the L2 and the L1 penalty.
pub(super) fn penalties(penalty: Option<&str>, alpha: f64, l1_ratio: f64) -> (Option<f64>, Option<f64>) {
    match penalty {
        Some("l2") => (Some(alpha), None),
        Some("l1") => (None, Some(alpha)),
        Some(_) => (Some((1.0 - l1_ratio) * alpha), Some(l1_ratio * alpha)),
        None => (None, None),
    }
}

/// The step from which coefficients are averaged: a number, or true for the first; 0 means never.
pub(super) fn average(param: &Value, algorithm: &str) -> Result<usize> {
    match (param, param.as_f64()) {
        (Value::Bool(yes), _) => Ok(usize::from(*yes)),
        (_, Some(n)) if n.fract() == 0.0 && (0.0..=9e15).contains(&n) => Ok(n as usize),
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"average\" of {algorithm} is {param}, but must be true, false or the step to begin at"
        ),
    }
}
