//! Metrics of two arrays, as scikit-learn computes them.

use pgml_core::metrics::sklearn;
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use crate::array::ArrayArg;
use crate::report::{SqlResult, sql};

#[pg_extern(sql = false)]
fn sklearn_f1_score(ground_truth: ArrayArg<'_, f32>, y_hat: ArrayArg<'_, f32>) -> SqlResult<f32> {
    sql(|| Ok(sklearn::f1_score(ground_truth.values()?, y_hat.values()?)? as f32))
}

#[pg_extern(sql = false)]
fn sklearn_r2_score(ground_truth: ArrayArg<'_, f32>, y_hat: ArrayArg<'_, f32>) -> SqlResult<f32> {
    sql(|| Ok(sklearn::r2_score(ground_truth.values()?, y_hat.values()?)? as f32))
}

#[pg_extern(sql = false)]
fn sklearn_regression_metrics(ground_truth: ArrayArg<'_, f32>, y_hat: ArrayArg<'_, f32>) -> SqlResult<JsonB> {
    sql(|| Ok(object(sklearn::regression_metrics(ground_truth.values()?, y_hat.values()?)?)))
}

#[pg_extern(sql = false)]
fn sklearn_classification_metrics(
    ground_truth: ArrayArg<'_, f32>,
    y_hat: ArrayArg<'_, f32>,
    num_classes: i64,
) -> SqlResult<JsonB> {
    sql(|| Ok(object(sklearn::classification_metrics(ground_truth.values()?, y_hat.values()?, num_classes)?)))
}

/// JSON knows neither NaN nor infinity; they become null.
fn object(metrics: Vec<(&'static str, f64)>) -> JsonB {
    let entries = metrics.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    JsonB(Value::Object(entries.collect::<Map<_, _>>()))
}
