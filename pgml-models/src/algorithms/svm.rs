//! Support vector machines.

mod model;
mod pairs;
mod voting;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

pub use self::model::SvmModel;
use super::task_params::{refuse_other_tasks, regression_targets};
use crate::solvers::kernel_function::{Form, Kernel};
use crate::solvers::kernel_rows::KernelRows;
use crate::solvers::smo::{Dual, Fixed, Solution, solve_from};

hyperparams! {
    /// Parameters of `svm`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct SvmParams {
        /// Price of rows on the wrong side; lower means a smoother model.
        C: f64 = 1.0, range: above(0.0), aliases: ["c"];
        /// The kernel; "poli" is PostgresML's name of "poly".
        kernel: String = "rbf".to_owned(), choices: ["rbf", "linear", "poly", "poli", "sigmoid"];
        /// Degree of the poly kernel.
        degree: u32 = 3;
        /// Scale of the kernel: "scale" is 1 / (features × variance), "auto" 1 / features, or a number.
        gamma: Value = Value::from("scale");
        /// Constant of the poly and sigmoid kernels.
        coef0: f64 = 0.0;
        /// Regression: distance from the target within which errors cost nothing.
        epsilon: f64 = 0.1, range: at_least(0.0);
        /// Violation of the optimality conditions at which to stop.
        tol: f64 = 1e-3, range: above(0.0), aliases: ["eps"];
        /// Most iterations; -1 means no limit.
        max_iter: i64 = -1, range: at_least(-1.0);
        /// Size of the kernel cache in MB.
        cache_size: f64 = 200.0, range: above(0.0);
        /// Classification: null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Classification: whether equal numbers of votes are decided by the sum of decisions.
        break_ties: bool = false;
        /// Classification: whether to learn class probabilities too, by five-fold cross-validation.
        probability: bool = false;
        /// Seed of the folds for `probability`; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: the optimum is the same.
        shrinking: bool = true, no_effect: true;
        /// Accepted for compatibility: predictions do not depend on it.
        decision_function_shape: String = "ovr".to_owned(), choices: ["ovr", "ovo"], no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// Support vector regression and classification.
pub struct Svm;

impl Estimator for Svm {
    const NAME: &'static str = "svm";
    const DESCRIPTION: &'static str =
        "Support vector machine: smooth curves for thousands of rows; scale the features.";
    const SOURCE: &'static str = "Cortes, Vapnik 1995; Fan, Chen, Lin 2005; scikit-learn 1.9 SVR and SVC";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = SvmParams;
    type Model = SvmModel;

    fn fit(params: &SvmParams, data: &Dataset, task: Task, run: &Run) -> Result<SvmModel> {
        let other_tasks: &[&str] = match task {
            Task::Regression => &["class_weight", "break_ties", "probability", "random_state"],
            _ => &["epsilon"],
        };
        refuse_other_tasks(Self::NAME, params, task, other_tasks)?;
        train(Self::NAME, params, None, data, task, run)
    }

    fn decode(parts: &Parts) -> Result<SvmModel> {
        SvmModel::decode(parts)
    }
}

/// Trains `svm`, or `nu_svm` where `nu` says how many rows may be on the wrong side.
pub(super) fn train(
    name: &'static str,
    params: &SvmParams,
    nu: Option<f64>,
    data: &Dataset,
    task: Task,
    run: &Run,
) -> Result<SvmModel> {
    data.require_finite()?;
    let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
    let d = data.n_features();
    // The rows, and those of one pair of classes.
    let _memory = run.reserve(16 * (data.n_rows() * d) as u64, "the matrix of features")?;
    let rows = data.to_rows();
    let kernel = read_kernel(name, &params.kernel, &params.gamma, params.coef0, params.degree, &rows, d)?;
    let mut machines = Machines { name, params, nu, kernel, d, run, unconverged: 0 };
    let model = match task {
        Task::Regression => regress(&mut machines, data, rows)?,
        _ => pairs::classify(&mut machines, data, &rows)?,
    };
    machines.warn_unconverged();
    Ok(model)
}

/// The kernel that parameters name, with its scale for row-major `rows` of `d`.
pub(super) fn read_kernel(
    algorithm: &str,
    name: &str,
    gamma: &Value,
    coef0: f64,
    degree: u32,
    rows: &[f64],
    d: usize,
) -> Result<Kernel> {
    let gamma = match (gamma.as_str(), gamma.as_f64()) {
        (Some("scale"), _) => {
            let mean = rows.iter().sum::<f64>() / rows.len() as f64;
            let variance = rows.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows.len() as f64;
            if variance > 0.0 { 1.0 / (d as f64 * variance) } else { 1.0 }
        }
        (Some("auto"), _) => 1.0 / d as f64,
        (_, Some(gamma)) if gamma >= 0.0 => gamma,
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"gamma\" of {algorithm} is {gamma}, but must be scale, auto or a number of at least 0"
        ),
    };
    let name = if name == "poli" { "poly" } else { name };
    let Some(form) = Form::named(name) else { bail!(InvalidParameter, "{algorithm} has no kernel \"{name}\"") };
    let degree = i32::try_from(degree).unwrap_or(i32::MAX);
    Ok(Kernel { form, gamma, coef0, degree })
}

