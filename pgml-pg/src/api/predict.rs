//! `pgml.predict` and its relatives: by project or by model, from an array or a row.

use std::cell::RefCell;
use std::rc::Rc;

use pgml_core::{Result, bail};
use pgrx::prelude::*;
use pgrx::{AnyArray, AnyElement};

use crate::cache::{self, Loaded};
use crate::encoding::TextOut;
use crate::report::{Report, SqlResult};
use crate::{features, row};

thread_local! {
    /// Raw features and results of the call under way; kept for their capacity.
    static SCRATCH: RefCell<(Vec<f64>, Vec<f64>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Larger buffers are given back: one call over many rows should not cost the session memory for good.
const KEPT_VALUES: usize = 65_536;

/// Where a prediction's features come from.
pub(super) enum Input<'a> {
    Array(&'a AnyArray),
    Row(&'a AnyElement),
}

/// Reads the features, calls `work` with them and an empty result buffer, and keeps both buffers for the next call.
pub(super) fn with_features<T>(
    model: &Loaded,
    input: &Input<'_>,
    work: impl FnOnce(&[f64], &mut Vec<f64>) -> Result<T>,
) -> Result<T> {
    // Taken, not borrowed: an error leaves by unwinding and must not poison the next call.
    let (mut raw, mut out) = SCRATCH.take();
    raw.clear();
    out.clear();
    match input {
        Input::Array(array) => features::read(array, &mut raw)?,
        Input::Row(value) => row::encode(value, model, &mut raw)?,
    }
    let result = work(&raw, &mut out)?;
    if raw.capacity().max(out.capacity()) <= KEPT_VALUES {
        SCRATCH.set((raw, out));
    }
    Ok(result)
}

/// The first value predicted: what `predict` returns.
fn first(model: &Loaded, input: &Input<'_>) -> Result<f32> {
    with_features(model, input, |raw, out| {
        let rows = features::rows(raw, model)?;
        out.resize(rows.n_rows() * model.predictor.n_outputs(), 0.0);
        model.predictor.predict(rows, out)?;
        Ok(out[0] as f32)
    })
}

/// Every value predicted, row after row.
fn all(model: &Loaded, input: &Input<'_>) -> Result<Vec<f32>> {
    if let Input::Array(array) = input {
        let (mut predicted, mut out) = (Vec::new(), Vec::new());
        features::each_block(array, model, |rows| {
            out.resize(rows.n_rows() * model.predictor.n_outputs(), 0.0);
            model.predictor.predict(rows, &mut out)?;
            predicted.extend(out.iter().map(|x| *x as f32));
            Ok(())
        })?;
        return Ok(predicted);
    }
    with_features(model, input, |raw, out| {
        let rows = features::rows(raw, model)?;
        out.resize(rows.n_rows() * model.predictor.n_outputs(), 0.0);
        model.predictor.predict(rows, out)?;
        Ok(narrow(out))
    })
}

fn joint(model: &Loaded, input: &Input<'_>) -> Result<Vec<f32>> {
    if model.predictor.labels().is_some() {
        bail!(NotSupported, "you can't predict joint probabilities for a classification model");
    }
    all(model, input)
}

fn probabilities(model: &Loaded, input: &Input<'_>) -> Result<Vec<f32>> {
    with_features(model, input, |raw, out| {
        let rows = features::rows(raw, model)?;
        out.resize(rows.n_rows() * model.predictor.n_classes(), 0.0);
        model.predictor.predict_proba(rows, out)?;
        Ok(narrow(out))
    })
}

/// Components of a decomposition; of any other model, what it predicts.
fn components(model: &Loaded, input: &Input<'_>) -> Result<Vec<f32>> {
    let per_row = model.predictor.n_components();
    if per_row == 0 {
        return all(model, input);
    }
    with_features(model, input, |raw, out| {
        let rows = features::rows(raw, model)?;
        out.resize(rows.n_rows() * per_row, 0.0);
        model.predictor.transform(rows, out)?;
        Ok(narrow(out))
    })
}

fn anomaly(model: &Loaded, input: &Input<'_>) -> Result<f64> {
    with_features(model, input, |raw, out| {
        let rows = features::rows(raw, model)?;
        out.resize(rows.n_rows(), 0.0);
        model.predictor.anomaly_score(rows, out)?;
        Ok(out[0])
    })
}

fn label(model: &Loaded, input: &Input<'_>) -> Result<TextOut> {
    with_features(model, input, |raw, _| {
        let labels = model.predictor.predict_label(features::rows(raw, model)?)?;
        Ok(TextOut(labels.first().copied().unwrap_or_default().to_owned()))
    })
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}

fn by_project(project: &str) -> Result<Rc<Loaded>> {
    cache::deployed(project)
}

/// One SQL function in its four forms: project or model, array or row.
macro_rules! prediction {
    ($work:ident -> $result:ty: $project_array:ident, $project_row:ident, $model_array:ident, $model_row:ident) => {
        #[pg_extern(sql = false)]
        fn $project_array(project: &str, features: AnyArray) -> SqlResult<$result> {
            by_project(project).and_then(|model| $work(&model, &Input::Array(&features))).report()
        }

        #[pg_extern(sql = false)]
        fn $project_row(project: &str, row: AnyElement) -> SqlResult<$result> {
            by_project(project).and_then(|model| $work(&model, &Input::Row(&row))).report()
        }

        #[pg_extern(sql = false)]
        fn $model_array(model: i64, features: AnyArray) -> SqlResult<$result> {
            cache::model(model).and_then(|model| $work(&model, &Input::Array(&features))).report()
        }

        #[pg_extern(sql = false)]
        fn $model_row(model: i64, row: AnyElement) -> SqlResult<$result> {
            cache::model(model).and_then(|model| $work(&model, &Input::Row(&row))).report()
        }
    };
}

prediction!(first -> f32: predict_project, predict_project_row, predict_model, predict_model_row);
prediction!(probabilities -> Vec<f32>: proba_project, proba_project_row, proba_model, proba_model_row);
prediction!(joint -> Vec<f32>: joint_project, joint_project_row, joint_model, joint_model_row);
prediction!(components -> Vec<f32>: decompose_project, decompose_project_row, decompose_model, decompose_model_row);
prediction!(anomaly -> f64: anomaly_project, anomaly_project_row, anomaly_model, anomaly_model_row);
prediction!(label -> TextOut: label_project, label_project_row, label_model, label_model_row);

/// One value per row of the array, as a set.
#[pg_extern(sql = false)]
fn batch_project(project: &str, features: AnyArray) -> SqlResult<SetOfIterator<'static, f32>> {
    let values = by_project(project).and_then(|model| all(&model, &Input::Array(&features))).report()?;
    Ok(SetOfIterator::new(values))
}

/// One value per row of the array, as an array.
#[pg_extern(sql = false)]
fn batch_model(model: i64, features: AnyArray) -> SqlResult<Vec<f32>> {
    cache::model(model).and_then(|model| all(&model, &Input::Array(&features))).report()
}
