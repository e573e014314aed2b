//! Multi-layer perceptrons.

mod model;
pub mod network;
mod optimiser;
mod training;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::{Value, json};

pub use self::model::MlpModel;
use self::network::{Activation, Forward, Network, Output};
use self::optimiser::Rule;
use self::training::{Problem, Rows, Schedule, Stochastic, outputs_of, stochastic, whole};
use super::task_params::{refuse_other_tasks, regression_targets};
use crate::linear_model::Classes;
use crate::solvers::discriminants::Largest;
use crate::solvers::held_out::{self, Split};

hyperparams! {
    /// Parameters of `mlp`.
    pub struct MlpParams {
        /// Units of each hidden layer: an array of numbers, or a number for one layer.
        hidden_layer_sizes: Value = json!([100]);
        /// What hidden units do with their weighted sum.
        activation: String = "relu".to_owned(), choices: ["identity", "logistic", "tanh", "relu"];
        /// Regression: "squared_error", or "poisson" for counts.
        loss: String = "squared_error".to_owned(), choices: ["squared_error", "poisson"];
        /// How weights are learnt: "adam" and "sgd" batch by batch, "lbfgs" from all rows at once (better for few rows).
        solver: String = "adam".to_owned(), choices: ["lbfgs", "sgd", "adam"];
        /// Strength of the L2 penalty.
        alpha: f64 = 1e-4, range: at_least(0.0);
        /// Rows per step of sgd and adam; auto means 200, or all if there are fewer.
        batch_size: Value = Value::from("auto");
        /// How sgd's steps change: "constant", "invscaling" learning_rate_init / t^power_t, "adaptive" divided by 5 whenever the loss stops falling.
        learning_rate: String = "constant".to_owned(), choices: ["constant", "invscaling", "adaptive"];
        /// Size of the first steps of sgd and adam.
        learning_rate_init: f64 = 1e-3, range: above(0.0);
        /// How fast invscaling's steps shrink.
        power_t: f64 = 0.5, range: at_least(0.0);
        /// Most passes over the rows, or steps of lbfgs.
        max_iter: u32 = 200, range: at_least(1.0);
        /// Most evaluations of the loss by lbfgs.
        max_fun: u32 = 15000, range: at_least(1.0);
        /// Whether each pass of sgd and adam takes the rows in a new order.
        shuffle: bool = true;
        /// Improvement below which a pass counts as none; for lbfgs the slope at which to stop.
        tol: f64 = 1e-4, range: at_least(0.0);
        /// Passes without improvement after which sgd and adam stop.
        n_iter_no_change: u32 = 10, range: at_least(1.0);
        /// How much of sgd's last step goes on.
        momentum: f64 = 0.9, range: between(0.0, 1.0);
        /// Whether sgd looks ahead along its momentum.
        nesterovs_momentum: bool = true;
        /// Whether sgd and adam stop by the score of rows set aside, and keep the weights that scored best.
        early_stopping: bool = false;
        /// Share of the rows that early_stopping sets aside.
        validation_fraction: f64 = 0.1, range: at_least_below(0.0, 1.0);
        /// How much adam keeps of the mean gradient.
        beta_1: f64 = 0.9, range: at_least_below(0.0, 1.0);
        /// How much adam keeps of the mean square.
        beta_2: f64 = 0.999, range: at_least_below(0.0, 1.0);
        /// What adam adds to the root of the mean square.
        epsilon: f64 = 1e-8, range: above(0.0);
        /// Seed of the first weights, the order of rows and those set aside; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// Multi-layer perceptron regression and classification.
pub struct Mlp;

impl Estimator for Mlp {
    const NAME: &'static str = "mlp";
    const DESCRIPTION: &'static str =
        "Neural network of fully connected layers: curved dependencies of many features; scale the features.";
    const SOURCE: &'static str =
        "Rumelhart, Hinton, Williams 1986; Kingma, Ba 2015; scikit-learn 1.9 MLPRegressor and MLPClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = MlpParams;
    type Model = MlpModel;

    fn fit(params: &MlpParams, data: &Dataset, task: Task, run: &Run) -> Result<MlpModel> {
        fit_from(params, data, task, None, run)
    }

    fn decode(parts: &Parts) -> Result<MlpModel> {
        MlpModel::decode(parts)
    }
}

/// As [`Estimator::fit`], from these first parameters (see [`Network`]) rather than drawn ones.
///
/// # Errors
/// As there, and when there are more or fewer parameters than the network has.
pub fn fit_from(params: &MlpParams, data: &Dataset, task: Task, start: Option<&[f64]>, run: &Run) -> Result<MlpModel> {
    data.require_finite()?;
    let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
    let (output, classes) = output(params, data, task)?;
    let k = classes.as_ref().map_or(data.targets().len(), Classes::n_scores);
    let network = network(params, data.n_features(), k, output)?;
    // The features, the targets, and what passes forwards and backwards need.
    let numbers = data.n_rows() * (data.n_features() + k + 1) + network.room(256) + 8 * network.n_params();
    let _memory = run.reserve(8 * numbers as u64, "the network and its rows")?;
    let rows = Rows {
        x: data.to_rows(),
        y: targets(data, classes.as_ref(), k)?,
        weight: data.weight().map(<[f64]>::to_vec),
        d: data.n_features(),
        k,
    };
    let start = match start {
        None => network.draw(&mut run.rng(0)),
        Some(given) if given.len() == network.n_params() => given.to_vec(),
        Some(given) => {
            bail!(WrongDimension, "{} first parameters for a network of {}", given.len(), network.n_params())
        }
    };
    let problem = Problem { network: &network, rows: &rows, alpha: params.alpha };
    let (weights, converged) = match params.solver.as_str() {
        "lbfgs" => whole(&problem, (params.tol, params.max_iter as usize, params.max_fun as usize), start, run)?,
        _ => by_batches(params, &problem, data, classes.as_ref(), start, run)?,
    };
    if !converged {
        run.warn(&format!(
            "mlp did not converge in {} iterations; raise max_iter, or scale the features in preprocess",
            params.max_iter
        ));
    }
    MlpModel::new(&network, weights, classes)
}

/// What the outputs are, and the classes that they stand for.
fn output(params: &MlpParams, data: &Dataset, task: Task) -> Result<(Output, Option<Classes>)> {
    if task == Task::Classification {
        refuse_other_tasks(Mlp::NAME, params, task, &["loss"])?;
        let classes = Classes::seen_in(data.target()?, data.n_classes())?;
        let output = if classes.seen.len() == 2 { Output::Logistic } else { Output::Softmax };
        return Ok((output, Some(classes)));
    }
    let targets = regression_targets(data)?;
    if params.loss != "poisson" {
        return Ok((Output::Identity, None));
    }
    if targets.iter().any(|target| target.iter().any(|y| *y < 0.0)) {
        bail!(InvalidData, "a target is negative, which loss \"poisson\" of mlp cannot learn");
    }
    Ok((Output::Exponential, None))
}

fn network(params: &MlpParams, d: usize, k: usize, output: Output) -> Result<Network> {
    let size = |json: &Value| {
        json.as_f64().filter(|n| n.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(n)).map(|n| n as usize)
    };
    let hidden: Option<Vec<usize>> = match &params.hidden_layer_sizes {
        Value::Array(list) => list.iter().map(size).collect(),
        one => size(one).map(|n| vec![n]),
    };
    let Some(hidden) = hidden.filter(|hidden| hidden.len() < 100) else {
        bail!(
            InvalidParameter,
            "hyperparameter \"hidden_layer_sizes\" of mlp is {}, but must be an array of whole numbers of at least 1",
            params.hidden_layer_sizes
        );
    };
    let Some(activation) = Activation::named(&params.activation) else {
        bail!(InvalidParameter, "mlp has no activation \"{}\"", params.activation);
    };
    Ok(Network { units: [vec![d], hidden, vec![k]].concat(), activation, output })
}

/// Row-major targets: 0 and 1 for two classes, one of several as a 1 among zeros.
fn targets(data: &Dataset, classes: Option<&Classes>, k: usize) -> Result<Vec<f64>> {
    let mut y = vec![0.0; data.n_rows() * k];
    match classes {
        None => {
            for (t, target) in data.targets().iter().enumerate() {
                y.iter_mut().skip(t).step_by(k).zip(target).for_each(|(y, target)| *y = *target);
            }
        }
        Some(classes) => {
            for (row, class) in y.chunks_exact_mut(k).zip(classes.positions(data.target()?)) {
                if k == 1 {
                    row[0] = f64::from(class);
                } else {
                    row[class as usize] = 1.0;
                }
            }
        }
    }
    Ok(y)
}

fn by_batches(
    params: &MlpParams,
    problem: &Problem<'_>,
    data: &Dataset,
    classes: Option<&Classes>,
    start: Vec<f64>,
    run: &Run,
) -> Result<(Vec<f64>, bool)> {
    let class = match classes {
        Some(classes) => Some(classes.positions(data.target()?)),
        None => None,
    };
    let split = if params.early_stopping {
        held_out::split(data.n_rows(), class.as_deref(), params.validation_fraction, &mut run.rng(u64::MAX))?
    } else {
        Split { learn: (0..data.n_rows() as u32).collect(), watch: Vec::new() }
    };
    let sgd = params.solver == "sgd";
    let settings = Stochastic {
        rule: if sgd {
            Rule::Sgd { momentum: params.momentum, nesterov: params.nesterovs_momentum }
        } else {
            Rule::Adam { beta_1: params.beta_1, beta_2: params.beta_2, epsilon: params.epsilon }
        },
        rate: params.learning_rate_init,
        schedule: match params.learning_rate.as_str() {
            "invscaling" if sgd => Schedule::Inverse(params.power_t),
            "adaptive" if sgd => Schedule::Adaptive,
            _ => Schedule::Constant,
        },
        batch: batch_size(&params.batch_size, split.learn.len())?,
        shuffle: params.shuffle,
        max_iter: params.max_iter as usize,
        tol: params.tol,
        n_iter_no_change: params.n_iter_no_change as usize,
    };
    let score = |forward: &Forward, watch: &[u32]| {
        let outputs = outputs_of(forward, problem.rows, watch, run)?;
        Ok(match &class {
            Some(class) => accuracy(&outputs, problem.rows, class, watch),
            None => explained(&outputs, problem.rows, watch),
        })
    };
    stochastic(&settings, problem, &split, score, start, run)
}

fn batch_size(param: &Value, n_rows: usize) -> Result<usize> {
    match (param.as_str(), param.as_f64()) {
        (Some("auto"), _) => Ok(n_rows.min(200)),
        (_, Some(n)) if n.fract() == 0.0 && n >= 1.0 => Ok(n_rows.min(n as usize)),
        _ => bail!(InvalidParameter, "hyperparameter \"batch_size\" of mlp is {param}, but must be auto or at least 1"),
    }
}

/// The share of the weight of rows whose class has the greatest output.
fn accuracy(outputs: &[f64], rows: &Rows, class: &[u32], watch: &[u32]) -> f64 {
    let (mut right, mut total) = (0.0, 0.0);
    for (answers, row) in outputs.chunks_exact(rows.k).zip(watch) {
        let weight = rows.weight.as_ref().map_or(1.0, |w| w[*row as usize]);
        let found = match answers {
            [second] => usize::from(*second > 0.5),
            several => several.iter().copied().largest(),
        };
        total += weight;
        right += if found == class[*row as usize] as usize { weight } else { 0.0 };
    }
    right / total
}

/// The explained share of the targets' variance, the mean over the targets.
fn explained(outputs: &[f64], rows: &Rows, watch: &[u32]) -> f64 {
    let of_target = |t: usize| {
        let pairs = || {
            outputs.iter().skip(t).step_by(rows.k).zip(watch).map(|(p, row)| {
                let i = *row as usize;
                (*p, rows.y[i * rows.k + t], rows.weight.as_ref().map_or(1.0, |w| w[i]))
            })
        };
        let total: f64 = pairs().map(|(_, _, w)| w).sum();
        let mean = pairs().map(|(_, y, w)| w * y).sum::<f64>() / total;
        let unexplained: f64 = pairs().map(|(p, y, w)| w * (y - p).powi(2)).sum();
        let all: f64 = pairs().map(|(_, y, w)| w * (y - mean).powi(2)).sum();
        if all > 0.0 { 1.0 - unexplained / all } else { 0.0 }
    };
    (0..rows.k).map(of_target).sum::<f64>() / rows.k as f64
}
