//! Ordinary least squares, and logistic regression.

use pgml_core::{Dataset, Error, ErrorKind, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::task_params::refuse_other_tasks;
use crate::linear_model::{Classes, Head, LinearModel};
use crate::solvers::class_weight;
use crate::solvers::lbfgs::{self, Smooth};
use crate::solvers::least_squares::Compressed;
use crate::solvers::logistic::{Objective, Penalty};
use crate::solvers::newton;
use crate::solvers::nnls::nnls;

hyperparams! {
    /// Parameters of `linear`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct LinearParams {
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Regression: whether coefficients must not be negative.
        positive: bool = false;
        /// Regression: singular values up to this share of the largest count as zero (default 1e-6). Classification: largest slope of the mean loss at which the solver stops (default 1e-4).
        tol: Option<f64> = None, range: at_least(0.0), aliases: ["gradient_tolerance"];
        /// Classification: inverse of the penalty's strength.
        C: f64 = 1.0, range: above(0.0), aliases: ["c"];
        /// Classification: strength of the L2 penalty as in PostgresML's rust runtime; C = 1 / alpha, and 0 means no penalty.
        alpha: Option<f64> = None, range: at_least(0.0);
        /// Classification: how coefficients are penalised; auto follows l1_ratio, null or none means not at all.
        penalty: Option<String> = Some("auto".to_owned()), choices: ["auto", "l1", "l2", "elasticnet", "none"];
        /// Classification: share of the L1 penalty, the rest being L2.
        l1_ratio: Option<f64> = None, range: between(0.0, 1.0);
        /// Classification: null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Classification: most iterations of the solver.
        max_iter: u32 = 100, aliases: ["max_iterations"];
        /// Accepted for compatibility: the optimum is the same whatever the solver.
        solver: String = "lbfgs".to_owned(), choices: ["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"], no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility.
        dual: bool = false, no_effect: true;
        /// Accepted for compatibility: the intercept is never penalised.
        intercept_scaling: f64 = 1.0, no_effect: true;
        /// Accepted for compatibility.
        multi_class: Option<String> = None, no_effect: true;
        /// Accepted for compatibility: the solver draws no random numbers.
        random_state: Option<u64> = None, no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// Least squares and logistic regression.
pub struct Linear;

impl Estimator for Linear {
    const NAME: &'static str = "linear";
    const DESCRIPTION: &'static str =
        "Ordinary least squares for numbers, logistic regression for classes: quick, and easy to explain.";
    const SOURCE: &'static str = "scikit-learn 1.9 LinearRegression and LogisticRegression";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = LinearParams;
    type Model = LinearModel;

    fn fit(params: &LinearParams, data: &Dataset, task: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        if task == Task::Regression {
            let only_classes = ["C", "alpha", "penalty", "l1_ratio", "class_weight", "max_iter"];
            refuse_other_tasks(Self::NAME, params, task, &only_classes)?;
            least_squares(params, data, run)
        } else {
            refuse_other_tasks(Self::NAME, params, task, &["positive"])?;
            logistic(params, data, run)
        }
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

fn least_squares(params: &LinearParams, data: &Dataset, run: &Run) -> Result<LinearModel> {
    let targets = super::task_params::regression_targets(data)?;
    let problem = Compressed::new(data, &targets, data.weight(), params.fit_intercept, run)?;
    let coef = if params.positive {
        problem.b.iter().map(|b| nnls(&problem.a, problem.m, problem.d, b, run)).collect::<Result<Vec<_>>>()?
    } else {
        problem.solve(params.tol.unwrap_or(1e-6), run)?
    };
    let intercept = coef.iter().enumerate().map(|(t, coef)| problem.intercept(t, coef)).collect();
    LinearModel::new(coef.concat(), intercept, Head::Value)
}

/// Shares of C that go to each penalty: scikit-learn minimises `C Σ loss + l1 Σ|w| + l2/2 Σ w²`.
fn penalty(params: &LinearParams) -> Result<(f64, f64, f64)> {
    let c = match params.alpha {
        Some(_) if params.C != 1.0 => bail!(InvalidParameter, "give C or alpha (= 1 / C) of linear, not both"),
        Some(alpha) => 1.0 / alpha,
        None => params.C,
    };
    let ratio = match (params.penalty.as_deref(), params.l1_ratio) {
        (None | Some("none"), _) => return Ok((f64::INFINITY, 0.0, 0.0)),
        (Some("l1"), Some(ratio)) if ratio != 1.0 => {
            bail!(InvalidParameter, "penalty l1 means l1_ratio 1, not {ratio}")
        }
        (Some("l2"), Some(ratio)) if ratio != 0.0 => {
            bail!(InvalidParameter, "penalty l2 means l1_ratio 0, not {ratio}")
        }
        (Some("elasticnet"), None) => {
            return Err(Error::new(ErrorKind::InvalidParameter, "penalty elasticnet needs an l1_ratio")
                .with_hint("for example hyperparams => '{\"penalty\": \"elasticnet\", \"l1_ratio\": 0.5}'"));
        }
        (Some("l1"), _) => 1.0,
        (_, ratio) => ratio.unwrap_or(0.0),
    };
    Ok((c, ratio, 1.0 - ratio))
}

fn logistic(params: &LinearParams, data: &Dataset, run: &Run) -> Result<LinearModel> {
    let target = data.target()?;
    let factors = class_weight::factors(&params.class_weight, target, data.n_classes(), data.weight())?;
    let weight: Vec<f64> = target
        .iter()
        .enumerate()
        .map(|(row, class)| data.weight().map_or(1.0, |w| w[row]) * factors[*class as usize])
        .collect();
    let classes = Classes::seen_in(target, data.n_classes())?;
    let (c, l1, l2) = penalty(params)?;
    let strength = 1.0 / (c * weight.iter().sum::<f64>());
    if !strength.is_finite() {
        bail!(InvalidData, "every row has weight 0, or C = {c} is too small to compute with");
    }
    let penalty = Penalty { l1: l1 * strength, l2: l2 * strength };
    let class = classes.positions(target);
    let start = warm_start(params, data, &class, &weight, &classes, penalty, run)?;
    let objective = Objective::new(data, class, weight, classes.n_scores(), params.fit_intercept, penalty, run)?;
    let mut at = start.map_or_else(|| vec![0.0; objective.n_params()], |(w, b)| objective.standard_units(&w, &b));
    if !solve(params, &objective, &mut at, run)? {
        run.warn(&format!(
            "linear did not converge in {} iterations; raise max_iter, or scale the features in preprocess",
            params.max_iter
        ));
    }
    let (coef, intercept) = objective.own_units(&at);
    LinearModel::new(coef, intercept, Head::Probability(classes))
}

/// Newton where the matrix of second derivatives is small or an L1 penalty rules out smooth methods, else L-BFGS.
fn solve(params: &LinearParams, objective: &Objective, at: &mut Vec<f64>, run: &Run) -> Result<bool> {
    let tol = params.tol.unwrap_or(1e-4);
    let has_l1 = objective.l1.iter().any(|l1| *l1 > 0.0);
    let max_iter = params.max_iter as usize;
    if has_l1 || objective.n_params() <= 256 {
        return newton::minimise(objective, at, tol, max_iter, run);
    }
    // Linear convergence: a tenth of the tolerance stands in for the extra step that Newton takes.
    let coarse = tol.max(1e-6);
    let converged = lbfgs::minimise(&Watched { objective, run }, at, 0.1 * coarse, max_iter, run)?;
    // Below, rounding in the value stalls the line search; second derivatives still tell where to go.
    if converged && tol < coarse && objective.n_params() <= 2048 {
        return newton::minimise(objective, at, tol, max_iter, run);
    }
    Ok(converged)
}

struct Watched<'a> {
    objective: &'a Objective,
    run: &'a Run,
}

impl Smooth for Watched<'_> {
    fn evaluate(&self, at: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.objective.evaluate(at, gradient, None, self.run)
    }

    fn slope(&self, at: &[f64], gradient: &[f64]) -> f64 {
        self.objective.slope(at, gradient)
    }
}

/// The optimum over every sixteenth row, in the features' own units: from there, all rows need few steps.
fn warm_start(
    params: &LinearParams,
    data: &Dataset,
    class: &[u32],
    weight: &[f64],
    classes: &Classes,
    penalty: Penalty,
    run: &Run,
) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
    let rows: Vec<u32> = (0..data.n_rows() as u32).step_by(16).collect();
    let n_params = classes.n_scores() * (data.n_features() + 1);
    let few = rows.len() < 50 * n_params || penalty.l1 + penalty.l2 == 0.0;
    let mut seen = vec![0_u32; classes.seen.len()];
    rows.iter().for_each(|row| seen[class[*row as usize] as usize] += 1);
    if few || params.max_iter == 0 || seen.iter().any(|count| *count < 20) {
        return Ok(None);
    }
    let _memory = run.reserve(data.bytes() / 16, "a sample of the features")?;
    let sample = data.select(&rows);
    let class = rows.iter().map(|row| class[*row as usize]).collect();
    let weight: Vec<f64> = rows.iter().map(|row| weight[*row as usize]).collect();
    if weight.iter().all(|w| *w == 0.0) {
        return Ok(None);
    }
    let objective = Objective::new(&sample, class, weight, classes.n_scores(), params.fit_intercept, penalty, run)?;
    let mut at = vec![0.0; objective.n_params()];
    solve(params, &objective, &mut at, run)?;
    Ok(Some(objective.own_units(&at)))
}
