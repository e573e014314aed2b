//! `pgml.run`: models as statements.

use pgml_core::sampling::Split;
use pgml_core::statement::{Create, Statement, parse};
use pgml_core::{Error, ErrorKind, Result, Task};
use pgml_store::catalog;
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use super::deploy::drop_project;
use crate::encoding::TextOut;
use crate::owner::as_owner;
use crate::relation::Relation;
use crate::report::{SqlResult, sql};
use crate::spi_port::SpiPort;
use crate::training::{self, Arguments};

type Rows = TableIterator<
    'static,
    (
        name!(model, TextOut),
        name!(task, Option<TextOut>),
        name!(algorithm, Option<TextOut>),
        name!(deployed, Option<bool>),
        name!(metrics, Option<JsonB>),
    ),
>;

#[pg_extern(sql = false)]
fn run_statement(statement: &str) -> SqlResult<Rows> {
    sql(|| match parse(statement)? {
        Statement::Create(create) => train(create),
        Statement::Drop { name, if_exists } => drop_model(name, if_exists),
        Statement::Show => show(),
    })
}

fn train(create: Create) -> Result<Rows> {
    let task = match create.task {
        Some(task) => task,
        None => likely_task(&create)?,
    };
    let outcome = training::train(Arguments {
        project: create.name,
        task: Some(task),
        relation: Some(create.relation),
        labels: create.labels,
        algorithm: create.algorithm.unwrap_or_else(|| "linear".to_owned()),
        hyperparams: create.hyperparams,
        search: None,
        search_params: Map::new(),
        search_args: Map::new(),
        split: Split::default(),
        runtime: None,
        automatic_deploy: true,
        materialize: false,
        preprocess: Map::new(),
        group_by: None,
    })?;
    Ok(TableIterator::once((
        TextOut(outcome.project),
        Some(outcome.task.name().into()),
        Some(outcome.algorithm.into()),
        Some(outcome.deployed),
        Some(JsonB(Value::Object(outcome.metrics))),
    )))
}

/// The task that the algorithm and the label leave open: classes for texts and booleans, else numbers; the algorithm's only one
/// where it has one.
fn likely_task(create: &Create) -> Result<Task> {
    let name = create.algorithm.as_deref().unwrap_or("linear");
    if name != "auto"
        && let [only] = pgml_models::algorithm(name)?.tasks()
    {
        return Ok(*only);
    }
    let relation = Relation::find(&create.relation)?;
    relation.require_columns(&create.labels)?;
    let Some(label) = create.labels.first() else {
        return Err(Error::new(ErrorKind::InvalidParameter, "the statement does not say what to predict")
            .with_hint("add PREDICT column, or TYPE clustering, decomposition or anomaly_detection"));
    };
    let column = relation.columns.iter().find(|column| column.name == *label);
    let is_class = column.is_some_and(|column| {
        matches!(column.type_name.as_str(), "bool" | "text" | "varchar" | "bpchar" | "name") || column.is_enum()
    });
    Ok(if is_class { Task::Classification } else { Task::Regression })
}

fn drop_model(name: String, if_exists: bool) -> Result<Rows> {
    let known = as_owner(|| catalog::find_project(&mut SpiPort::new(), &name))?;
    if known.is_none() && if_exists {
        crate::message::info(&format!("model \"{name}\" does not exist, skipping"));
        return Ok(TableIterator::empty());
    }
    drop_project(&name)?;
    Ok(TableIterator::empty())
}

/// The projects that the caller sees, each with its deployed model.
fn show() -> Result<Rows> {
    let port = &mut SpiPort::read_only();
    let mut rows = Vec::new();
    for project in catalog::list_projects(port)? {
        let live = match catalog::deployed_model_of(port, project.id)? {
            Some(id) => Some(catalog::model(port, id)?),
            None => None,
        };
        let deployed = Some(live.is_some());
        let (algorithm, metrics) = live.map_or((None, None), |model| (Some(TextOut(model.algorithm)), model.metrics));
        rows.push((TextOut(project.name), Some(project.task.name().into()), algorithm, deployed, metrics.map(JsonB)));
    }
    Ok(TableIterator::new(rows))
}
