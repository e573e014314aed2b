//! Training with the library: bins, rounds, early stopping.

use std::borrow::Cow;

use pgml_core::{Dataset, Error, ErrorKind, Result, Run, Task, bail};

use super::model::LightgbmModel;
use super::params::LightgbmParams;
use super::{objective, read};
use crate::foreign::give_back_memory;
use crate::foreign::lightgbm::{Binned, Booster, exclusive};

/// Trains, and reads the model that came out. Data of nobody else's are freed once the library has its own form of them.
pub(super) fn fit(params: &LightgbmParams, given: Cow<'_, Dataset>, task: Task, run: &Run) -> Result<LightgbmModel> {
    let data = given.as_ref();
    let objective = objective::choose(params.objective.as_deref(), task, data.n_classes())?;
    check(params, data, task)?;
    let watched = watched(params, data)?;
    let native = native(params, data, objective, run)?;
    // Bins of one byte, for some features two, and scores and gradients; measured at 1 M × 28.
    let cells = data.n_rows() as u64 * data.n_features() as u64;
    let outputs = data.n_classes().max(1) as u64;
    let _memory = run.reserve(cells * 2 + data.n_rows() as u64 * (16 + 16 * outputs), "training lightgbm")?;
    let weight = params.class_weights(data)?;
    let _one_training = exclusive(run)?;
    give_back_memory();
    let train = Binned::new(data, weight.as_deref(), &native, None, run)?;
    let validation = watched.map(|v| Binned::new(v, None, &native, Some(&train), run)).transpose()?;
    drop((weight, given));
    give_back_memory();
    let mut booster = Booster::new(&train, validation.as_ref(), &native)?;
    let rounds = boost(&mut booster, params, validation.is_some(), run)?;
    Ok(read::read(&booster.save(rounds)?)?.model)
}

fn check(params: &LightgbmParams, data: &Dataset, task: Task) -> Result<()> {
    if params.linear_tree == Some(true) {
        bail!(NotSupported, "linear_tree is not supported: leaves are constants");
    }
    data.target()?;
    if task == Task::Classification && data.n_classes() < 2 {
        bail!(InvalidData, "there is only one class to learn");
    }
    Ok(())
}

/// The rows to evaluate on, where something depends on them.
fn watched<'a>(params: &LightgbmParams, data: &'a Dataset) -> Result<Option<&'a Dataset>> {
    match (params.patience(), data.validation()) {
        (Some(_), None) => Err(Error::new(
            ErrorKind::InvalidParameter,
            "early_stopping_round needs validation rows, but this training has none",
        )
        .with_hint("set n_estimators instead")),
        (Some(_), validation) => Ok(validation),
        (None, _) => Ok(None),
    }
}

fn native(params: &LightgbmParams, data: &Dataset, objective: &str, run: &Run) -> Result<String> {
    let mut native = params.native(run)?;
    let mut add = |name: &str, value: String| native.push((name.to_owned(), value));
    add("objective", objective.to_owned());
    if objective.starts_with("multiclass") {
        add("num_class", data.n_classes().to_string());
    }
    if params.categorical_feature {
        let categorical = data.features().iter().enumerate().filter(|(_, f)| f.categories.is_some());
        let indices: Vec<String> = categorical.map(|(f, _)| f.to_string()).collect();
        if !indices.is_empty() {
            add("categorical_feature", indices.join(","));
        }
    }
    Ok(native.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
}

/// Runs the rounds; the number of those to keep.
fn boost(booster: &mut Booster<'_>, params: &LightgbmParams, watched: bool, run: &Run) -> Result<usize> {
    let total = params.n_estimators as usize;
    let mut stopping = if watched { Some(Stopping::new(params, booster.metric_names()?)) } else { None };
    for round in 0..total {
        run.check()?;
        booster.update()?;
        run.progress("training", round as u64 + 1, total as u64);
        if let Some(stopping) = &mut stopping
            && let Some(best) = stopping.after(round, &booster.evaluate(stopping.names.len())?)
        {
            return Ok(best + 1);
        }
    }
    Ok(stopping.and_then(|s| s.best.first().map(|(round, _)| round + 1)).unwrap_or(total))
}

/// Early stopping as the library's Python package does it: the first metric that stalls ends the training.
struct Stopping {
    names: Vec<String>,
    /// Per metric: the best round and its score.
    best: Vec<(usize, f64)>,
    patience: usize,
    min_delta: f64,
    first_metric_only: bool,
}

impl Stopping {
    fn new(params: &LightgbmParams, names: Vec<String>) -> Self {
        Self {
            names,
            best: Vec::new(),
            patience: params.patience().unwrap_or(usize::MAX),
            min_delta: params.early_stopping_min_delta.unwrap_or(0.0),
            first_metric_only: params.first_metric_only == Some(true),
        }
    }

    /// Takes note of a round's scores; the best round when it is time to stop.
    fn after(&mut self, round: usize, scores: &[f64]) -> Option<usize> {
        if self.best.is_empty() {
            self.best = scores.iter().map(|score| (round, *score)).collect();
            return None;
        }
        let mut stop = None;
        for (m, score) in scores.iter().enumerate() {
            let (best_round, best) = self.best[m];
            let more_is_better =
                ["auc", "ndcg@", "map@", "average_precision", "r2"].iter().any(|n| self.names[m].starts_with(n));
            let gain = if more_is_better { score - best } else { best - score };
            if gain > self.min_delta {
                self.best[m] = (round, *score);
            } else if round - best_round >= self.patience && (m == 0 || !self.first_metric_only) {
                stop = stop.or(Some(best_round));
            }
        }
        stop
    }
}
