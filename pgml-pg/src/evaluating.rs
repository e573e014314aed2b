//! What a deployed model says of the rows of a relation: read as the caller sees them, by the model's column names.

use std::rc::Rc;

use pgml_core::drift::{Drift, drift};
use pgml_core::evaluation::Evaluation;
use pgml_core::run::Reservation;
use pgml_core::{Result, Table, permutation};
use pgml_store::catalog;

use crate::cache::{self, Loaded};
use crate::interrupts::interruptible;
use crate::owner::as_owner;
use crate::relation::Relation;
use crate::spi_port::SpiPort;

/// The model deployed for `project`, beside the rows of `relation` with their true answers.
///
/// # Errors
/// For a project without a model or whose task has no true answers, and a relation without its columns; on cancel.
pub fn evaluate(project: &str, relation: &str) -> Result<Evaluation> {
    let model = cache::deployed(project)?;
    let labels = labels_of(&model)?;
    let (table, _memory) = read(&model, relation, &labels)?;
    Evaluation::new(&model.predictor, &table, &labels, &interruptible())
}

/// By how much the deciding metric falls on `relation` when one of its columns is shuffled, the largest first.
///
/// # Errors
/// As [`evaluate`].
pub fn importance_of_columns(project: &str, relation: &str) -> Result<Vec<(String, f64)>> {
    let model = cache::deployed(project)?;
    let labels = labels_of(&model)?;
    let (mut table, _memory) = read(&model, relation, &labels)?;
    permutation::importance(&model.predictor, &mut table, &labels, &interruptible())
}

/// How the features of `relation` differ from those of the rows that the project's model was trained on.
///
/// # Errors
/// For a project without a model, and a relation without its columns; on cancel.
pub fn drift_of(project: &str, relation: &str) -> Result<Vec<Drift>> {
    let model = cache::deployed(project)?;
    let (table, _memory) = read(&model, relation, &[])?;
    drift(&model.predictor, &table, n_trained_on(&model), &interruptible())
}

/// The label columns in training's order.
fn labels_of(model: &Rc<Loaded>) -> Result<Vec<String>> {
    let stored = as_owner(|| catalog::labels_of_model(&mut SpiPort::read_only(), model.id))?;
    let by_schema = || model.predictor.schema().labels().map(|column| column.name.clone()).collect();
    Ok(stored.unwrap_or_else(by_schema))
}

/// How many rows the model was trained on: a column's histogram and missing values count them all.
fn n_trained_on(model: &Rc<Loaded>) -> usize {
    let count = |statistics: &pgml_core::statistics::Statistics| {
        let present = match &statistics.categories {
            Some(categories) => categories.values().map(|category| category.members).sum(),
            None => statistics.histogram.iter().sum::<u64>() + statistics.missing,
        };
        usize::try_from(present).unwrap_or(usize::MAX)
    };
    model.predictor.schema().features().map(|column| count(column.element(0))).max().unwrap_or(0)
}

/// The model's columns of a relation, and `labels`.
fn read(model: &Rc<Loaded>, relation: &str, labels: &[String]) -> Result<(Table, Vec<Reservation>)> {
    let mut relation = Relation::find(relation)?;
    relation.require_columns(labels)?;
    let schema = model.predictor.schema();
    let is_needed = |name: &str| labels.iter().any(|label| label == name) || schema.features().any(|c| c.name == name);
    relation.columns.retain(|column| is_needed(&column.name));
    relation.read(&[], &interruptible())
}
