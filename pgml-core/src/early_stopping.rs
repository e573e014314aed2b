//! Rows for algorithms that watch their own progress: a tenth of the training rows, which they never learn from.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::cross_validation::folds;
use crate::train::TrainRequest;
use crate::{Dataset, Model, Result, Run, grouped};

/// The parameters that ask for rows to watch: XGBoost's name and LightGBM's.
const ASKS_FOR_ROWS: [&str; 2] = ["early_stopping_rounds", "early_stopping_round"];
/// One of this many parts is watched, as scikit-learn's `validation_fraction` of 0.1.
const PARTS: usize = 10;

/// Fits a model. Where its hyperparameters ask for early stopping, a tenth of `data` is set aside to be watched,
/// stratified for classification and by whole groups where there are groups; the held-out test rows are not touched.
///
/// # Errors
/// As the algorithm's fit.
pub fn fit(
    request: &TrainRequest,
    hyperparams: &Map<String, Value>,
    data: Cow<'_, Dataset>,
    run: &Run,
) -> Result<Box<dyn Model>> {
    if let Some(column) = &request.group_by {
        return fit_groups(request, hyperparams, &data, column, run);
    }
    let units = data.group().map_or(data.n_rows(), |groups| groups.chunk_by(|a, b| a == b).count());
    let parts = PARTS.min(units);
    if parts < 2 || !asks_for_rows(request, hyperparams)? {
        return fit_all(request, hyperparams, data, run);
    }
    let _memory = run.reserve(data.bytes(), "setting rows aside for early stopping")?;
    let Some(fold) = folds(&data, parts)?.pop() else {
        return fit_all(request, hyperparams, data, run);
    };
    let watched = data.select(&fold.fit).with_validation(data.select(&fold.score));
    drop(data);
    request.algorithm.fit_owned(hyperparams, watched, request.task, run)
}

/// Fits a model for each value of `column`.
fn fit_groups(
    request: &TrainRequest,
    hyperparams: &Map<String, Value>,
    data: &Dataset,
    column: &str,
    run: &Run,
) -> Result<Box<dyn Model>> {
    let Some(feature) = data.features().iter().position(|feature| feature.name == column) else {
        crate::bail!(Internal, "the column \"{column}\" to group by is no feature");
    };
    // The rows of one group are copied at a time; the largest may be all of them.
    let _memory = run.reserve(data.bytes(), "the rows of a group")?;
    Ok(Box::new(grouped::fit(request.algorithm, hyperparams, data, feature, request.task, run)?))
}

/// Fits on all rows. Rows of nobody else's are handed over, so that their memory may be used while the model grows.
fn fit_all(
    request: &TrainRequest,
    hyperparams: &Map<String, Value>,
    data: Cow<'_, Dataset>,
    run: &Run,
) -> Result<Box<dyn Model>> {
    match data {
        Cow::Owned(data) => request.algorithm.fit_owned(hyperparams, data, request.task, run),
        Cow::Borrowed(data) => request.algorithm.fit(hyperparams, data, request.task, run),
    }
}

fn asks_for_rows(request: &TrainRequest, hyperparams: &Map<String, Value>) -> Result<bool> {
    let resolved = request.algorithm.resolve_params(hyperparams)?;
    let rounds = ASKS_FOR_ROWS.iter().filter_map(|name| resolved.get(*name)).filter_map(Value::as_f64);
    Ok(rounds.into_iter().any(|rounds| rounds > 0.0))
}
