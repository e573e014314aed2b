//! Support vector machines that are told how many rows may be on the wrong side instead of what that costs.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};
use serde_json::Value;

use super::svm::{SvmModel, SvmParams, train};
use super::task_params::refuse_other_tasks;

hyperparams! {
    /// Parameters of `nu_svm`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct NuSvmParams {
        /// At most this share of rows is on the wrong side (regression: outside the tube); at least this share supports the model.
        nu: f64 = 0.5, range: above_up_to(0.0, 1.0);
        /// Regression: price of rows outside the tube; lower means a smoother model.
        C: f64 = 1.0, range: above(0.0), aliases: ["c"];
        /// The kernel.
        kernel: String = "rbf".to_owned(), choices: ["rbf", "linear", "poly", "sigmoid"];
        /// Degree of the poly kernel.
        degree: u32 = 3;
        /// Scale of the kernel: "scale" is 1 / (features × variance), "auto" 1 / features, or a number.
        gamma: Value = Value::from("scale");
        /// Constant of the poly and sigmoid kernels.
        coef0: f64 = 0.0;
        /// Violation of the optimality conditions at which to stop.
        tol: f64 = 1e-3, range: above(0.0);
        /// Most iterations; -1 means no limit.
        max_iter: i64 = -1, range: at_least(-1.0);
        /// Size of the kernel cache in MB.
        cache_size: f64 = 200.0, range: above(0.0);
        /// Classification: whether equal numbers of votes are decided by the sum of decisions.
        break_ties: bool = false;
        /// Classification: whether to learn class probabilities too, by five-fold cross-validation.
        probability: bool = false;
        /// Seed of the folds for `probability`; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: scikit-learn's NuSVC does not use it either.
        class_weight: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: the optimum is the same.
        shrinking: bool = true, no_effect: true;
        /// Accepted for compatibility: predictions do not depend on it.
        decision_function_shape: String = "ovr".to_owned(), choices: ["ovr", "ovo"], no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// ν-support vector regression and classification.
pub struct NuSvm;

impl Estimator for NuSvm {
    const NAME: &'static str = "nu_svm";
    const DESCRIPTION: &'static str =
        "Support vector machine that is told which share of rows may be on the wrong side; scale the features.";
    const SOURCE: &'static str = "Schölkopf, Smola, Williamson, Bartlett 2000; scikit-learn 1.9 NuSVR and NuSVC";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = NuSvmParams;
    type Model = SvmModel;

    fn fit(params: &NuSvmParams, data: &Dataset, task: Task, run: &Run) -> Result<SvmModel> {
        let other_tasks: &[&str] = match task {
            Task::Regression => &["break_ties", "probability", "random_state"],
            _ => &["C"],
        };
        refuse_other_tasks(Self::NAME, params, task, other_tasks)?;
        let common = SvmParams {
            C: params.C,
            kernel: params.kernel.clone(),
            degree: params.degree,
            gamma: params.gamma.clone(),
            coef0: params.coef0,
            tol: params.tol,
            max_iter: params.max_iter,
            cache_size: params.cache_size,
            break_ties: params.break_ties,
            probability: params.probability,
            random_state: params.random_state,
            ..SvmParams::default()
        };
        train(Self::NAME, &common, Some(params.nu), data, task, run)
    }

    fn decode(parts: &Parts) -> Result<SvmModel> {
        SvmModel::decode(parts)
    }
}
