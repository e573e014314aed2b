//! Gaussian processes: smooth functions of which the data tell how smooth.

mod classify;
mod covariance;
mod laplace;
mod likelihood;
mod parse;
mod regress;

use pgml_core::{Classifier, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, hyperparams};

use self::classify::GaussianClassifier;
use self::covariance::{Covariance, Hyper};
use self::regress::GaussianRegressor;
use super::task_params::refuse_other_tasks;
use crate::solvers::bounded;

/// The slope of the likelihood at which its maximum is found.
const LEAST_SLOPE: f64 = 1e-7;
/// Enough for any likelihood that has a maximum.
const MOST_STEPS: usize = 500;

hyperparams! {
    /// Parameters of `gaussian_process`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct GaussianProcessParams {
        /// How rows vary together: sums and products of constant, rbf, matern, rational_quadratic, dot_product, white_noise and exp_sine_squared, such as 'constant(1) * rbf(1, (0.1, 10)) + white_noise(0.1)'; bounds may be "fixed". Null is 'constant(1) * rbf(1)', fixed for classification.
        kernel: Option<String> = None;
        /// Regression: variance of the noise in the targets.
        alpha: f64 = 1e-10, range: at_least(0.0);
        /// How the kernel's numbers are found: at the maximum of the likelihood, or not at all where null.
        optimizer: Option<String> = Some("fmin_l_bfgs_b".to_owned()), choices: ["fmin_l_bfgs_b"];
        /// How many further starts, drawn between the bounds, to look for the maximum from.
        n_restarts_optimizer: u32 = 0;
        /// Regression: whether targets are centred and scaled first.
        normalize_y: bool = false;
        /// Classification: most steps of Newton's method to the mode of the posterior.
        max_iter_predict: u32 = 100, range: at_least(1.0);
        /// Classification: one process per class against all others, or one per pair of classes, which gives no probabilities.
        multi_class: String = "one_vs_rest".to_owned(), choices: ["one_vs_rest", "one_vs_one"];
        /// Seed of the further starts; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility.
        copy_X_train: bool = true, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// Gaussian process regression and classification.
pub struct GaussianProcess;

impl Estimator for GaussianProcess {
    const NAME: &'static str = "gaussian_process";
    const DESCRIPTION: &'static str = "Smooth functions whose smoothness is learnt too: for some hundreds to few thousands of rows; scale the features.";
    const SOURCE: &'static str =
        "Rasmussen, Williams 2006; scikit-learn 1.9 GaussianProcessRegressor and GaussianProcessClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = GaussianProcessParams;
    type Model = GaussianProcessModel;

    fn fit(params: &GaussianProcessParams, data: &Dataset, task: Task, run: &Run) -> Result<GaussianProcessModel> {
        let other_tasks: &[&str] = match task {
            Task::Regression => &["max_iter_predict", "multi_class"],
            _ => &["alpha", "normalize_y"],
        };
        refuse_other_tasks(Self::NAME, params, task, other_tasks)?;
        data.require_finite()?;
        if data.weight().is_some() {
            pgml_core::bail!(NotSupported, "gaussian_process knows no weights of rows");
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        match task {
            Task::Regression => Ok(GaussianProcessModel::Regressor(regress::fit(params, data, run)?)),
            _ => Ok(GaussianProcessModel::Classifier(classify::fit(params, data, run)?)),
        }
    }

    fn decode(parts: &Parts) -> Result<GaussianProcessModel> {
        if parts.meta.contains_key("n_classes") {
            return Ok(GaussianProcessModel::Classifier(GaussianClassifier::decode(parts)?));
        }
        Ok(GaussianProcessModel::Regressor(GaussianRegressor::decode(parts)?))
    }
}

/// A covariance function and the values of its numbers.
#[derive(Debug, Clone, PartialEq)]
struct Kernel {
    covariance: Covariance,
    hypers: Vec<Hyper>,
}

impl Kernel {
    fn read(params: &GaussianProcessParams, usual: &str, d: usize) -> Result<Self> {
        let (covariance, hypers) = parse::parse(params.kernel.as_deref().unwrap_or(usual), d)?;
        Ok(Self { covariance, hypers })
    }

    fn values(&self) -> Vec<f64> {
        self.hypers.iter().map(|h| h.value).collect()
    }

    /// Where `evaluate` (minus the likelihood of logarithms of all numbers, and its slopes) is least: from the values that
    /// the kernel has, and from others that are drawn.
    fn optimise(
        &mut self,
        params: &GaussianProcessParams,
        stream: u64,
        run: &Run,
        mut evaluate: impl FnMut(&[f64]) -> Result<bounded::Value>,
    ) -> Result<()> {
        let free: Vec<usize> = (0..self.hypers.len()).filter(|h| self.hypers[*h].bounds.is_some()).collect();
        if params.optimizer.is_none() || free.is_empty() {
            return Ok(());
        }
        let bounds: Vec<(f64, f64)> =
            free.iter().filter_map(|h| self.hypers[*h].bounds).map(|(low, high)| (low.ln(), high.ln())).collect();
        let fixed: Vec<f64> = self.hypers.iter().map(|h| h.value.ln()).collect();
        let mut of_free = |theta: &[f64]| -> Result<bounded::Value> {
            let mut all = fixed.clone();
            free.iter().zip(theta).for_each(|(h, x)| all[*h] = *x);
            let value = evaluate(&all)?;
            Ok(value.map(|(value, slopes)| (value, free.iter().map(|h| slopes[*h]).collect())))
        };
        let mut rng = run.rng(stream);
        let mut best: Option<(Vec<f64>, f64)> = None;
        for start in 0..=params.n_restarts_optimizer {
            run.progress("training", u64::from(start), u64::from(params.n_restarts_optimizer) + 1);
            let theta: Vec<f64> = if start == 0 {
                free.iter().map(|h| fixed[*h]).collect()
            } else {
                bounds.iter().map(|(low, high)| low + rng.f64() * (high - low)).collect()
            };
            let found = bounded::minimise(&theta, &bounds, LEAST_SLOPE, MOST_STEPS, run, &mut of_free)?;
            best = match (best, found) {
                (Some(best), Some(found)) if found.1 >= best.1 => Some(best),
                (best, found) => found.or(best),
            };
        }
        if let Some((theta, _)) = best {
            for (h, x) in free.iter().zip(theta) {
                // To the last bit what was evaluated: of covariances that are nearly singular a neighbour may not be definite.
                self.hypers[*h].value = x.exp();
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        parse::to_text(&self.covariance, &self.hypers)
    }
}

/// A trained Gaussian process.
pub enum GaussianProcessModel {
    /// For values.
    #[expect(private_interfaces, reason = "callers hold the enum")]
    Regressor(GaussianRegressor),
    /// For classes.
    #[expect(private_interfaces, reason = "callers hold the enum")]
    Classifier(GaussianClassifier),
}

impl Model for GaussianProcessModel {
    fn n_features(&self) -> usize {
        match self {
            Self::Regressor(model) => model.n_features(),
            Self::Classifier(model) => model.n_features(),
        }
    }

    fn n_outputs(&self) -> usize {
        match self {
            Self::Regressor(model) => model.n_targets(),
            Self::Classifier(_) => 1,
        }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        match self {
            Self::Regressor(model) => model.predict_into(rows, out),
            Self::Classifier(model) => model.predict_into(rows, out),
        }
    }

    fn encode(&self) -> Result<Parts> {
        match self {
            Self::Regressor(model) => model.encode(),
            Self::Classifier(model) => model.encode(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Regressor(model) => model.bytes(),
            Self::Classifier(model) => model.bytes(),
        }
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        match self {
            Self::Classifier(model) if model.has_probabilities() => Some(model),
            _ => None,
        }
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Regressor(model) => vec![("log_marginal_likelihood", model.log_likelihood())],
            Self::Classifier(_) => Vec::new(),
        }
    }
}
