//! Finds a relation and reads it into columns: as the caller sees it, privileges and row-level security included.

use std::collections::HashMap;
use std::ffi::{CStr, CString};

use pgml_core::run::Reservation;
use pgml_core::schema::Schema;
use pgml_core::{Error, ErrorKind, Floats, Result, Run, Table, TableColumn, Values, bail};
use pgrx::{PgMemoryContexts, Spi, check_for_interrupts, pg_sys};

use crate::datum::{self, NumberType};

/// Rows fetched at a time: enough to forget the cost of the call, few enough to stay in cache.
const FETCH: i64 = 4096;

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
        let (schema, name) = split_name(given)?;
        let columns = Spi::connect(|client| -> Result<_> {
            let rows = client
                .select(COLUMNS_OF_RELATION, None, &[schema.clone().into(), name.as_str().into()])
                .map_err(spi_error)?;
            let mut quoted = None;
            let mut columns = Vec::new();
            for row in rows {
                let text = |ordinal: usize| -> Result<String> {
                    row.get::<String>(ordinal).map_err(spi_error)?.ok_or_else(|| internal("a NULL in the catalog"))
                };
                quoted = Some(text(1)?);
                // A relation without columns still has one row, with NULLs.
                let Some(column) = row.get::<String>(2).map_err(spi_error)? else { continue };
                let base = row.get::<pg_sys::Oid>(4).map_err(spi_error)?.unwrap_or(pg_sys::InvalidOid);
                let nullable = row.get::<bool>(3).map_err(spi_error)?.unwrap_or(true);
                let kind = Kind::of(base, &text(5)?, &text(6)?);
                let declared_as = row.get::<pg_sys::Oid>(7).map_err(spi_error)?.unwrap_or(pg_sys::InvalidOid);
                let declared = qualified_type(declared_as, row.get::<i32>(8).map_err(spi_error)?.unwrap_or(-1));
                columns.push(Column { name: column, nullable, type_name: text(5)?, declared, kind });
            }
            Ok((quoted, columns))
        })?;
        let (Some(quoted), columns) = columns else {
            return Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{given}\" does not exist"))
                .with_hint("name it as schema.table, or put its schema on the search_path"));
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
        let reservations = without_synchronized_scans(|| read_cursor(&select, &mut builders, run))?;
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

/// A type as SQL writes it, with its schema unless that is `pg_catalog`, which every search path has.
fn qualified_type(type_oid: pg_sys::Oid, typmod: i32) -> String {
    let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
    // SAFETY: the type is that of a column; the answer is a C string, which is copied.
    let name = unsafe { CStr::from_ptr(pg_sys::format_type_extended(type_oid, typmod, flags as _)) }.to_string_lossy();
    name.strip_prefix("pg_catalog.").unwrap_or(&name).to_owned()
}

/// Splits `schema.table` at its first dot outside quotes.
fn split_name(given: &str) -> Result<(Option<String>, String)> {
    let mut parts = vec![String::new()];
    let mut chars = given.trim().chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut parts, '"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => push(&mut parts, other),
        }
    }
    let malformed = || {
        Error::new(ErrorKind::InvalidParameter, format!("relation name \"{given}\" is not schema.table"))
            .with_hint("quote a name that has dots in it: 'public.\"my.table\"'")
    };
    if quoted || parts.iter().any(String::is_empty) {
        return Err(malformed());
    }
    match <[String; 2]>::try_from(parts) {
        Ok([schema, name]) => Ok((Some(schema), name)),
        Err(mut parts) if parts.len() == 1 => Ok((None, parts.remove(0))),
        Err(_) => Err(malformed()),
    }
}

fn push(parts: &mut [String], c: char) {
    if let Some(last) = parts.last_mut() {
        last.push(c);
    }
}

/// The order of rows that `last` sampling means is the table's own: a scan must not start in the middle.
fn without_synchronized_scans<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let name = c"synchronize_seqscans";
    // SAFETY: plain calls into the settings machinery, undone below or by the transaction's abort.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            name.as_ptr(),
            c"off".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        let result = work();
        pg_sys::AtEOXact_GUC(true, level);
        result
    }
}

