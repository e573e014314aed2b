//! Arrays of raw features as `predict` gets them.

use std::ffi::CStr;

use pgml_core::{Error, ErrorKind, MatrixRef, Result};
use pgrx::{AnyArray, check_for_interrupts, pg_sys};

use crate::cache::Loaded;
use crate::datum::{self, NumberType, PlainArray};

/// Rows that are predicted at a time: their numbers stay in the cache, and a cancel is heard between.
const BLOCK_ROWS: usize = 1024;

/// Appends the array's numbers in storage order; NULL elements are missing values.
///
/// # Errors
/// [`ErrorKind::WrongType`] when the elements are no numbers.
pub fn read(array: &AnyArray, out: &mut Vec<f64>) -> Result<()> {
    let (array, number) = open(array)?;
    // SAFETY: `open` read the element type from the array.
    unsafe { datum::elements_into(array, number, out) };
    Ok(())
}

/// Calls `each` with the array's rows, some at a time, so that a large array is not copied as a whole.
///
/// # Errors
/// Those of [`read`], [`rows`] and `each`.
pub fn each_block(array: &AnyArray, model: &Loaded, mut each: impl FnMut(MatrixRef<'_>) -> Result<()>) -> Result<()> {
    let (header, number) = open(array)?;
    let mut raw = Vec::new();
    // SAFETY: the array outlives this call.
    let Some(plain) = (unsafe { PlainArray::of(header, number) }) else {
        read(array, &mut raw)?;
        return each(rows(&raw, model)?);
    };
    let width = expect_rows(plain.len(), model)?;
    for start in (0..plain.len()).step_by(BLOCK_ROWS * width) {
        check_for_interrupts!();
        raw.clear();
        plain.append(start, start + BLOCK_ROWS * width, &mut raw);
        each(MatrixRef::new(&raw, width)?)?;
    }
    Ok(())
}

fn open(array: &AnyArray) -> Result<(*mut pg_sys::ArrayType, NumberType)> {
    // SAFETY: the datum is an array; its header tells the element type.
    let (header, element) = unsafe {
        let header = datum::detoasted_array(array.datum());
        (header, (*header).elemtype)
    };
    match NumberType::from_oid(element) {
        Some(number) => Ok((header, number)),
        None => Err(not_numbers(element)),
    }
}

fn not_numbers(element: pg_sys::Oid) -> Error {
    // SAFETY: the type is that of an array's elements; the answer is a C string, which is copied.
    let name = unsafe { CStr::from_ptr(pg_sys::format_type_be(element)) }.to_string_lossy();
    Error::new(ErrorKind::WrongType, format!("features must be an array of numbers, not of {name}"))
        .with_hint("write a row of mixed types as ROW(…), or cast the array, for example to real[]")
}

/// The rows in `raw`: whole rows of what the model takes.
///
/// # Errors
/// [`ErrorKind::WrongDimension`], naming how many values a row has and how many were given.
pub fn rows<'a>(raw: &'a [f64], model: &Loaded) -> Result<MatrixRef<'a>> {
    MatrixRef::new(raw, expect_rows(raw.len(), model)?)
}

/// Fails unless so many values are one row.
///
/// # Errors
/// As [`rows`].
pub fn expect_one_row(n_values: usize, model: &Loaded) -> Result<()> {
    if n_values == model.predictor.n_raw_features() { Ok(()) } else { Err(wrong_number(n_values, model)) }
}

/// How many values a row has, if `n_values` make whole rows.
fn expect_rows(n_values: usize, model: &Loaded) -> Result<usize> {
    let width = model.predictor.n_raw_features();
    if n_values == 0 || !n_values.is_multiple_of(width) {
        return Err(wrong_number(n_values, model));
    }
    Ok(width)
}

fn wrong_number(n_values: usize, model: &Loaded) -> Error {
    let width = model.predictor.n_raw_features();
    let message = format!("the model takes {width} features a row, but {n_values} were given");
    Error::new(ErrorKind::WrongDimension, message).with_detail(format!("its columns: {}", column_list(model)))
}

fn column_list(model: &Loaded) -> String {
    const SHOWN: usize = 20;
    let features: Vec<&str> = model.predictor.schema().features().map(|c| c.name.as_str()).collect();
    let mut list = features.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if features.len() > SHOWN {
        list.push_str(&format!(", and {} more", features.len() - SHOWN));
    }
    list
}
