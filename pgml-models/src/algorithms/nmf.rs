//! Non-negative matrix factorisation.

mod coordinate_descent;
mod divergence;
mod initial;
mod model;
mod multiplicative;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

pub use model::NmfModel;

use divergence::Divergence;
use initial::Start;

hyperparams! {
    /// Parameters of `nmf`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct NmfParams {
        /// How many components; "auto" or null means as many as there are features.
        n_components: Value = Value::from("auto");
        /// Where to start: nndsvd from singular vectors, with zeros filled by the mean (nndsvda) or by small random numbers (nndsvdar), or random; null means nndsvda, and random where there are more components than rows or features.
        init: Option<String> = None, choices: ["random", "nndsvd", "nndsvda", "nndsvdar"];
        /// Coordinate descent (cd), or multiplicative updates (mu), which know other losses.
        solver: String = "cd".to_owned(), choices: ["cd", "mu"];
        /// What is minimised: "frobenius" (2), "kullback-leibler" (1), "itakura-saito" (0) or another power of the beta divergence; all but the first need solver mu.
        beta_loss: Value = Value::from("frobenius");
        /// Progress, relative to the first iteration's, at which to stop.
        tol: f64 = 1e-4, range: at_least(0.0);
        /// Most iterations.
        max_iter: u32 = 200, range: at_least(1.0);
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Penalty on the coordinates of rows.
        alpha_W: f64 = 0.0, range: at_least(0.0);
        /// Penalty on the components: a number, or "same" as that on the coordinates.
        alpha_H: Value = Value::from("same");
        /// Share of the penalties that makes sparse (l1) rather than small (l2).
        l1_ratio: f64 = 0.0, range: between(0.0, 1.0);
        /// Whether coordinate descent takes components in random order.
        shuffle: bool = false;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
    }
}

/// Non-negative matrix factorisation.
pub struct Nmf;

/// Penalties on one factor: on the sum of its entries and on half the sum of their squares.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Penalty {
    l1: f64,
    l2: f64,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stop {
    tol: f64,
    max_iter: u32,
}

/// Components found, one row each, and the root of twice the divergence of what they leave.
struct Found {
    components: Vec<f64>,
    error: f64,
}

impl Estimator for Nmf {
    const NAME: &'static str = "nmf";
    const DESCRIPTION: &'static str =
        "Expresses rows of counts, intensities or other numbers of at least 0 as sums of a few parts.";
    const SOURCE: &'static str = "Lee, Seung 1999; Cichocki, Phan 2009; Févotte, Idier 2011; scikit-learn 1.9 NMF";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = NmfParams;
    type Model = NmfModel;

    fn fit(params: &NmfParams, data: &Dataset, _: Task, run: &Run) -> Result<NmfModel> {
        data.require_finite()?;
        let least = require_not_negative(data)?;
        let (n, d) = (data.n_rows(), data.n_features());
        let k = read_components(&params.n_components, d)?;
        let divergence = Divergence::read(&params.beta_loss, &params.solver)?;
        if divergence.beta() <= 0.0 && least == 0.0 {
            bail!(
                InvalidData,
                "nmf with this beta_loss divides by the values, of which some are 0: add a little to them"
            );
        }
        let (on_rows, on_components) = penalties(params, n, d)?;
        let stop = Stop { tol: params.tol, max_iter: params.max_iter };
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let _memory = run.reserve(16 * (n * (d + k) + k * d) as u64, "the factors")?;
        let start = Start::new(data, k, params.init.as_deref(), run)?;
        if params.solver == "cd" {
            let order = params.shuffle.then(|| run.rng(1));
            let found = coordinate_descent::fit(data, start, (on_rows, on_components), stop, order, run)?;
            NmfModel::by_descent(found, d, on_rows, stop)
        } else {
            if params.init.as_deref() == Some("nndsvd") {
                run.warn("nmf with solver mu cannot leave the zeros of init nndsvd: nndsvda fills them");
            }
            let found = multiplicative::fit(data, start, divergence, (on_rows, on_components), stop, run)?;
            NmfModel::by_multiplication(found, d, divergence, on_rows, stop)
        }
    }

    fn decode(parts: &Parts) -> Result<NmfModel> {
        NmfModel::decode(parts)
    }
}

/// The smallest value.
fn require_not_negative(data: &Dataset) -> Result<f64> {
    let mut least = f64::INFINITY;
    for feature in data.features() {
        let lowest = feature.values.iter().fold(f64::INFINITY, f64::min);
        if lowest < 0.0 {
            bail!(InvalidData, "feature \"{}\" has the negative value {lowest}, which nmf cannot use", feature.name);
        }
        least = least.min(lowest);
    }
    Ok(least)
}

fn read_components(json: &Value, d: usize) -> Result<usize> {
    match json.as_f64() {
        _ if json.is_null() || json == "auto" => Ok(d),
        Some(k) if k.fract() == 0.0 && (1.0..=65_536.0).contains(&k) => Ok(k as usize),
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"n_components\" of nmf is {json}, but must be \"auto\", null or a whole number from 1 to 65536"
        ),
    }
}

/// The penalties on the coordinates of rows and on components. They grow with the size of the other side, so that
/// their weight against the loss does not depend on it.
fn penalties(params: &NmfParams, n: usize, d: usize) -> Result<(Penalty, Penalty)> {
    let alpha_h = match (&params.alpha_H, params.alpha_H.as_f64()) {
        (json, _) if *json == "same" => params.alpha_W,
        (_, Some(alpha)) if alpha >= 0.0 => alpha,
        (json, _) => bail!(
            InvalidParameter,
            "hyperparameter \"alpha_H\" of nmf is {json}, but must be \"same\" or a number of at least 0"
        ),
    };
    let penalty = |alpha: f64, size: usize| {
        let whole = alpha * size as f64;
        Penalty { l1: whole * params.l1_ratio, l2: whole * (1.0 - params.l1_ratio) }
    };
    Ok((penalty(params.alpha_W, d), penalty(alpha_h, n)))
}
