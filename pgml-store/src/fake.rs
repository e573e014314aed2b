//! A scripted database for unit tests: it expects certain statements and gives prepared rows.

use std::collections::VecDeque;

use bytes::BytesMut;
use pgml_core::estimator::{Imported, expect_shape};
use pgml_core::hyperparams::ParamSpec;
use pgml_core::{Algorithm, Dataset, ErrorKind, MatrixRef, Model, Parts, Result, Run, Task};
use postgres_types::{ToSql, Type};
use serde_json::{Map, Value};

use crate::port::{Param, Port, Row, parameter_types};

/// Answers each expected statement, in order; any other fails the test.
#[derive(Default)]
pub(crate) struct Fake {
    script: VecDeque<(String, Vec<Row>)>,
    /// The values bound in each call, in binary form.
    pub(crate) bound: Vec<Vec<Option<Vec<u8>>>>,
}

impl Fake {
    pub(crate) fn expect(mut self, sql: &str, rows: Vec<Row>) -> Self {
        self.script.push_back((sql.to_owned(), rows));
        self
    }

    pub(crate) fn assert_done(&self) {
        assert!(self.script.is_empty(), "statements that were never run: {:?}", self.script);
    }

    fn answer(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let Some((expected, rows)) = self.script.pop_front() else { panic!("unexpected statement: {sql}") };
        assert_eq!(sql, expected);
        let types = parameter_types(sql)?;
        assert_eq!(types.len(), params.len(), "parameters of {sql}");
        self.bound.push(types.iter().zip(params).map(|(kind, value)| binary(kind, *value)).collect());
        Ok(rows)
    }
}

impl Port for Fake {
    fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.answer(sql, params)
    }

    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        Ok(self.answer(sql, params)?.len() as u64)
    }
}

/// A row of these values.
pub(crate) fn row(values: &[(Type, Param<'_>)]) -> Row {
    Row::new(values.iter().map(|(kind, value)| (kind.clone(), binary(kind, *value))).collect())
}

fn binary(kind: &Type, value: Param<'_>) -> Option<Vec<u8>> {
    let mut buffer = BytesMut::new();
    match (value as &dyn ToSql).to_sql_checked(kind, &mut buffer).expect("a value of the parameter's type") {
        postgres_types::IsNull::Yes => None,
        postgres_types::IsNull::No => Some(buffer.to_vec()),
    }
}

/// A model for tests: the sum of features times constants.
#[derive(Debug)]
pub(crate) struct Mean {
    pub(crate) mean: Vec<f64>,
}

impl Model for Mean {
    fn n_features(&self) -> usize {
        self.mean.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.mean.len(), out, 1)?;
        for (row, out) in rows.as_slice().chunks(self.mean.len()).zip(out) {
            *out = row.iter().zip(&self.mean).map(|(x, m)| x * m).sum();
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        Parts::new().with("mean", self.mean.clone()).with_meta("n", &self.mean.len())
    }

    fn bytes(&self) -> usize {
        self.mean.len() * 8
    }
}

/// The algorithm of [`Mean`], under several names. Its foreign format is JSON with a list of constants: `{"mean": […]}`.
pub(crate) struct MeanAlgorithm(&'static str);

static KNOWN: &[&dyn Algorithm] = &[&MeanAlgorithm("mean"), &MeanAlgorithm("xgboost"), &MeanAlgorithm("lightgbm")];

pub(crate) fn resolve(name: &str) -> Result<&'static dyn Algorithm> {
    pgml_core::find_algorithm(KNOWN, name)
}

impl Algorithm for MeanAlgorithm {
    fn name(&self) -> &'static str {
        self.0
    }

    fn description(&self) -> &'static str {
        "For tests."
    }

    fn source(&self) -> &'static str {
        "none"
    }

    fn tasks(&self) -> &'static [Task] {
        &[Task::Regression]
    }

    fn version(&self) -> u32 {
        1
    }

    fn params(&self) -> &'static [ParamSpec] {
        &[]
    }

    fn resolve_params(&self, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        Ok(given.clone())
    }

    fn fit(&self, _: &Map<String, Value>, _: &Dataset, _: Task, _: &Run) -> Result<Box<dyn Model>> {
        pgml_core::bail!(NotSupported, "nothing is trained in these tests")
    }

    fn decode(&self, parts: &Parts) -> Result<Box<dyn Model>> {
        let mean = parts.array::<f64>("mean")?;
        Ok(Box::new(Mean { mean: mean.to_vec() }))
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported<Box<dyn Model>>> {
        let foreign = |e: &dyn std::fmt::Display| pgml_core::Error::new(ErrorKind::Corrupted, format!("no model: {e}"));
        let json: Value = serde_json::from_slice(bytes).map_err(|e| foreign(&e))?;
        let mean: Vec<f64> = serde_json::from_value(json["mean"].clone()).map_err(|e| foreign(&e))?;
        let task = json["task"].as_str().unwrap_or("regression").parse()?;
        let n_classes = if task == Task::Classification { 2 } else { 0 };
        let (feature_names, hyperparams) = (Vec::new(), Map::new());
        Ok(Imported { model: Box::new(Mean { mean }), task, n_classes, feature_names, hyperparams })
    }
}