/// Fetches the rows of `select` into `builders`, one memory context per batch.
fn read_cursor(select: &str, builders: &mut [Builder], run: &Run) -> Result<Vec<Reservation>> {
    let select = CString::new(select).map_err(|_| internal("a NUL in a column name"))?;
    Spi::connect(|_| {
        // SAFETY: inside SPI; the portal lives until it is closed, errors unwind through SPI's own clean-up.
        unsafe {
            let plan = pg_sys::SPI_prepare(select.as_ptr(), 0, std::ptr::null_mut());
            if plan.is_null() {
                return Err(internal("the relation's SELECT could not be prepared"));
            }
            // Not read-only: a relation made by this same call must be visible.
            let portal = pg_sys::SPI_cursor_open(std::ptr::null(), plan, std::ptr::null_mut(), std::ptr::null(), false);
            let result = fetch_all(portal, builders, run);
            pg_sys::SPI_cursor_close(portal);
            result
        }
    })
}

unsafe fn fetch_all(portal: pg_sys::Portal, builders: &mut [Builder], run: &Run) -> Result<Vec<Reservation>> {
    let mut scratch = PgMemoryContexts::new("pgml rows");
    let mut reservations = Vec::new();
    let mut done = 0_u64;
    loop {
        check_for_interrupts!();
        // SAFETY: the portal is open; the tuple table is freed before the next fetch.
        let fetched = unsafe {
            pg_sys::SPI_cursor_fetch(portal, true, FETCH);
            let fetched = pg_sys::SPI_processed;
            let table = pg_sys::SPI_tuptable;
            let before: u64 = builders.iter().map(Builder::bytes).sum();
            let result = scratch.switch_to(|_| append(table, fetched as usize, builders));
            scratch.reset();
            pg_sys::SPI_freetuptable(table);
            result?;
            let after: u64 = builders.iter().map(Builder::bytes).sum();
            reservations.push(run.reserve(after.saturating_sub(before), "the training data")?);
            fetched
        };
        done += fetched;
        run.progress("reading", done, 0);
        if fetched == 0 {
            return Ok(reservations);
        }
    }
}

