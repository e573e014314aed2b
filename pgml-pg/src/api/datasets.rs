//! `pgml.load_dataset`: the built-in data sets as tables of schema `pgml`.

use pgml_core::datasets::{self, BuiltIn, ColumnDef};
use pgml_core::error::did_you_mean;
use pgml_core::{Error, ErrorKind, Result, bail};
use pgml_store::{Ident, Param, Port};
use pgrx::JsonB;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::report::{SqlResult, sql};
use crate::spi_port::SpiPort;

/// Ends the comment of a table that may be replaced, because it was made here.
const MARK: &str = "; loaded by pgml.load_dataset()";

const FIND_TABLE: &str = "SELECT pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
     WHERE n.nspname OPERATOR(pg_catalog.=) 'pgml' AND c.relname OPERATOR(pg_catalog.=) $1::text::pg_catalog.name";

#[pg_extern(sql = false)]
fn load_dataset(
    source: Option<&str>,
    _subset: Option<&str>,
    limit: Option<i64>,
    _kwargs: Option<JsonB>,
) -> SqlResult<TableIterator<'static, (name!(table_name, String), name!(rows, i64))>> {
    sql(|| {
        let set = find(source)?;
        let n_rows = row_limit(limit, set.n_rows())?;
        let table = load(set, n_rows)?;
        Ok(TableIterator::once((table, n_rows as i64)))
    })
}

fn find(source: Option<&str>) -> Result<&'static BuiltIn> {
    let Some(source) = source else { bail!(InvalidParameter, "the name of the data set is NULL") };
    datasets::find(source).map_err(|unknown| {
        let hint = match did_you_mean(source, datasets::ALL.iter().map(|set| set.name)) {
            Some(guess) => format!("did you mean \"{guess}\"?"),
            None => "load other data with COPY or through a foreign table".to_owned(),
        };
        Error::new(ErrorKind::NotSupported, format!("data set \"{source}\" is not one of those that pgml brings along"))
            .with_detail(unknown.detail().unwrap_or_default())
            .with_hint(hint)
    })
}

fn row_limit(limit: Option<i64>, n_rows: usize) -> Result<usize> {
    match limit.map(usize::try_from) {
        None => Ok(n_rows),
        Some(Ok(limit)) => Ok(limit.min(n_rows)),
        Some(Err(_)) => bail!(InvalidParameter, "\"limit\" is {}, but must not be negative", limit.unwrap_or_default()),
    }
}

/// Makes the table with the first `n_rows` rows and returns its name.
fn load(set: &BuiltIn, n_rows: usize) -> Result<String> {
    let mut port = SpiPort::new();
    let table = format!("pgml.{}", set.name);
    match comment(&mut port, set.name)? {
        None => {}
        // Dependent views go too, as scripts that create them again expect; Postgres says so in a NOTICE.
        Some(comment) if comment.ends_with(MARK) => {
            port.execute(&format!("DROP TABLE {table} CASCADE"), &[])?;
        }
        Some(_) => {
            let message = format!("\"{table}\" exists and was not made by pgml.load_dataset()");
            return Err(Error::new(ErrorKind::AlreadyExists, message).with_hint("rename or drop it first"));
        }
    }
    let columns: Vec<String> = set.columns.iter().map(definition).collect::<Result<_>>()?;
    port.execute(&format!("CREATE TABLE {table} ({})", columns.join(", ")), &[])?;
    let comment = pgrx::spi::quote_literal(format!("{}{MARK}", set.description.trim_end_matches('.')));
    port.execute(&format!("COMMENT ON TABLE {table} IS {comment}"), &[])?;
    insert(&mut port, &table, set, n_rows)?;
    Ok(table)
}

/// The comment of the relation of this name, empty without one; `None` when there is no such relation.
fn comment(port: &mut SpiPort, name: &str) -> Result<Option<String>> {
    let rows = port.query(FIND_TABLE, &[&name])?;
    rows.first().map(|row| Ok(row.get::<Option<String>>(0)?.unwrap_or_default())).transpose()
}

fn definition(column: &ColumnDef) -> Result<String> {
    Ok(format!("{} {}", Ident::new(column.name)?, column.sql_type))
}

/// One statement for all rows: a text array per column, whose elements are read as the column's type.
fn insert(port: &mut SpiPort, table: &str, set: &BuiltIn, n_rows: usize) -> Result<()> {
    let mut cells: Vec<Vec<String>> = vec![Vec::with_capacity(n_rows); set.columns.len()];
    for row in set.rows().take(n_rows) {
        row.into_iter().zip(&mut cells).for_each(|(cell, column)| column.push(cell.into_owned()));
    }
    let numbers = 1..=set.columns.len();
    let arrays: Vec<String> = numbers.clone().map(|i| format!("pg_catalog.unnest(${i}::text[])")).collect();
    let names: Vec<String> = numbers.clone().map(|i| format!("c{i}")).collect();
    let casts: Vec<String> =
        names.iter().zip(set.columns).map(|(c, column)| format!("{c}::{}", column.sql_type)).collect();
    let statement = format!(
        "INSERT INTO {table} SELECT {} FROM ROWS FROM ({}) AS cells ({})",
        casts.join(", "),
        arrays.join(", "),
        names.join(", ")
    );
    let values: Vec<Param<'_>> = cells.iter().map(|column| column as Param<'_>).collect();
    port.execute(&statement, &values).map(|_| ())
}
