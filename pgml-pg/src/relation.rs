//! Finds a relation and reads it into columns: as the caller sees it, privileges and row-level security included.

mod builder;
mod cursor;
mod name;

use std::ffi::CStr;

use pgml_core::run::Reservation;
use pgml_core::schema::Schema;
use pgml_core::{Error, ErrorKind, Result, Run, Table, TableColumn};
use pgrx::spi::SpiHeapTupleData;
use pgrx::{Spi, pg_sys};

use crate::datum::NumberType;
use crate::encoding::to_utf8;
use builder::Builder;

/// A relation that the caller named, found in the catalog.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its schema and name, quoted for SQL.
    pub quoted: String,
    /// Its columns in table order, dropped ones left out.
    pub columns: Vec<Column>,
}

/// A column of a [`Relation`].
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it can be NULL.
    pub nullable: bool,
    /// The internal name of its type (of its elements, for an array), through domains.
    pub type_name: String,
    /// Its declared type as SQL writes it under any search path.
    pub declared: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Number(NumberType),
    NumberArray(NumberType),
    /// `text`, `varchar`, `bpchar`: the bytes are the text.
    Text {
        trim: bool,
    },
    /// An enum or `name`, read through its output function.
    Output(pg_sys::Oid),
    /// pgvector's types, read as `real[]`.
    Vector,
    Unsupported,
}

const COLUMNS_OF_RELATION: &str = include_str!("../queries/columns_of_relation.sql");

impl Relation {
    /// Finds the relation that `given` names: `table`, `schema.table`, both also quoted. Unqualified names follow the
    /// search path; unquoted ones keep their case, as in PostgresML.
    pub fn find(given: &str) -> Result<Self> {
        let (schema, name) = name::split(given)?;
        let columns = Spi::connect(|client| -> Result<_> {
            let rows = client
                .select(COLUMNS_OF_RELATION, None, &[schema.clone().into(), name.as_str().into()])
                .map_err(spi_error)?;
            let mut quoted = None;
            let mut columns = Vec::new();
            for row in rows {
                let text = |ordinal: usize| -> Result<String> {
                    utf8(&row, ordinal)?.ok_or_else(|| internal("a NULL in the catalog"))
                };
                quoted = Some(text(1)?);
                // A relation without columns still has one row, with NULLs.
                let Some(column) = utf8(&row, 2)? else { continue };
                let base = row.get::<pg_sys::Oid>(4).map_err(spi_error)?.unwrap_or(pg_sys::InvalidOid);
                let nullable = row.get::<bool>(3).map_err(spi_error)?.unwrap_or(true);
                let category = row.get::<String>(6).map_err(spi_error)?.unwrap_or_default();
                let kind = Kind::of(base, &text(5)?, &category);
                let declared_as = row.get::<pg_sys::Oid>(7).map_err(spi_error)?.unwrap_or(pg_sys::InvalidOid);
                let declared = qualified_type(declared_as, row.get::<i32>(8).map_err(spi_error)?.unwrap_or(-1));
                columns.push(Column { name: column, nullable, type_name: text(5)?, declared, kind });
            }
            Ok((quoted, columns))
        })?;
        let (Some(quoted), columns) = columns else {
            return Err(name::unknown(given, schema.as_deref(), &name)?);
        };
        Ok(Self { quoted, columns })
    }

    /// Fails unless it has all of `names`.
    pub fn require_columns(&self, names: &[String]) -> Result<()> {
        match names.iter().find(|name| self.columns.iter().all(|c| c.name != **name)) {
            None => Ok(()),
            Some(missing) => {
                let known = self.columns.iter().map(|c| c.name.as_str());
                Err(pgml_core::error::unknown_name(ErrorKind::UndefinedColumn, "column", missing, known)
                    .with_hint("did you pass the correct y_column_name?"))
            }
        }
    }

    /// Fails unless it still has every column that a snapshot of it was made with.
    pub fn require_columns_of(&self, schema: &Schema) -> Result<()> {
        let has = |name: &str| self.columns.iter().any(|column| column.name == name);
        match schema.columns.iter().find(|column| !has(&column.name)) {
            None => Ok(()),
            Some(gone) => Err(Error::new(
                ErrorKind::UndefinedColumn,
                format!("{} no longer has the column \"{}\" of the project's snapshot", self.quoted, gone.name),
            )
            .with_hint("pass relation_name and y_column_name to make a new snapshot")),
        }
    }

