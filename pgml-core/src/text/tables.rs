//! Questions about tables.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::{Error, ErrorKind, Result, hyperparams};

hyperparams! {
    /// What a caller of `table-question-answering` may ask for: the names of transformers.
    pub struct TableArgs called "argument" {
        /// Whether a question may mean the answer to the one before: then they are asked one after the other.
        sequential: bool = false;
        /// Accepted for compatibility: tables are not padded.
        padding: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: rows that do not fit are left out.
        truncation: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: batches are made of the questions of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

/// What is asked of which table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableQuestion {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The cells of each row.
    pub rows: Vec<Vec<String>>,
    /// The questions.
    pub queries: Vec<String>,
    /// Whether there is one question, not a list of one.
    pub single: bool,
}

/// An object whose keys keep their order: a column's place counts.
struct Ordered(Vec<(String, Value)>);

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    table: Ordered,
    query: Value,
}

impl TableQuestion {
    /// Reads an input of the task: a JSON object with `table`, the list of cells of each column by its name, and `query`, a text
    /// or a list of texts. Numbers among the cells are read as they are written.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], showing what is expected.
    pub fn read(input: &str) -> Result<Self> {
        let read: Input = serde_json::from_str(input).map_err(|e| refused(&e.to_string()))?;
        let (queries, single) = match read.query {
            Value::String(query) => (vec![query], true),
            Value::Array(queries) => {
                let texts = queries.iter().map(|query| query.as_str().map(str::to_owned));
                (
                    texts
                        .collect::<Option<_>>()
                        .ok_or_else(|| refused("query is a list of other things than texts"))?,
                    false,
                )
            }
            _ => return Err(refused("query is no text")),
        };
        if queries.is_empty() || queries.iter().any(String::is_empty) {
            return Err(refused("query is empty"));
        }
        let (header, columns): (Vec<String>, Vec<Vec<String>>) = read
            .table
            .0
            .into_iter()
            .map(|(name, cells)| column(&cells).map(|cells| (name, cells)))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let n_rows = columns.first().map_or(0, Vec::len);
        if n_rows == 0 || columns.iter().any(|column| column.len() != n_rows) {
            return Err(refused("the columns of the table are empty or of different lengths"));
        }
        let rows = (0..n_rows).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect();
        Ok(Self { header, rows, queries, single })
    }

    /// The answer that is in the cells at `coordinates`, rows and columns from 0. An `aggregator` with whether it stands
    /// before the answer.
    #[must_use]
    pub fn answer(&self, coordinates: &[(usize, usize)], aggregator: Option<(&str, bool)>) -> Value {
        let cells: Vec<&str> = coordinates.iter().map(|(row, column)| self.rows[*row][*column].as_str()).collect();
        let before = match aggregator {
            Some((name, true)) => format!("{name} > "),
            _ => String::new(),
        };
        let mut answer = json!({
            "answer": format!("{before}{}", cells.join(", ")), "coordinates": coordinates, "cells": cells
        });
        if let Some((name, _)) = aggregator.filter(|(name, _)| !name.is_empty()) {
            answer["aggregator"] = name.into();
        }
        answer
    }
}

fn column(cells: &Value) -> Result<Vec<String>> {
    let text = |cell: &Value| match cell {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    let cells = cells.as_array().and_then(|cells| cells.iter().map(text).collect());
    cells.ok_or_else(|| refused("a column of the table is no list of texts"))
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("an input of table-question-answering cannot be read: {why}"))
        .with_hint("inputs => ARRAY['{\"table\": {\"city\": [\"Lübeck\", \"Paris\"]}, \"query\": \"Which city?\"}']")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order_and_cells_are_texts() {
        let read =
            TableQuestion::read(r#"{"table": {"z": ["a", "b"], "a": [1, 2.50]}, "query": "q"}"#).expect("a table");
        assert_eq!(read.header, ["z", "a"]);
        assert_eq!(read.rows, [["a", "1"], ["b", "2.5"]]);
        let answer = read.answer(&[(0, 0), (1, 0)], Some(("SUM", true)));
        assert_eq!(answer["answer"], "SUM > a, b");
        assert_eq!(answer["coordinates"], json!([[0, 0], [1, 0]]));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for input in [
            "who?",
            r#"{"query": "q"}"#,
            r#"{"table": {}, "query": "q"}"#,
            r#"{"table": {"a": ["x"], "b": []}, "query": "q"}"#,
            r#"{"table": {"a": ["x"]}, "query": ""}"#,
        ] {
            assert_eq!(TableQuestion::read(input).expect_err(input).kind(), ErrorKind::InvalidParameter);
        }
    }
}
