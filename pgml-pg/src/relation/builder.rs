//! Columns while they are read, value by value, straight into typed vectors.

use std::collections::HashMap;

use pgml_core::{Error, ErrorKind, Floats, Result, Values, bail};
use pgrx::pg_sys;

use super::{Column, Kind, internal};
use crate::datum::{self, NumberType};

/// One column while it is read.
pub struct Builder {
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
    /// An empty column.
    pub fn new(column: &Column) -> Self {
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

    /// Bytes of memory taken so far.
    pub fn bytes(&self) -> u64 {
        match &self.values {
            Building::F32(v) => 4 * v.len() as u64,
            Building::F64(v) => 8 * v.len() as u64,
            Building::Text { codes, text_bytes, .. } => 4 * codes.len() as u64 + text_bytes,
            Building::Elements { elements, .. } => elements.iter().map(Floats::bytes).sum(),
        }
    }

    /// Adds a row's value.
    ///
    /// # Safety
    /// The datum is of this column's type.
    pub unsafe fn push(&mut self, datum: Option<pg_sys::Datum>) -> Result<()> {
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

    /// The column, whose name is for messages.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] for arrays that are all empty or NULL.
    pub fn finish(self, name: &str) -> Result<Values> {
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
