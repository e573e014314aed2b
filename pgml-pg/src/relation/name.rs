//! Names of relations as users give them.

use pgml_core::error::{did_you_mean, guess_or};
use pgml_core::{Error, ErrorKind, Result};
use pgrx::Spi;

use super::spi_error;

const RELATIONS: &str = include_str!("../../queries/relations.sql");

/// Splits `schema.table` at its first dot outside quotes.
pub fn split(given: &str) -> Result<(Option<String>, String)> {
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

/// The error for a relation that does not exist, with a guess which one was meant.
///
/// # Errors
/// When the catalog cannot be read.
pub fn unknown(given: &str, schema: Option<&str>, name: &str) -> Result<Error> {
    let known = relations()?;
    let elsewhere = known.iter().find(|other| schema.is_none() && other.name == name);
    let known: Vec<String> = known.iter().map(|other| other.written(schema.is_some())).collect();
    let guess = match elsewhere {
        Some(other) => Some(other.written(true)),
        None => did_you_mean(given, known.iter().map(String::as_str)).map(str::to_owned),
    };
    let otherwise = "name it as schema.table, or put its schema on the search_path";
    Ok(Error::new(ErrorKind::UndefinedTable, format!("relation \"{given}\" does not exist"))
        .with_hint(guess_or(guess.as_deref(), otherwise)))
}

struct Known {
    schema: String,
    name: String,
    visible: bool,
}

impl Known {
    /// As `pgml.train` takes it.
    fn written(&self, qualified: bool) -> String {
        if self.visible && !qualified { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }
}

fn relations() -> Result<Vec<Known>> {
    Spi::connect(|client| {
        let rows = client.select(RELATIONS, None, &[]).map_err(spi_error)?;
        rows.map(|row| {
            let text = |ordinal: usize| Ok(row.get::<String>(ordinal).map_err(spi_error)?.unwrap_or_default());
            let visible = row.get::<bool>(3).map_err(spi_error)?.unwrap_or(false);
            Ok(Known { schema: text(1)?, name: text(2)?, visible })
        })
        .collect()
    })
}
