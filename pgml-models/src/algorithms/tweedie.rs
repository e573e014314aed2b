//! Generalised linear models of the Tweedie family, and what `poisson` and `gamma` share with them.

use pgml_core::{Dataset, Error, ErrorKind, Estimator, Parts, Result, Run, Task, bail};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::design::Design;
use crate::solvers::deviance::{Deviance, Link, mean};
use crate::solvers::{damped_newton, lbfgs};

/// Parameters beyond which second derivatives cost more than they save.
const MOST_FOR_NEWTON: usize = 400;

/// Declares the hyperparameters of a generalised linear model: its own, then those that all share.
macro_rules! glm_params {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        pgml_core::hyperparams! {
            $(#[$meta])*
            pub struct $name {
                $($own)*
                /// Strength of the L2 penalty.
                alpha: f64 = 1.0, range: at_least(0.0);
                /// Whether to fit an intercept.
                fit_intercept: bool = true;
                /// Most iterations of the solver.
                max_iter: u32 = 100, range: at_least(1.0), aliases: ["max_iterations"];
                /// Largest slope of the mean loss at which the solver stops.
                tol: f64 = 1e-4, range: above(0.0), aliases: ["tolerance"];
                /// Accepted for compatibility: the optimum is the same whatever the solver.
                solver: String = "lbfgs".to_owned(), choices: ["lbfgs", "newton-cholesky"], no_effect: true;
                /// Accepted for compatibility.
                warm_start: bool = false, no_effect: true;
                /// Accepted for compatibility.
                verbose: i32 = 0, no_effect: true;
            }
        }

        impl $name {
            pub(super) fn family(&self, power: f64, link: $crate::solvers::deviance::Link)
                -> $crate::algorithms::tweedie::Family
            {
                $crate::algorithms::tweedie::Family {
                    power,
                    link,
                    alpha: self.alpha,
                    fit_intercept: self.fit_intercept,
                    max_iter: self.max_iter as usize,
                    tol: self.tol,
                }
            }
        }
    };
}
pub(super) use glm_params;

/// What a generalised linear model of any name minimises, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// Power of the mean that the variance follows.
    pub power: f64,
    /// What scores mean.
    pub link: Link,
    /// Strength of the penalty.
    pub alpha: f64,
    /// Whether to fit an intercept.
    pub fit_intercept: bool,
    /// Most iterations.
    pub max_iter: usize,
    /// The slope to reach.
    pub tol: f64,
}

glm_params! {
    /// Parameters of `tweedie`.
    pub struct TweedieParams {
        /// How the variance grows with the mean: 0 normal, 1 Poisson, between them and 2 counts of sums, 2 gamma, 3 inverse Gaussian.
        power: f64 = 0.0;
        /// Whether the score is the mean or its logarithm; auto means identity up to power 0, log above.
        link: String = "auto".to_owned(), choices: ["auto", "identity", "log"];
    }
}

/// Tweedie regression.
pub struct Tweedie;

impl Estimator for Tweedie {
    const NAME: &'static str = "tweedie";
    const DESCRIPTION: &'static str =
        "Linear regression for targets whose variance grows with their mean: counts, amounts, many zeros.";
    const SOURCE: &'static str = "Jørgensen 1987; scikit-learn 1.9 TweedieRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = TweedieParams;
    type Model = LinearModel;

    fn fit(params: &TweedieParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        let link = match params.link.as_str() {
            "identity" => Link::Identity,
            "auto" if params.power <= 0.0 => Link::Identity,
            _ => Link::Log,
        };
        fit(Self::NAME, &params.family(params.power, link), data, run)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Fits each target on its own, for `poisson` and `gamma` too.
///
/// # Errors
/// As [`Estimator::fit`].
pub(super) fn fit(algorithm: &str, family: &Family, data: &Dataset, run: &Run) -> Result<LinearModel> {
    data.require_finite()?;
    let targets = regression_targets(data)?;
    targets.iter().try_for_each(|target| expect_range(algorithm, family, target))?;
    let design = Design::new(data, family.fit_intercept, run)?;
    let total = data.weight().map_or(data.n_rows() as f64, |w| w.iter().sum());
    let weight: Vec<f64> =
        data.weight().map_or_else(|| vec![1.0 / total; data.n_rows()], |w| w.iter().map(|w| w / total).collect());
    let (mut coef, mut intercept) = (Vec::new(), Vec::new());
    for target in targets {
        let deviance = Deviance {
            design: &design,
            target,
            weight: &weight,
            power: family.power,
            link: family.link,
            penalty: design.penalty(family.alpha),
            run,
        };
        let at = minimise(algorithm, family, &deviance, run)?;
        let (own, constant) = design.own_units(&at);
        coef.extend(own);
        intercept.push(constant);
    }
    let head = if family.link == Link::Log { Head::Exponential } else { Head::Value };
    LinearModel::new(coef, intercept, head)
}

/// The family's means are positive for powers above 0, and its values too from 2 on.
fn expect_range(algorithm: &str, family: &Family, target: &[f64]) -> Result<()> {
    let allowed = |y: f64| family.power <= 0.0 || y > 0.0 || (y == 0.0 && family.power < 2.0);
    if let Some((row, bad)) = target.iter().enumerate().find(|(_, y)| !allowed(**y)) {
        let least = if family.power < 2.0 { "at least 0" } else { "greater than 0" };
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("the target of row {row} is {bad}, but {algorithm} learns targets {least}"),
        )
        .with_hint("filter the rows in a view, or choose another algorithm"));
    }
    Ok(())
}

fn minimise(algorithm: &str, family: &Family, deviance: &Deviance<'_>, run: &Run) -> Result<Vec<f64>> {
    let mean = mean(deviance.target, deviance.weight);
    let needs_positive = family.link == Link::Log || family.power != 0.0;
    if needs_positive && mean <= 0.0 && family.fit_intercept {
        bail!(InvalidData, "the mean of the target is {mean}, but {algorithm} needs a positive one");
    }
    let mut at = vec![0.0; deviance.design.width];
    if family.fit_intercept {
        if let Some(last) = at.last_mut() {
            *last = if family.link == Link::Log { mean.ln() } else { mean };
        }
    } else if needs_positive && family.link == Link::Identity {
        bail!(InvalidParameter, "{algorithm} with the identity link needs an intercept: means must be positive");
    }
    let converged = if at.len() <= MOST_FOR_NEWTON {
        damped_newton::minimise(deviance, &mut at, family.tol, family.max_iter, run)?
    } else {
        lbfgs::minimise(deviance, &mut at, family.tol, family.max_iter, run)?
    };
    if !converged {
        run.warn(&format!(
            "{algorithm} did not converge in {} iterations; raise max_iter, or scale the features in preprocess",
            family.max_iter
        ));
    }
    Ok(at)
}
