//! Least squares with an L1 and an L2 penalty.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::coordinate_descent::{Net, minimise};
use crate::solvers::least_squares::Compressed;

/// Declares the hyperparameters of a net: its own, then those that all nets share.
macro_rules! net_params {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        pgml_core::hyperparams! {
            $(#[$meta])*
            #[allow(non_snake_case)] // the names are scikit-learn's
            pub struct $name {
                $($own)*
                /// Whether to fit an intercept.
                fit_intercept: bool = true;
                /// Whether coefficients must not be negative.
                positive: bool = false;
                /// Most passes over the coefficients.
                max_iter: u32 = 1000, range: at_least(1.0), aliases: ["max_iterations"];
                /// Distance from the optimum (duality gap, relative to the target's square) at which the solver stops.
                tol: f64 = 1e-4, range: at_least(0.0), aliases: ["tolerance"];
                /// Whether coefficients are visited in turn or at random.
                selection: String = "cyclic".to_owned(), choices: ["cyclic", "random"];
                /// Seed of random selection; null takes the training's.
                random_state: Option<u64> = None;
                /// Accepted for compatibility: rows are always condensed before the solver starts.
                precompute: bool = false, no_effect: true;
                /// Accepted for compatibility.
                copy_X: bool = true, no_effect: true;
                /// Accepted for compatibility.
                warm_start: bool = false, no_effect: true;
            }
        }

        impl $name {
            /// The same problem with this share of the L1 penalty.
            pub(super) fn with_l1_ratio(&self, l1_ratio: f64) -> $crate::algorithms::elastic_net::NetProblem<'_> {
                $crate::algorithms::elastic_net::NetProblem {
                    alpha: self.alpha,
                    l1_ratio,
                    fit_intercept: self.fit_intercept,
                    positive: self.positive,
                    max_iter: self.max_iter,
                    tol: self.tol,
                    selection: &self.selection,
                    random_state: self.random_state,
                }
            }
        }
    };
}
pub(super) use net_params;

/// What a net of any name minimises, and how.
#[derive(Debug, Clone, Copy)]
pub struct NetProblem<'a> {
    /// Strength of both penalties together.
    pub alpha: f64,
    /// Share of the L1 penalty, the rest being L2.
    pub l1_ratio: f64,
    /// Whether to fit an intercept.
    pub fit_intercept: bool,
    /// Whether coefficients must not be negative.
    pub positive: bool,
    /// Most passes over the coefficients.
    pub max_iter: u32,
    /// The duality gap at which the solver stops, relative to the target's square.
    pub tol: f64,
    /// `cyclic` or `random`.
    pub selection: &'a str,
    /// Seed of random selection.
    pub random_state: Option<u64>,
}

net_params! {
    /// Parameters of `elastic_net`.
    pub struct ElasticNetParams {
        /// Strength of both penalties together.
        alpha: f64 = 1.0, range: at_least(0.0);
        /// Share of the L1 penalty, the rest being L2.
        l1_ratio: f64 = 0.5, range: between(0.0, 1.0);
    }
}

/// Elastic net regression.
pub struct ElasticNet;

impl Estimator for ElasticNet {
    const NAME: &'static str = "elastic_net";
    const DESCRIPTION: &'static str =
        "Least squares that keeps coefficients small and drops useless features: between ridge and lasso.";
    const SOURCE: &'static str = "Zou, Hastie 2005; scikit-learn 1.9 ElasticNet";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = ElasticNetParams;
    type Model = LinearModel;

    fn fit(params: &ElasticNetParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        fit(Self::NAME, &params.with_l1_ratio(params.l1_ratio), data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Fits each target on its own, for `lasso` too.
///
/// # Errors
/// As [`Estimator::fit`].
pub fn fit(algorithm: &str, params: &NetProblem<'_>, data: &Dataset, run: &Run) -> Result<LinearModel> {
    data.require_finite()?;
    let targets = regression_targets(data)?;
    let problem = Compressed::new(data, &targets, data.weight(), params.fit_intercept, run)?;
    // scikit-learn minimises the mean of squares: weights count relative to their mean.
    let total = data.weight().map_or(data.n_rows() as f64, |w| w.iter().sum());
    let net = Net {
        l1: params.alpha * params.l1_ratio * total,
        l2: params.alpha * (1.0 - params.l1_ratio) * total,
        positive: params.positive,
        tol: params.tol,
        max_iter: params.max_iter as usize,
    };
    let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
    let mut coef = Vec::with_capacity(targets.len() * problem.d);
    let mut intercept = Vec::with_capacity(targets.len());
    for target in 0..targets.len() {
        let mut rng = (params.selection == "random").then(|| run.rng(target as u64));
        let found = minimise(&problem, target, &net, rng.as_mut(), run)?;
        if !found.converged {
            run.warn(&format!(
                "{algorithm} did not converge in {} iterations: duality gap {:.3e}, tolerance {:.3e}; raise max_iter, \
                 or scale the features in preprocess",
                params.max_iter, found.gap, found.tolerance
            ));
        }
        intercept.push(problem.intercept(target, &found.coef));
        coef.extend(found.coef);
    }
    LinearModel::new(coef, intercept, Head::Value)
}
