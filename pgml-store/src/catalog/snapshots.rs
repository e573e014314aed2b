//! Rows of `pgml.snapshots`: what a model was trained on.

use pgml_core::Result;
use serde_json::Value;

use super::only;
use crate::{Port, Row, queries};

/// A snapshot that is about to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSnapshot {
    /// The relation as the user named it.
    pub relation_name: String,
    /// The label columns; `None` when there are none.
    pub y_column_name: Option<Vec<String>>,
    /// Held-out rows: a fraction up to 1, above that a number of rows.
    pub test_size: f32,
    /// `random`, `last` or `stratified`.
    pub test_sampling: String,
    /// The columns with their statistics (a JSON array).
    pub columns: Value,
    /// What is known of the whole (a JSON object).
    pub analysis: Value,
    /// Whether `pgml.snapshot_<id>` keeps the rows.
    pub materialized: bool,
    /// The seed of the sampling.
    pub seed: i64,
}

/// A stored snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its id.
    pub id: i64,
    /// The relation as the user named it.
    pub relation_name: String,
    /// The label columns; `None` when there are none.
    pub y_column_name: Option<Vec<String>>,
    /// Held-out rows: a fraction up to 1, above that a number of rows.
    pub test_size: f32,
    /// `random`, `last` or `stratified`.
    pub test_sampling: String,
    /// The columns with their statistics.
    pub columns: Option<Value>,
    /// What is known of the whole.
    pub analysis: Option<Value>,
    /// Whether `pgml.snapshot_<id>` keeps the rows.
    pub materialized: bool,
    /// The seed of the sampling.
    pub seed: i64,
}

impl Snapshot {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            relation_name: row.get(1)?,
            y_column_name: row.get(2)?,
            test_size: row.get(3)?,
            test_sampling: row.get(4)?,
            columns: row.get(5)?,
            analysis: row.get(6)?,
            materialized: row.get(7)?,
            seed: row.get(8)?,
        })
    }
}

/// Stores a snapshot and tells its id.
///
/// # Errors
/// Whatever the database says.
pub fn insert_snapshot(port: &mut dyn Port, new: &NewSnapshot) -> Result<i64> {
    let rows = port.query(
        queries::SNAPSHOT_INSERT,
        &[
            &new.relation_name,
            &new.y_column_name,
            &new.test_size,
            &new.test_sampling,
            &new.columns,
            &new.analysis,
            &new.materialized,
            &new.seed,
        ],
    )?;
    only(rows)?.get(0)
}

/// Replaces what is known about a snapshot's columns.
///
/// # Errors
/// Whatever the database says.
pub fn analyse_snapshot(port: &mut dyn Port, id: i64, columns: &Value, analysis: &Value) -> Result<()> {
    port.execute(queries::SNAPSHOT_ANALYSE, &[&id, columns, analysis])?;
    Ok(())
}

/// The label columns that a model was trained on, in the order in which they were named; `None` for a model that was
/// imported.
///
/// # Errors
/// Those of the database.
pub fn labels_of_model(port: &mut dyn Port, model_id: i64) -> Result<Option<Vec<String>>> {
    match port.query(queries::LABELS_OF_MODEL, &[&model_id])?.first() {
        Some(row) => row.get(0),
        None => Ok(None),
    }
}

/// The newest snapshot that a model of project `project_id` was trained on.
///
/// # Errors
/// Whatever the database says.
pub fn newest_snapshot(port: &mut dyn Port, project_id: i64) -> Result<Option<Snapshot>> {
    port.query(queries::SNAPSHOT_NEWEST, &[&project_id])?.first().map(Snapshot::read).transpose()
}
