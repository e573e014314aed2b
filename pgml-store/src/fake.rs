//! A scripted database for unit tests: it expects certain statements and gives prepared rows.

use std::collections::VecDeque;

use bytes::BytesMut;
use pgml_core::Result;
use postgres_types::{ToSql, Type};

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
