//! The two methods through which everything here talks to a database.

use pgml_core::{Error, ErrorKind, Result, bail};
use postgres_types::{FromSqlOwned, ToSql, Type};

/// A value to bind.
pub type Param<'a> = &'a (dyn ToSql + Sync);

/// A database session: SPI inside the extension, a client connection elsewhere.
///
/// Every statement of this crate stands in [`queries`](crate::queries), with each parameter written as `$n::type`, so
/// that an implementation knows the types before it prepares ([`parameter_types`]). A statement that writes must see
/// what was committed before it began (a fresh snapshot per statement, as READ COMMITTED gives).
pub trait Port {
    /// Runs a statement that returns rows.
    ///
    /// # Errors
    /// Whatever the database says, with the kind that its SQLSTATE means.
    fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>>;

    /// Runs a statement that returns none, and tells how many rows it touched.
    ///
    /// # Errors
    /// As [`Port::query`].
    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64>;
}

/// One row of a result: each column's type and its value in binary form.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    columns: Vec<(Type, Option<Vec<u8>>)>,
}

impl Row {
    /// A row of these columns: the type, and the bytes that the type's send function gives (`None` is NULL).
    #[must_use]
    pub fn new(columns: Vec<(Type, Option<Vec<u8>>)>) -> Self {
        Self { columns }
    }

    /// How many columns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The value of column `index`, counted from 0. NULL needs an `Option`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the column is missing, NULL or of another type.
    pub fn get<T: FromSqlOwned>(&self, index: usize) -> Result<T> {
        let (kind, raw) = self.column(index)?;
        if !T::accepts(kind) {
            bail!(Internal, "column {index} of a catalog query has the unexpected type {kind}");
        }
        T::from_sql_nullable(kind, raw.as_deref()).map_err(|e| unreadable(index, kind, &*e))
    }

    /// The bytes of a `bytea` in column `index`, without copying them.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn into_bytes(mut self, index: usize) -> Result<Vec<u8>> {
        let (kind, _) = self.column(index)?;
        if *kind != Type::BYTEA {
            bail!(Internal, "column {index} of a catalog query has type {kind} instead of bytea");
        }
        // The binary form of a bytea is the bytes themselves.
        self.columns[index]
            .1
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("column {index} of a catalog query is NULL")))
    }

    fn column(&self, index: usize) -> Result<&(Type, Option<Vec<u8>>)> {
        self.columns.get(index).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("a catalog query has {} columns, not {index}", self.columns.len()))
        })
    }
}

fn unreadable(index: usize, kind: &Type, error: &(dyn std::error::Error + Sync + Send)) -> Error {
    Error::new(ErrorKind::Internal, format!("column {index} of a catalog query cannot be read as {kind}: {error}"))
}

/// The types of a statement's parameters, read from its `$n::type` casts.
///
/// # Errors
/// [`ErrorKind::Internal`] when a parameter has no cast, or one to a type that this crate does not bind.
pub fn parameter_types(sql: &str) -> Result<Vec<Type>> {
    let mut types: Vec<Option<Type>> = Vec::new();
    for piece in sql.split('$').skip(1) {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number @ 1..=99) = piece[..digits].parse::<usize>() else { continue };
        types.resize(types.len().max(number), None);
        if let Some(cast) = piece[digits..].strip_prefix("::") {
            types[number - 1] = Some(bound_type(cast)?);
        }
    }
    let known = types.iter().flatten().count();
    if known < types.len() {
        bail!(Internal, "a parameter of this statement has no type: {sql}");
    }
    Ok(types.into_iter().flatten().collect())
}

fn bound_type(cast: &str) -> Result<Type> {
    const BOUND: &[(&str, Type)] = &[
        ("bigint[]", Type::INT8_ARRAY),
        ("bigint", Type::INT8),
        ("integer", Type::INT4),
        ("real", Type::FLOAT4),
        ("boolean", Type::BOOL),
        ("text[]", Type::TEXT_ARRAY),
        ("text", Type::TEXT),
        ("jsonb", Type::JSONB),
        ("bytea", Type::BYTEA),
    ];
    BOUND
        .iter()
        .find(|(name, _)| cast.starts_with(name))
        .map(|(_, kind)| kind.clone())
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("no bound type in \"{cast}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_as_its_type_and_nothing_else() {
        let row = Row::new(vec![
            (Type::INT8, Some(7_i64.to_be_bytes().to_vec())),
            (Type::TEXT, None),
            (Type::BYTEA, Some(vec![1, 2])),
        ]);
        assert_eq!(row.get::<i64>(0), Ok(7));
        assert_eq!(row.get::<Option<String>>(1), Ok(None));
        for error in [
            row.get::<i32>(0).expect_err("another type"),
            row.get::<String>(1).expect_err("NULL"),
            row.get::<i64>(3).expect_err("no such column"),
            row.clone().into_bytes(0).expect_err("no bytea"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        }
        assert_eq!(row.into_bytes(2), Ok(vec![1, 2]));
    }

    #[test]
    fn parameter_types_are_read_from_the_casts() {
        let sql = "SELECT $2::text::pgml.task, $1::bigint WHERE $1::bigint = ANY($3::bigint[])";
        assert_eq!(parameter_types(sql), Ok(vec![Type::INT8, Type::TEXT, Type::INT8_ARRAY]));
        assert!(parameter_types("SELECT $1").is_err());
    }
}
