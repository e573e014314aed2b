//! The port of a Rust program: a connection or transaction of the `postgres` crate.

use pgml_core::{Error, ErrorKind, Result};
use postgres::error::{DbError, SqlState};
use postgres::{Client, Transaction};
use postgres_types::{FromSql, Type};

use crate::port::{Param, Port, Row};

impl Port for Client {
    fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        Client::query(self, sql, params).map_err(|e| database_error(&e))?.iter().map(convert).collect()
    }

    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        Client::execute(self, sql, params).map_err(|e| database_error(&e))
    }
}

impl Port for Transaction<'_> {
    fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        Transaction::query(self, sql, params).map_err(|e| database_error(&e))?.iter().map(convert).collect()
    }

    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        Transaction::execute(self, sql, params).map_err(|e| database_error(&e))
    }
}

/// A value of any type, as bytes.
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn convert(row: &postgres::Row) -> Result<Row> {
    let column = |(index, column): (usize, &postgres::Column)| {
        let Raw(bytes) = row.try_get(index).map_err(|e| database_error(&e))?;
        Ok((column.type_().clone(), bytes))
    };
    Ok(Row::new(row.columns().iter().enumerate().map(column).collect::<Result<_>>()?))
}

/// The error of a database client as pgml's, with the kind that its SQLSTATE means.
#[must_use]
pub fn database_error(error: &postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::new(ErrorKind::Io, format!("the database cannot be reached: {}", chain(error)));
    };
    let mut mapped = Error::new(kind(db), db.message());
    if let Some(detail) = db.detail() {
        mapped = mapped.with_detail(detail);
    }
    if let Some(hint) = db.hint() {
        mapped = mapped.with_hint(hint);
    }
    mapped
}

fn kind(error: &DbError) -> ErrorKind {
    let state = error.code();
    match state.code().get(..2) {
        _ if *state == SqlState::QUERY_CANCELED => ErrorKind::Cancelled,
        _ if *state == SqlState::INSUFFICIENT_PRIVILEGE => ErrorKind::PermissionDenied,
        _ if *state == SqlState::UNDEFINED_TABLE => ErrorKind::UndefinedTable,
        _ if *state == SqlState::UNDEFINED_COLUMN => ErrorKind::UndefinedColumn,
        _ if *state == SqlState::UNIQUE_VIOLATION => ErrorKind::AlreadyExists,
        _ if *state == SqlState::READ_ONLY_SQL_TRANSACTION => ErrorKind::NotSupported,
        Some("22" | "23") => ErrorKind::InvalidData,
        Some("53") => ErrorKind::OutOfMemory,
        Some("08" | "57" | "58") => ErrorKind::Io,
        Some("40" | "55") => ErrorKind::NotReady,
        _ => ErrorKind::Internal,
    }
}

/// The client's errors tell their cause only as source.
fn chain(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
