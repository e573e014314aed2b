//! The perceptron.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};
use serde_json::Value;

use super::stochastic_gradient_descent::fit::Fit;
use super::stochastic_gradient_descent::penalties;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::sgd::{Loss, Rate, Settings};

hyperparams! {
    /// Parameters of `perceptron`.
    pub struct PerceptronParams {
        /// How coefficients are kept small; null means not at all.
        penalty: Option<String> = None, choices: ["l2", "l1", "elasticnet"];
        /// Strength of the penalty.
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
        /// The size of steps.
        eta0: f64 = 1.0, range: above(0.0);
        /// Whether to stop by the score of rows set aside rather than by the loss.
        early_stopping: bool = false;
        /// Share of the rows that early_stopping sets aside.
        validation_fraction: f64 = 0.1, range: between(0.0, 1.0);
        /// Passes without improvement at which to stop.
        n_iter_no_change: u32 = 5, range: at_least(1.0);
        /// Null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Seed of the order of rows and of those set aside; null takes the training's.
        random_state: Option<u64> = Some(0);
        /// Accepted for compatibility: the server's settings decide.
        n_jobs: Option<i32> = None, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// The perceptron: a step for every row that is on the wrong side.
pub struct Perceptron;

impl Estimator for Perceptron {
    const NAME: &'static str = "perceptron";
    const DESCRIPTION: &'static str =
        "The oldest linear classifier: learns from its mistakes alone, quick and without tuning.";
    const SOURCE: &'static str = "Rosenblatt 1958; scikit-learn 1.9 Perceptron";
    const TASKS: &'static [Task] = &[Task::Classification];
    const VERSION: u32 = 1;
    type Params = PerceptronParams;
    type Model = LinearModel;

    fn fit(params: &PerceptronParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        let (l2, l1) = penalties(params.penalty.as_deref(), params.alpha, params.l1_ratio);
        let settings = Settings {
            loss: Loss::Hinge(0.0),
            alpha: params.alpha,
            l2,
            l1,
            rate: Rate::Constant(params.eta0),
            fit_intercept: params.fit_intercept,
            max_iter: params.max_iter as usize,
            tol: params.tol,
            n_iter_no_change: params.n_iter_no_change as usize,
            shuffle: params.shuffle,
            average: 0,
        };
        let watched_share = params.early_stopping.then_some(params.validation_fraction);
        let fit = Fit { name: Self::NAME, settings, watched_share, seed: params.random_state };
        fit.classify(data, &params.class_weight, Head::Decision, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
