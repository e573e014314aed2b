//! Normal distributions of the same shape, one per class, and the directions that tell them apart best.

mod model;
mod solve;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

pub use self::model::LinearDiscriminantModel;
use self::solve::Problem;
use crate::linear_model::{Classes, Head, LinearModel};
use crate::solvers::class_priors::priors;
use crate::solvers::kernels::axpy;
use crate::solvers::scatter::Shrinkage;

hyperparams! {
    /// Parameters of `linear_discriminant`.
    pub struct LinearDiscriminantParams {
        /// How to solve: svd needs no covariance matrix; lsqr and eigen can shrink it; lsqr gives no components.
        solver: String = "svd".to_owned(), choices: ["svd", "lsqr", "eigen"];
        /// Solvers lsqr and eigen: how far covariances shrink towards a sphere: null, "auto" (Ledoit and Wolf), or a share from 0 to 1.
        shrinkage: Value = Value::Null;
        /// How probable classes are: null (their share of rows), "uniform", or an array with a number per class.
        priors: Value = Value::Null;
        /// How many components a row is expressed by; null means one less than classes, at most one per feature.
        n_components: Option<u32> = None, range: at_least(1.0);
        /// Solver svd: singular value below which a direction counts as empty.
        tol: f64 = 1e-4, range: at_least(0.0);
        /// Accepted for compatibility.
        store_covariance: bool = false, no_effect: true;
    }
}

/// Linear discriminant analysis.
pub struct LinearDiscriminant;

impl Estimator for LinearDiscriminant {
    const NAME: &'static str = "linear_discriminant";
    const DESCRIPTION: &'static str =
        "Describes classes by normal distributions of one shape; also expresses rows by what tells the classes apart.";
    const SOURCE: &'static str =
        "Fisher 1936; Hastie, Tibshirani, Friedman 2009, section 4.3; scikit-learn 1.9 LinearDiscriminantAnalysis";
    const TASKS: &'static [Task] = &[Task::Classification];
    const VERSION: u32 = 1;
    type Params = LinearDiscriminantParams;
    type Model = LinearDiscriminantModel;

    fn fit(params: &LinearDiscriminantParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearDiscriminantModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "linear_discriminant knows no weights of rows");
        }
        let shrinkage = Shrinkage::read(&params.shrinkage)?;
        if params.solver == "svd" && shrinkage != Shrinkage::None {
            bail!(InvalidParameter, "shrinkage of linear_discriminant needs the solver \"lsqr\" or \"eigen\"");
        }
        let target = data.target()?;
        let classes = Classes::seen_in(target, data.n_classes())?;
        let k = classes.seen.len();
        if data.n_rows() == k {
            bail!(InvalidData, "linear_discriminant needs more rows than classes, not {k} of each");
        }
        let most = data.n_features().min(k - 1);
        let n_components = params.n_components.map_or(most, |n| n as usize);
        if n_components > most {
            bail!(InvalidParameter, "n_components of linear_discriminant is {n_components}, but can be at most {most}");
        }
        let priors = priors(&params.priors, target, &classes)?;
        if priors.contains(&0.0) {
            bail!(InvalidParameter, "priors of linear_discriminant must be above 0 for classes that have rows");
        }
        let positions = classes.positions(target);
        let _memory = run.reserve(16 * (data.n_rows() * data.n_features()) as u64, "the centred rows")?;
        let problem = Problem { data, positions: &positions, priors: &priors, run };
        let solved = match params.solver.as_str() {
            "svd" => problem.by_svd(params.tol)?,
            "lsqr" => problem.by_least_squares(shrinkage)?,
            _ => problem.by_eigenvectors(shrinkage)?,
        };
        LinearDiscriminantModel::new(classify(solved.coef, solved.intercept, classes)?, solved.axes, n_components)
    }

    fn decode(parts: &Parts) -> Result<LinearDiscriminantModel> {
        LinearDiscriminantModel::decode(parts)
    }
}

/// The classifier of one score per class; two classes share their difference.
fn classify(mut coef: Vec<f64>, mut intercept: Vec<f64>, classes: Classes) -> Result<LinearModel> {
    if let [first, second] = intercept[..] {
        let d = coef.len() / 2;
        let (low, high) = coef.split_at_mut(d);
        axpy(-1.0, low, high);
        coef.drain(..d);
        intercept = vec![second - first];
    }
    LinearModel::new(coef, intercept, Head::Probability(classes))
}
