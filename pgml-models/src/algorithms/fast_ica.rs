//! Independent component analysis by FastICA.

mod contrast;
mod fixed_point;
mod model;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

pub use model::IcaModel;

use crate::solvers::covariance::covariance;
use crate::solvers::normal;
use crate::solvers::product::product;
use crate::solvers::row_space::RowSpace;
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};
use contrast::Contrast;
use fixed_point::Sources;

hyperparams! {
    /// Parameters of `fast_ica`.
    pub struct FastIcaParams {
        /// How many components; null means as many as there are features (or rows, if fewer).
        n_components: Option<u32> = None, range: at_least(1.0);
        /// Whether components are found all at once (parallel) or one after another (deflation).
        algorithm: String = "parallel".to_owned(), choices: ["parallel", "deflation"];
        /// "unit-variance" makes components of variance 1, "arbitrary-variance" leaves them as whitening makes them; false takes the rows as white already.
        whiten: Value = Value::from("unit-variance");
        /// Measure of how far from normal a component is.
        fun: String = "logcosh".to_owned(), choices: ["logcosh", "exp", "cube"];
        /// Arguments of the measure: {"alpha": number from 1 to 2} for logcosh.
        fun_args: Value = Value::Null;
        /// Most iterations (per component if by deflation).
        max_iter: u32 = 200, range: at_least(1.0);
        /// Turn of the components, as one minus its cosine, at which to stop.
        tol: f64 = 1e-4, range: at_least(0.0);
        /// First guess of the unmixing matrix, an array of rows; null draws it.
        w_init: Value = Value::Null;
        /// How rows are whitened: svd is most accurate, eigh quickest for many rows.
        whiten_solver: String = "svd".to_owned(), choices: ["eigh", "svd"];
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
    }
}

/// FastICA.
pub struct FastIca;

impl Estimator for FastIca {
    const NAME: &'static str = "fast_ica";
    const DESCRIPTION: &'static str =
        "Independent components: unmixes features into signals that are as independent of each other as possible.";
    const SOURCE: &'static str = "Hyvärinen, Oja 2000; scikit-learn 1.9 FastICA";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = FastIcaParams;
    type Model = IcaModel;

    fn fit(params: &FastIcaParams, data: &Dataset, _: Task, run: &Run) -> Result<IcaModel> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "fast_ica needs at least 2 rows, not {n}");
        }
        let contrast = Contrast::read(&params.fun, &params.fun_args)?;
        let whiten = Whiten::read(&params.whiten)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let _memory = run.reserve(16 * (n * d) as u64, "the matrix of features")?;
        let (mean, whitening) = match whiten {
            Whiten::No => (vec![0.0; d], None),
            _ => {
                let wanted = params.n_components.map_or(d, |k| k as usize);
                let (mean, whitening) = whitening(data, wanted, &params.whiten_solver, run)?;
                (mean, Some(whitening))
            }
        };
        if whitening.is_none() && params.n_components.is_some() {
            run.warn("fast_ica ignores n_components where whiten is false");
        }
        let white = Sources::new(data, &mean, whitening.as_deref(), run)?;
        let k = white.n_components;
        let first = first_guess(&params.w_init, k, run)?;
        let tolerance = (params.tol, params.max_iter as usize);
        let mut unmixing = match params.algorithm.as_str() {
            "parallel" => white.all_at_once(&first, contrast, tolerance, run)?,
            _ => white.one_by_one(&first, contrast, tolerance, run)?,
        };
        if matches!(whiten, Whiten::UnitVariance) {
            white.to_unit_variance(&mut unmixing, run)?;
        }
        let components = match &whitening {
            Some(whitening) => product(&unmixing, whitening, k, d, run)?,
            None => unmixing,
        };
        IcaModel::new(mean, components)
    }

    fn decode(parts: &Parts) -> Result<IcaModel> {
        IcaModel::decode(parts)
    }
}

/// What is done before components are sought, and with their lengths afterwards.
#[derive(Clone, Copy)]
enum Whiten {
    UnitVariance,
    ArbitraryVariance,
    No,
}

impl Whiten {
    fn read(json: &Value) -> Result<Self> {
        match (json.as_str(), json.as_bool()) {
            (Some("unit-variance"), _) => Ok(Self::UnitVariance),
            (Some("arbitrary-variance"), _) => Ok(Self::ArbitraryVariance),
            (_, Some(false)) => Ok(Self::No),
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"whiten\" of fast_ica is {json}, but must be one of \"unit-variance\", \
                 \"arbitrary-variance\" and false"
            ),
        }
    }
}

/// Means, and the matrix (one row per component) that makes centred rows uncorrelated with squares that sum to one.
/// Directions along which rows do not vary are left out.
fn whitening(data: &Dataset, wanted: usize, solver: &str, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let (mean, s, mut vectors) = if solver == "svd" {
        let RowSpace { mean, s, vectors, .. } = RowSpace::of(data, true, run)?;
        (mean, s, vectors)
    } else {
        let _memory = run.reserve(32 * (d * d) as u64, "the covariance matrix")?;
        let (mean, matrix) = covariance(data, run)?;
        let Eigen { values, vectors } = symmetric_eigen(matrix, d, run)?;
        (mean, values.iter().map(|v| (v.max(0.0) * (n - 1) as f64).sqrt()).collect(), vectors)
    };
    // Values of an eigenproblem are accurate to the square of what those of a decomposition are.
    let accuracy = if solver == "svd" { f64::EPSILON } else { f64::EPSILON.sqrt() };
    let cutoff = s.first().copied().unwrap_or(0.0) * accuracy * n.max(d) as f64;
    let rank = s.iter().take_while(|s| **s > cutoff).count();
    let k = wanted.min(rank);
    if k == 0 {
        bail!(InvalidData, "fast_ica finds no components: every feature is constant");
    }
    if k < wanted.min(n).min(d) {
        run.warn(&format!("fast_ica finds {k} components: the features vary in no more directions"));
    }
    vectors.truncate(k * d);
    for (row, s) in vectors.chunks_exact_mut(d).zip(&s) {
        let scale = row[0].signum() / s;
        row.iter_mut().for_each(|x| *x *= scale);
    }
    Ok((mean, vectors))
}

fn first_guess(json: &Value, k: usize, run: &Run) -> Result<Vec<f64>> {
    if json.is_null() {
        let mut values = vec![0.0; k * k];
        normal::fill(&mut values, &mut run.rng(0));
        return Ok(values);
    }
    let rows = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let square = rows.len() == k && rows.iter().all(|row| row.as_array().is_some_and(|cells| cells.len() == k));
    let cells = rows.iter().flat_map(|row| row.as_array().into_iter().flatten());
    match cells.map(Value::as_f64).collect::<Option<Vec<f64>>>() {
        Some(values) if square => Ok(values),
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"w_init\" of fast_ica must be null or {k} arrays of {k} numbers, as many as components"
        ),
    }
}
