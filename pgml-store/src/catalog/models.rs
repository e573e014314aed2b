//! Rows of `pgml.models`.

use pgml_core::{Error, ErrorKind, Result, Task};
use serde_json::{Value, json};

use super::only;
use crate::{Artifact, Port, Row, files, queries, transformers};

/// A model that is about to be stored, besides its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    /// Its project.
    pub project_id: i64,
    /// What it was trained on; `None` for an imported model.
    pub snapshot_id: Option<i64>,
    /// How many features a row has before preprocessing.
    pub num_features: i32,
    /// `grid`, `random` or none.
    pub search: Option<String>,
    /// The search's candidates as given.
    pub search_params: Value,
    /// The search's settings as given.
    pub search_args: Value,
}

/// A stored model with its project, besides its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// Its id.
    pub id: i64,
    /// Its project's id.
    pub project_id: i64,
    /// Its project's name.
    pub project: String,
    /// What it was trained for.
    pub task: Task,
    /// What it was trained on.
    pub snapshot_id: Option<i64>,
    /// How many features a row has before preprocessing.
    pub num_features: i32,
    /// The algorithm's SQL name.
    pub algorithm: String,
    /// `rust` for what pgml trained; `python` for what PostgresML trained there.
    pub runtime: Option<String>,
    /// Effective hyperparameters.
    pub hyperparams: Value,
    /// Metrics on the held-out rows.
    pub metrics: Option<Value>,
}

impl ModelRow {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            project_id: row.get(1)?,
            project: row.get(2)?,
            task: row.get::<String>(3)?.parse()?,
            snapshot_id: row.get(4)?,
            num_features: row.get(5)?,
            algorithm: row.get(6)?,
            runtime: row.get(7)?,
            hyperparams: row.get(8)?,
            metrics: row.get(9)?,
        })
    }

    /// The metric `name`, if it is a number.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.as_ref()?.get(name)?.as_f64()
    }
}

/// Reserves the id of a model that is about to be trained, so that it can be told before its rows are written.
///
/// # Errors
/// Whatever the database says.
pub fn next_model_id(port: &mut dyn Port) -> Result<i64> {
    only(port.query(queries::MODEL_NEXT_ID, &[])?)?.get(0)
}

/// Stores a model and its artifact under the reserved `id`. What the artifact knows itself (algorithm, classes) is taken
/// from there.
///
/// # Errors
/// Whatever the database says.
pub fn insert_model(port: &mut dyn Port, id: i64, new: &NewModel, artifact: &Artifact) -> Result<()> {
    let manifest = artifact.manifest();
    let json = |what: &dyn Fn() -> serde_json::Result<Value>| {
        what().map_err(|e| Error::new(ErrorKind::Internal, format!("a model's description has no JSON form: {e}")))
    };
    let hyperparams = json(&|| serde_json::to_value(&manifest.hyperparams))?;
    let metrics = manifest.metrics.clone().map(Value::Object);
    let labels = manifest.labels.as_ref().map(|labels| json(&|| serde_json::to_value(&labels.names))).transpose()?;
    let n_classes = manifest.labels.as_ref().and_then(|labels| i32::try_from(labels.n_classes()).ok());
    port.execute(
        queries::MODEL_INSERT,
        &[
            &id,
            &new.project_id,
            &new.snapshot_id,
            &new.num_features,
            &manifest.algorithm,
            &"rust",
            &hyperparams,
            &metrics,
            &new.search,
            &new.search_params,
            &new.search_args,
            &n_classes,
            &labels,
        ],
    )?;
    files::write(port, id, artifact)
}

/// Stores the row of a transformer under the reserved `id`; its files are stored besides. Rows of transformers look as
/// PostgresML's client SDK writes them.
///
/// # Errors
/// Whatever the database says.
pub fn insert_transformer(port: &mut dyn Port, id: i64, project_id: i64, name: &str) -> Result<()> {
    let (none, empty) = (None::<&str>, json!({}));
    port.execute(
        queries::MODEL_INSERT,
        &[
            &id,
            &project_id,
            &None::<i64>,
            &1_i32,
            &transformers::ALGORITHM,
            &"rust",
            &json!({"name": name}),
            &None::<Value>,
            &none,
            &empty,
            &empty,
            &None::<i32>,
            &None::<Value>,
        ],
    )?;
    Ok(())
}

/// The model of this id.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none.
pub fn model(port: &mut dyn Port, id: i64) -> Result<ModelRow> {
    let rows = port.query(queries::MODEL_BY_ID, &[&id])?;
    rows.first().map_or_else(|| Err(not_found(id)), ModelRow::read)
}

pub(super) fn not_found(id: i64) -> Error {
    Error::new(ErrorKind::NotFound, format!("model {id} does not exist"))
        .with_hint("SELECT id, name FROM pgml.trained_models lists the models")
}
