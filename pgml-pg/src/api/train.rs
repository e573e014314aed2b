//! `pgml.train`, `pgml.train_joint` and `pgml.snapshot`.

use pgml_core::sampling::Split;
use pgml_core::search::Search;
use pgml_core::{Error, ErrorKind, Result, bail};
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use crate::labels::EnumLabel;
use crate::report::{Report, SqlResult};
use crate::training::{self, Arguments};

type TrainResult = TableIterator<
    'static,
    (name!(project, String), name!(task, String), name!(algorithm, String), name!(deployed, bool)),
>;

/// The arguments that both forms share, in SQL's order.
struct Common<'a> {
    project_name: Option<&'a str>,
    task: Option<&'a str>,
    relation_name: Option<&'a str>,
    labels: Vec<String>,
    algorithm: Option<&'a str>,
    hyperparams: Option<JsonB>,
    search: Option<EnumLabel>,
    search_params: Option<JsonB>,
    search_args: Option<JsonB>,
    test_size: Option<f32>,
    test_sampling: Option<EnumLabel>,
    runtime: Option<&'a str>,
    automatic_deploy: Option<bool>,
    materialize_snapshot: Option<bool>,
    preprocess: Option<JsonB>,
    group_by: Option<&'a str>,
}

impl Common<'_> {
    fn train(self) -> Result<TrainResult> {
        let outcome = training::train(self.arguments()?)?;
        let row = (outcome.project, outcome.task.display_name(), outcome.algorithm.to_owned(), outcome.deployed);
        Ok(TableIterator::once(row))
    }

    fn arguments(self) -> Result<Arguments> {
        let Some(project) = self.project_name.filter(|name| !name.is_empty()) else {
            bail!(InvalidParameter, "project_name must not be NULL or empty");
        };
        Ok(Arguments {
            project: project.to_owned(),
            task: self.task.map(str::parse).transpose()?,
            relation: self.relation_name.map(str::to_owned),
            labels: self.labels,
            algorithm: self.algorithm.unwrap_or("linear").to_owned(),
            hyperparams: object("hyperparams", self.hyperparams)?,
            search: self.search.map(|s| s.as_str().parse::<Search>()).transpose()?,
            search_params: object("search_params", self.search_params)?,
            search_args: object("search_args", self.search_args)?,
            split: split(self.test_size, self.test_sampling)?,
            runtime: self.runtime.map(str::to_owned),
            automatic_deploy: self.automatic_deploy.unwrap_or(true),
            materialize: self.materialize_snapshot.unwrap_or(false),
            preprocess: object("preprocess", self.preprocess)?,
            group_by: self.group_by.map(str::to_owned),
        })
    }
}

fn split(test_size: Option<f32>, sampling: Option<EnumLabel>) -> Result<Split> {
    let sampling = sampling.as_ref().map_or("stratified", EnumLabel::as_str).parse()?;
    Ok(Split { test_size: test_size.unwrap_or(0.25), sampling })
}

fn object(argument: &str, json: Option<JsonB>) -> Result<Map<String, Value>> {
    match json.map(|json| json.0) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(other) => {
            Err(Error::new(ErrorKind::InvalidParameter, format!("{argument} must be a JSON object, not {other}"))
                .with_hint(format!("for example {argument} => '{{\"name\": 1}}'")))
        }
    }
}

/// One label column, if any.
fn one_label(name: Option<&str>) -> Result<Vec<String>> {
    Ok(name.map(str::to_owned).into_iter().collect())
}

/// Several label columns.
fn several_labels(names: Option<Vec<Option<String>>>) -> Result<Vec<String>> {
    let names = names.unwrap_or_default().into_iter().collect::<Option<Vec<String>>>();
    names.ok_or_else(|| Error::new(ErrorKind::InvalidParameter, "y_column_name must not contain NULL"))
}

/// A training function of SQL: both have the same arguments but for the type of the label columns.
macro_rules! training_function {
    ($name:ident, $labels:ty, $read:ident) => {
        #[pg_extern(sql = false)]
        #[allow(clippy::too_many_arguments)]
        fn $name(
            project_name: Option<&str>,
            task: Option<&str>,
            relation_name: Option<&str>,
            y_column_name: Option<$labels>,
            algorithm: Option<&str>,
            hyperparams: Option<JsonB>,
            search: Option<EnumLabel>,
            search_params: Option<JsonB>,
            search_args: Option<JsonB>,
            test_size: Option<f32>,
            test_sampling: Option<EnumLabel>,
            runtime: Option<&str>,
            automatic_deploy: Option<bool>,
            materialize_snapshot: Option<bool>,
            preprocess: Option<JsonB>,
            group_by: Option<&str>,
        ) -> SqlResult<TrainResult> {
            let labels = $read(y_column_name).report()?;
            Common {
                project_name,
                task,
                relation_name,
                labels,
                algorithm,
                hyperparams,
                search,
                search_params,
                search_args,
                test_size,
                test_sampling,
                runtime,
                automatic_deploy,
                materialize_snapshot,
                preprocess,
                group_by,
            }
            .train()
            .report()
        }
    };
}

training_function!(train, &str, one_label);
training_function!(train_joint, Vec<Option<String>>, several_labels);

#[pg_extern(sql = false)]
fn snapshot(
    relation_name: &str,
    y_column_name: &str,
    test_size: f32,
    test_sampling: EnumLabel,
    preprocess: JsonB,
) -> SqlResult<TableIterator<'static, (name!(relation, String), name!(y_column_name, String))>> {
    let split = split(Some(test_size), Some(test_sampling)).report()?;
    let preprocess = object("preprocess", Some(preprocess)).report()?;
    training::snapshot(relation_name, y_column_name, split, &preprocess).report()?;
    Ok(TableIterator::once((relation_name.to_owned(), y_column_name.to_owned())))
}
