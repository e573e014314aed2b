//! What is in the memory of the inference program.

use pgml_core::{Error, ErrorKind};
use pgrx::JsonB;
use pgrx::prelude::*;

use crate::report::{Report, SqlResult};
use crate::worker;

#[pg_extern(sql = false)]
fn load_model(transformer: &str, task: &str, kwargs: JsonB, refresh: bool) -> SqlResult<()> {
    worker::load(transformer, task, &kwargs.0, refresh).report()
}

#[pg_extern(sql = false)]
fn unload_model(transformer: &str) -> SqlResult<i64> {
    worker::unload(transformer).map(|count| count as i64).report()
}

#[pg_extern(sql = false)]
fn clear_gpu_cache(_memory_usage: Option<f32>) -> SqlResult<bool> {
    let hint = "pgml.unload_model gives back the memory of one model, on whatever device it is";
    Err(Error::new(ErrorKind::NotSupported, "No GPU available").with_hint(hint)).report()
}

type ModelRows = TableIterator<
    'static,
    (
        name!(model, String),
        name!(revision, Option<String>),
        name!(task, String),
        name!(device, Option<String>),
        name!(dtype, String),
        name!(bytes, i64),
        name!(calls, i64),
        name!(rows, i64),
        name!(batches, i64),
        name!(shared_batches, i64),
        name!(p50_ms, Option<f64>),
        name!(p99_ms, Option<f64>),
        name!(last_use_micros, i64),
    ),
>;

#[pg_extern(sql = false)]
fn loaded_models_table() -> SqlResult<ModelRows> {
    let models = worker::models().report()?;
    Ok(TableIterator::new(models.into_iter().map(|loaded| {
        let model = loaded.model;
        let dtype = model.quantization.or(model.dtype).unwrap_or_else(|| "f32".to_owned());
        let [bytes, calls, rows] = [loaded.bytes, loaded.calls, loaded.rows].map(|n| n as i64);
        let [batches, shared] = [loaded.batches, loaded.shared_batches].map(|n| n as i64);
        let (p50, p99, last_use) = (loaded.p50_ms, loaded.p99_ms, loaded.last_use);
        let form = (model.name, model.revision, loaded.purpose, model.device, dtype);
        (form.0, form.1, form.2, form.3, form.4, bytes, calls, rows, batches, shared, p50, p99, last_use)
    })))
}
