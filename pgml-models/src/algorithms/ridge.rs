//! Least squares with an L2 penalty, and the classifier made of it.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};
use serde_json::Value;

use super::task_params::{refuse_other_tasks, regression_targets};
use crate::linear_model::{Classes, Head, LinearModel};
use crate::solvers::class_weight;
use crate::solvers::least_squares::Compressed;
use crate::solvers::nnls::nnls;

hyperparams! {
    /// Parameters of `ridge`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct RidgeParams {
        /// Strength of the L2 penalty.
        alpha: f64 = 1.0, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Whether coefficients must not be negative.
        positive: bool = false;
        /// Classification: null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Accepted for compatibility: the solution is exact whatever the solver.
        solver: String = "auto".to_owned(), choices: ["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"], no_effect: true;
        /// Accepted for compatibility: the solver is direct.
        tol: f64 = 1e-4, range: at_least(0.0), no_effect: true;
        /// Accepted for compatibility: the solver is direct.
        max_iter: Option<u32> = None, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility: the solver draws no random numbers.
        random_state: Option<u64> = None, no_effect: true;
    }
}

/// Ridge regression and classification.
pub struct Ridge;

impl Estimator for Ridge {
    const NAME: &'static str = "ridge";
    const DESCRIPTION: &'static str =
        "Least squares that keeps coefficients small: for many or correlated features. Classifies by the sign.";
    const SOURCE: &'static str = "Hoerl, Kennard 1970; scikit-learn 1.9 Ridge and RidgeClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = RidgeParams;
    type Model = LinearModel;

    fn fit(params: &RidgeParams, data: &Dataset, task: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        if task == Task::Regression {
            refuse_other_tasks(Self::NAME, params, task, &["class_weight"])?;
            return solve(params, data, &regression_targets(data)?, data.weight(), Head::Value, run);
        }
        let target = data.target()?;
        let classes = Classes::seen_in(target, data.n_classes())?;
        let factors = class_weight::factors(&params.class_weight, target, data.n_classes(), None)?;
        let weight: Vec<f64> = target
            .iter()
            .enumerate()
            .map(|(row, class)| data.weight().map_or(1.0, |w| w[row]) * factors[*class as usize])
            .collect();
        let signs = signs(&classes, target);
        let signs: Vec<&[f64]> = signs.iter().map(Vec::as_slice).collect();
        solve(params, data, &signs, Some(&weight), Head::Decision(classes), run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// One target per score: +1 for its class, −1 for all others. Two classes share one.
fn signs(classes: &Classes, target: &[f64]) -> Vec<Vec<f64>> {
    let position = classes.positions(target);
    let binary = classes.seen.len() == 2;
    (0..classes.n_scores() as u32)
        .map(|score| if binary { 1 } else { score })
        .map(|class| position.iter().map(|p| if *p == class { 1.0 } else { -1.0 }).collect())
        .collect()
}

fn solve(
    params: &RidgeParams,
    data: &Dataset,
    targets: &[&[f64]],
    weight: Option<&[f64]>,
    head: Head,
    run: &Run,
) -> Result<LinearModel> {
    let mut problem = Compressed::new(data, targets, weight, params.fit_intercept, run)?;
    if params.alpha > 0.0 {
        problem = problem.with_l2(params.alpha);
    }
    let coef = if params.positive {
        problem.b.iter().map(|b| nnls(&problem.a, problem.m, problem.d, b, run)).collect::<Result<Vec<_>>>()?
    } else {
        problem.solve(f64::EPSILON * data.n_rows().max(data.n_features()) as f64, run)?
    };
    let intercept = coef.iter().enumerate().map(|(t, coef)| problem.intercept(t, coef)).collect();
    LinearModel::new(coef.concat(), intercept, head)
}
