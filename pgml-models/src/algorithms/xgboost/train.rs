//! Training with the library: matrices, rounds, early stopping.

use std::borrow::Cow;

use pgml_core::run::Reservation;
use pgml_core::{Dataset, Error, ErrorKind, Result, Run, Task, bail};

use super::model::XgboostModel;
use super::params::XgboostParams;
use super::{objective, read};
use crate::foreign::give_back_memory;
use crate::foreign::xgboost::{Booster, Matrix, MatrixOptions};

/// Trains, and reads the model that came out. Data of nobody else's are freed once the library has its own form of them.
pub(in crate::algorithms) fn fit(
    params: &XgboostParams,
    given: Cow<'_, Dataset>,
    task: Task,
    run: &Run,
) -> Result<XgboostModel> {
    let data = given.as_ref();
    let objective = objective::choose(params.objective.as_deref(), task, data.n_classes(), data.targets().len())?;
    check(params, data, task, run)?;
    let watched = watched(params, data)?;
    let options = matrix_options(params, data, objective, run)?;
    let _memory = reserve(&options, data, run)?;
    give_back_memory();
    let train = Matrix::new(data, &options, None)?;
    run.check()?;
    let validation = watched.map(|v| Matrix::new(v, &options, Some(&train))).transpose()?;
    let mut matrices = vec![&train];
    matrices.extend(&validation);
    let (native, n_classes) = (native(params, data, objective, run)?, data.n_classes());
    drop(given);
    give_back_memory();
    let mut booster = Booster::new(&matrices, &native)?;
    let rounds = boost(&mut booster, params, &train, validation.as_ref(), run)?;
    let mut model = read::read(&booster.save()?, Some(rounds))?.model;
    model.missing = params.missing;
    // The file does not tell two classes from a fraction for reg:logistic.
    model.n_classes = n_classes;
    model.checked()
}

fn check(params: &XgboostParams, data: &Dataset, task: Task, run: &Run) -> Result<()> {
    if data.targets().is_empty() {
        data.target()?;
    }
    if task == Task::Classification && data.n_classes() < 2 {
        bail!(InvalidData, "there is only one class to learn");
    }
    let wants_gpu = params.device.as_deref().is_some_and(|d| d != "cpu")
        || params.tree_method.as_deref().is_some_and(|m| m.starts_with("gpu_"))
        || params.objective.as_deref().is_some_and(|o| o.starts_with("gpu:"));
    if wants_gpu {
        run.warn("xgboost trains on the CPU: the installed library has no GPU support");
    }
    for feature in data.features() {
        // The library would say which row block, not which column.
        if feature.values.iter().any(f64::is_infinite) {
            let message = format!("feature \"{}\" has an infinite value, which xgboost cannot use", feature.name);
            return Err(Error::new(ErrorKind::InvalidData, message)
                .with_hint("replace it in a view, by NULL if it means that the value is missing"));
        }
    }
    Ok(())
}

fn matrix_options(params: &XgboostParams, data: &Dataset, objective: &str, run: &Run) -> Result<MatrixOptions> {
    // The exact method and the linear booster take categories for numbers.
    let categorical =
        params.enable_categorical && params.tree_method() != Some("exact") && params.booster() != "gblinear";
    Ok(MatrixOptions {
        quantised: params.quantised(),
        max_bin: params.max_bin.unwrap_or(256),
        threads: params.threads(run),
        missing: params.missing,
        categorical,
        survival: objective == "survival:aft",
        feature_weights: params.feature_weights(data.n_features())?,
    })
}

/// What the library will hold beside the data set, measured at 1 M × 28.
fn reserve(options: &MatrixOptions, data: &Dataset, run: &Run) -> Result<Reservation> {
    let cells = data.n_rows() as u64 * data.n_features() as u64;
    let per_cell = if options.quantised { 4 } else { 16 };
    let outputs = data.n_classes().max(data.targets().len()) as u64;
    run.reserve(cells * per_cell + data.n_rows() as u64 * (24 + 12 * outputs), "training xgboost")
}

/// The rows to evaluate on, where something depends on them.
fn watched<'a>(params: &XgboostParams, data: &'a Dataset) -> Result<Option<&'a Dataset>> {
    match (params.early_stopping_rounds, data.validation()) {
        (Some(_), None) => Err(Error::new(
            ErrorKind::InvalidParameter,
            "early_stopping_rounds needs validation rows, but this training has none",
        )
        .with_hint("set n_estimators instead")),
        (Some(_), validation) => Ok(validation),
        (None, _) => Ok(None),
    }
}

fn native(params: &XgboostParams, data: &Dataset, objective: &str, run: &Run) -> Result<Vec<(String, String)>> {
    let names: Vec<&str> = data.features().iter().map(|f| f.name.as_str()).collect();
    let mut native = params.native(&names, run)?;
    native.push(("objective".to_owned(), objective.to_owned()));
    if objective.starts_with("multi:") {
        native.push(("num_class".to_owned(), data.n_classes().to_string()));
    }
    Ok(native)
}

/// Runs the rounds; the number of those to keep.
fn boost(
    booster: &mut Booster,
    params: &XgboostParams,
    train: &Matrix,
    validation: Option<&Matrix>,
    run: &Run,
) -> Result<usize> {
    let total = params.n_estimators as usize;
    let mut best: Option<(usize, f64)> = None;
    for round in 0..total {
        run.check()?;
        booster.update(round, train)?;
        run.progress("training", round as u64 + 1, total as u64);
        let (Some(validation), Some(patience)) = (validation, params.early_stopping_rounds) else { continue };
        // As in the library's Python package: the last metric decides.
        let Some((metric, score)) = booster.evaluate(round, validation)?.pop() else { continue };
        match best {
            Some((best_round, best_score)) if !improves(&metric, score, best_score) => {
                if round - best_round >= patience as usize {
                    return Ok(best_round + 1);
                }
            }
            _ => best = Some((round, score)),
        }
    }
    Ok(best.map_or(total, |(round, _)| round + 1))
}

fn improves(metric: &str, score: f64, best: f64) -> bool {
    let more_is_better = ["auc", "aucpr", "pre", "map", "ndcg"].contains(&metric.split('@').next().unwrap_or(metric));
    if more_is_better { score > best } else { score < best }
}