unsafe fn append(table: *mut pg_sys::SPITupleTable, rows: usize, builders: &mut [Builder]) -> Result<()> {
    let mut datums = vec![pg_sys::Datum::null(); builders.len()];
    let mut nulls = vec![true; builders.len()];
    for row in 0..rows {
        // SAFETY: the tuple table has `rows` tuples of its descriptor, whose width is that of the SELECT list.
        unsafe {
            let tuple = *(*table).vals.add(row);
            pg_sys::heap_deform_tuple(tuple, (*table).tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
            for ((builder, datum), is_null) in builders.iter_mut().zip(&datums).zip(&nulls) {
                builder.push((!is_null).then_some(*datum))?;
            }
        }
    }
    Ok(())
}

/// One column while it is read.
struct Builder {
    name: String,
    kind: Kind,
    rows: usize,
    values: Building,
}

enum Building {
    F32(Vec<f32>),
    F64(Vec<f64>),
    Text {
        codes: Vec<u32>,
        seen: HashMap<String, u32>,
        dictionary: Vec<String>,
        text_bytes: u64,
    },
    /// Arrays: one column per element, made when the first array that is not NULL tells how many there are.
    Elements {
        wide: bool,
        elements: Vec<Floats>,
        buffer: Vec<f64>,
    },
}

impl Builder {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Number(number) if number.fits_f32() => Building::F32(Vec::new()),
            Kind::Number(_) => Building::F64(Vec::new()),
            Kind::NumberArray(number) => {
                Building::Elements { wide: !number.fits_f32(), elements: Vec::new(), buffer: Vec::new() }
            }
            Kind::Vector => Building::Elements { wide: false, elements: Vec::new(), buffer: Vec::new() },
            Kind::Text { .. } | Kind::Output(_) | Kind::Unsupported => Building::Text {
                codes: Vec::new(),
                seen: HashMap::new(),
                dictionary: vec![String::new()],
                text_bytes: 0,
            },
        };
        Self { name: column.name.clone(), kind: column.kind, rows: 0, values }
    }

    fn bytes(&self) -> u64 {
        match &self.values {
            Building::F32(v) => 4 * v.len() as u64,
            Building::F64(v) => 8 * v.len() as u64,
            Building::Text { codes, text_bytes, .. } => 4 * codes.len() as u64 + text_bytes,
            Building::Elements { elements, .. } => elements.iter().map(Floats::bytes).sum(),
        }
    }

    /// Adds a row's value.
    unsafe fn push(&mut self, datum: Option<pg_sys::Datum>) -> Result<()> {
        // SAFETY: the datum is of this column's type.
        unsafe {
            match (&mut self.values, self.kind) {
                (Building::F32(v), Kind::Number(number)) => v.push(datum.map_or(f32::NAN, |d| number.read(d) as f32)),
                (Building::F64(v), Kind::Number(number)) => v.push(datum.map_or(f64::NAN, |d| number.read(d))),
                (Building::Text { codes, seen, dictionary, text_bytes }, kind) => {
                    let code = match datum {
                        None => 0,
                        Some(datum) => {
                            let text = match kind {
                                Kind::Output(oid) => datum::output(oid, datum),
                                Kind::Text { trim: true } => datum::text(datum).trim_end_matches(' ').to_owned(),
                                _ => datum::text(datum).to_owned(),
                            };
                            intern(text, seen, dictionary, text_bytes)?
                        }
                    };
                    codes.push(code);
                }
                (Building::Elements { wide, elements, buffer }, kind) => {
                    let number = match kind {
                        Kind::NumberArray(number) => number,
                        _ => NumberType::Float4,
                    };
                    buffer.clear();
                    if let Some(datum) = datum {
                        datum::array_into(datum, number, buffer);
                    }
                    push_elements(&self.name, self.rows, *wide, elements, datum.is_some(), buffer)?;
                }
                _ => return Err(internal("a column is read as another type than its own")),
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(self, name: &str) -> Result<Values> {
        Ok(match self.values {
            Building::F32(mut v) => {
                v.shrink_to_fit();
                Values::Number(Floats::F32(v))
            }
            Building::F64(mut v) => {
                v.shrink_to_fit();
                Values::Number(Floats::F64(v))
            }
            Building::Text { codes, dictionary, .. } => Values::Text { codes, dictionary },
            Building::Elements { elements, .. } if elements.is_empty() && self.rows > 0 => {
                bail!(InvalidData, "array column \"{name}\" has no element in any row")
            }
            Building::Elements { elements, .. } => Values::Array(elements),
        })
    }
}

fn intern(
    text: String,
    seen: &mut HashMap<String, u32>,
    dictionary: &mut Vec<String>,
    text_bytes: &mut u64,
) -> Result<u32> {
    if let Some(code) = seen.get(&text) {
        return Ok(*code);
    }
    let Ok(code) = u32::try_from(dictionary.len()) else {
        bail!(InvalidData, "a text column has more than {} distinct values", u32::MAX);
    };
    *text_bytes += 2 * (text.len() as u64 + 32);
    dictionary.push(text.clone());
    seen.insert(text, code);
    Ok(code)
}

/// Appends one row's array, or NaN for each element of a NULL array.
fn push_elements(
    name: &str,
    rows_before: usize,
    wide: bool,
    elements: &mut Vec<Floats>,
    present: bool,
    row: &[f64],
) -> Result<()> {
    if present && elements.is_empty() && !row.is_empty() {
        // Rows before the first array were all NULL.
        let missing = || {
            if wide { Floats::F64(vec![f64::NAN; rows_before]) } else { Floats::F32(vec![f32::NAN; rows_before]) }
        };
        *elements = (0..row.len()).map(|_| missing()).collect();
    }
    if present && row.len() != elements.len() {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!(
                "mismatched array length for feature \"{name}\": expected {}, received {} in row {}",
                elements.len(),
                row.len(),
                rows_before + 1
            ),
        )
        .with_hint("every row needs an array of the same length"));
    }
    for (i, element) in elements.iter_mut().enumerate() {
        let value = if present { row[i] } else { f64::NAN };
        match element {
            Floats::F32(v) => v.push(value as f32),
            Floats::F64(v) => v.push(value),
        }
    }
    Ok(())
}

/// An SPI failure that is not a PostgreSQL error (those pass through unchanged).
pub fn spi_error(error: pgrx::spi::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("reading the catalog failed: {error}"))
}

fn internal(what: &str) -> Error {
    Error::new(ErrorKind::Internal, what)
}