/// What all machines of one training share.
struct Machines<'a> {
    name: &'static str,
    params: &'a SvmParams,
    /// The share of rows that may be on the wrong side, where that is given instead of their price.
    nu: Option<f64>,
    kernel: Kernel,
    d: usize,
    run: &'a Run,
    unconverged: u64,
}

impl Machines<'_> {
    /// The optimum of `dual` over row-major `rows`, from multipliers `start` on where `nu` fixes their sums.
    fn solve(&mut self, dual: &Dual, start: Option<Vec<f64>>, rows: &[f64]) -> Result<Solution> {
        let mut cache = KernelRows::new(self.kernel, rows, self.d, self.params.cache_size * 1e6, self.run)?;
        let max_iter = u64::try_from(self.params.max_iter).ok();
        let fixed = if start.is_some() { Fixed::SumOfEachSign } else { Fixed::Sum };
        let start = start.unwrap_or_else(|| vec![0.0; dual.p.len()]);
        let solution = solve_from(dual, start, fixed, &mut cache, self.params.tol, max_iter, self.run)?;
        self.unconverged += u64::from(!solution.converged);
        Ok(solution)
    }

    fn warn_unconverged(&self) {
        if self.unconverged > 0 {
            self.run.warn(&format!(
                "{} stopped before its tolerance of {} in {} optimisations; raise max_iter or tol, or scale the features",
                self.name, self.params.tol, self.unconverged
            ));
        }
    }
}

/// One machine per target: variables `0..n` pull up, `n..2n` down.
fn regress(machines: &mut Machines<'_>, data: &Dataset, rows: Vec<f64>) -> Result<SvmModel> {
    // With nu the width of the tube is found too, and has no price of its own.
    let (n, epsilon) = (data.n_rows(), if machines.nu.is_some() { 0.0 } else { machines.params.epsilon });
    let c: Vec<f64> = (0..2 * n).map(|t| machines.params.C * data.weight().map_or(1.0, |w| w[t % n])).collect();
    let y: Vec<f64> = (0..2 * n).map(|t| if t < n { 1.0 } else { -1.0 }).collect();
    let (mut coef, mut rho) = (Vec::new(), Vec::new());
    for target in regression_targets(data)? {
        let p = target.iter().map(|y| epsilon - y).chain(target.iter().map(|y| epsilon + y)).collect();
        let start = machines.nu.map(|nu| {
            let half = spread(&c[..n], nu * c[..n].iter().sum::<f64>() / 2.0).0;
            [&half[..], &half].concat()
        });
        let solution = machines.solve(&Dual { p, y: y.clone(), c: c.clone() }, start, &rows)?;
        coef.extend((0..n).map(|i| solution.alpha[i] - solution.alpha[i + n]));
        rho.push(solution.rho);
    }
    SvmModel::new(machines.kernel, machines.d, rows, coef, rho, None)
}

/// Multipliers of at most `bounds` each that sum to `total`, the first ones at their bounds; and what does not fit.
fn spread(bounds: &[f64], total: f64) -> (Vec<f64>, f64) {
    let mut left = total;
    let take = |bound: &f64| {
        let taken = bound.min(left);
        left -= taken;
        taken
    };
    (bounds.iter().map(take).collect(), left)
}
