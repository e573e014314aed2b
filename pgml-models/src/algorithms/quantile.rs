//! Linear regression for a quantile of the target.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::design::Design;
use crate::solvers::pinball::Pinball;

/// Interior point methods take a few dozen iterations whatever the size.
const MAX_ITER: usize = 200;

hyperparams! {
    /// Parameters of `quantile`.
    pub struct QuantileParams {
        /// Which quantile to predict; 0.5 is the median.
        quantile: f64 = 0.5, range: strictly_between(0.0, 1.0);
        /// Strength of the L1 penalty.
        alpha: f64 = 1.0, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Accepted for compatibility: the optimum is the same whatever the solver.
        solver: String = "highs".to_owned(), choices: ["highs", "highs-ds", "highs-ipm", "interior-point", "revised simplex"], no_effect: true;
        /// Accepted for compatibility.
        solver_options: serde_json::Value = serde_json::Value::Null, no_effect: true;
    }
}

/// Quantile regression.
pub struct Quantile;

impl Estimator for Quantile {
    const NAME: &'static str = "quantile";
    const DESCRIPTION: &'static str =
        "Linear regression for the median or another quantile of the target: limits, worst cases, outliers.";
    const SOURCE: &'static str = "Koenker, Bassett 1978; Portnoy, Koenker 1997; scikit-learn 1.9 QuantileRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = QuantileParams;
    type Model = LinearModel;

    fn fit(params: &QuantileParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        let targets = regression_targets(data)?;
        let design = Design::new(data, params.fit_intercept, run)?;
        let ones = vec![1.0; if data.weight().is_some() { 0 } else { data.n_rows() }];
        let weight = data.weight().unwrap_or(&ones);
        let alpha = params.alpha * weight.iter().sum::<f64>();
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for target in targets {
            // A design's penalty is one of squares: its root is what a unit of the parameter costs.
            let penalty = design.penalty(alpha * alpha).iter().map(|p| p.sqrt()).collect();
            let problem = Pinball { design: &design, target, weight, quantile: params.quantile, penalty };
            let (at, converged) = problem.minimise(MAX_ITER, run)?;
            if at.iter().any(|w| !w.is_finite()) {
                bail!(InvalidData, "features or targets are too large to compute with, scale them in preprocess");
            }
            if !converged {
                run.warn("quantile did not reach the optimum; scale the features in preprocess");
            }
            let (own, constant) = design.own_units(&at);
            coef.extend(own);
            intercept.push(constant);
        }
        LinearModel::new(coef, intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}