    /// Reads every column but those in `ignored`, in table order.
    ///
    /// Memory is reserved from `run`'s budget as it is taken; the reservation lives as long as its caller keeps it.
    pub fn read(&self, ignored: &[String], run: &Run) -> Result<(Table, Vec<Reservation>)> {
        let columns: Vec<&Column> = self.columns.iter().filter(|c| !ignored.contains(&c.name)).collect();
        for column in &columns {
            column.require_supported()?;
        }
        let select = self.select(&columns);
        let mut builders: Vec<Builder> = columns.iter().map(|c| Builder::new(c)).collect();
        let reservations = cursor::without_synchronized_scans(|| cursor::read(&select, &mut builders, run))?;
        let columns = columns
            .into_iter()
            .zip(builders)
            .map(|(column, builder)| {
                Ok(TableColumn {
                    name: column.name.clone(),
                    pg_type: column.type_name.clone(),
                    nullable: column.nullable,
                    values: builder.finish(&column.name)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok((Table::new(columns)?, reservations))
    }

    fn select(&self, columns: &[&Column]) -> String {
        let list: Vec<String> = columns
            .iter()
            .map(|column| {
                let cast = if column.kind == Kind::Vector { "::pg_catalog.float4[]" } else { "" };
                pgrx::spi::quote_identifier(&column.name) + cast
            })
            .collect();
        format!("SELECT {} FROM {}", list.join(", "), self.quoted)
    }
}

impl Kind {
    /// How a column of the type `base` is read, whose name (its elements', for an array) and category these are.
    fn of(base: pg_sys::Oid, type_name: &str, category: &str) -> Self {
        // By object id: types of other schemas may have the same names and other bytes.
        // SAFETY: catalog look-ups.
        let element = unsafe {
            match pg_sys::get_element_type(base) {
                pg_sys::InvalidOid => pg_sys::InvalidOid,
                element => pg_sys::getBaseType(element),
            }
        };
        match (NumberType::from_oid(base), NumberType::from_oid(element)) {
            (Some(number), _) => Self::Number(number),
            (None, Some(number)) => Self::NumberArray(number),
            (None, None) if base == pg_sys::BPCHAROID => Self::Text { trim: true },
            (None, None) if matches!(base, pg_sys::TEXTOID | pg_sys::VARCHAROID) => Self::Text { trim: false },
            (None, None) if base == pg_sys::NAMEOID || category == "E" => Self::Output(base),
            // Read through a cast, whatever type it is.
            (None, None) if category != "A" && matches!(type_name, "vector" | "halfvec") => Self::Vector,
            (None, None) => Self::Unsupported,
        }
    }
}

impl Column {
    /// Whether it holds words of a fixed list.
    pub fn is_enum(&self) -> bool {
        matches!(self.kind, Kind::Output(_))
    }

    fn require_supported(&self) -> Result<()> {
        if self.kind != Kind::Unsupported {
            return Ok(());
        }
        let derive = match self.type_name.as_str() {
            "date" | "timestamp" | "timestamptz" | "time" | "timetz" | "interval" => {
                format!("EXTRACT(epoch FROM \"{}\")", self.name)
            }
            "json" | "jsonb" => format!("(\"{}\"->>'key')::real", self.name),
            _ => format!("\"{}\"::text", self.name),
        };
        Err(Error::new(
            ErrorKind::WrongType,
            format!("column \"{}\" has type {}, which cannot be learnt from", self.name, self.declared),
        )
        .with_hint(format!(
            "derive a number or text from it in a view, for example {derive}, or leave it out: \
             preprocess => '{{\"{}\": {{\"role\": \"ignore\"}}}}'",
            self.name
        )))
    }
}

/// A name that the query gives as bytes of UTF-8.
fn utf8(row: &SpiHeapTupleData<'_>, ordinal: usize) -> Result<Option<String>> {
    let bytes = row.get::<Vec<u8>>(ordinal).map_err(spi_error)?;
    bytes.map(String::from_utf8).transpose().map_err(|_| internal("a name that is not UTF-8"))
}

/// A type as SQL writes it, with its schema unless that is `pg_catalog`, which every search path has.
fn qualified_type(type_oid: pg_sys::Oid, typmod: i32) -> String {
    let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
    // SAFETY: the type is that of a column; the answer is a C string, which is copied.
    let name =
        unsafe { to_utf8(CStr::from_ptr(pg_sys::format_type_extended(type_oid, typmod, flags as _)).to_bytes()) };
    name.strip_prefix("pg_catalog.").unwrap_or(name).to_owned()
}

/// An SPI failure that is not a PostgreSQL error (those pass through unchanged).
pub fn spi_error(error: pgrx::spi::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("reading the catalog failed: {error}"))
}

fn internal(what: &str) -> Error {
    Error::new(ErrorKind::Internal, what)
}
