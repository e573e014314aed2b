//! Arrays of raw features as `predict` gets them.

use pgml_core::{Error, ErrorKind, MatrixRef, Result};
use pgrx::{AnyArray, pg_sys};

use crate::cache::Loaded;
use crate::datum::{self, NumberType};

/// Appends the array's numbers in storage order; NULL elements are missing values.
///
/// # Errors
/// [`ErrorKind::WrongType`] when the elements are no numbers.
pub fn read(array: &AnyArray, out: &mut Vec<f64>) -> Result<()> {
    // SAFETY: the datum is an array; its header tells the element type.
    unsafe {
        let detoasted = pg_sys::pg_detoast_datum(array.datum().cast_mut_ptr::<pg_sys::varlena>());
        let element = (*detoasted.cast::<pg_sys::ArrayType>()).elemtype;
        let number = NumberType::from_oid(element)
            .ok_or_else(|| Error::new(ErrorKind::WrongType, "features must be an array of numbers"))?;
        datum::array_into(pg_sys::Datum::from(detoasted), number, out);
    }
    Ok(())
}

/// The rows in `raw`: whole rows of what the model takes.
///
/// # Errors
/// [`ErrorKind::WrongDimension`], naming how many values a row has and how many were given.
pub fn rows<'a>(raw: &'a [f64], model: &Loaded) -> Result<MatrixRef<'a>> {
    let width = model.predictor.n_raw_features();
    if raw.is_empty() || !raw.len().is_multiple_of(width) {
        return Err(Error::new(
            ErrorKind::WrongDimension,
            format!("the model takes {width} features a row, but {} were given", raw.len()),
        )
        .with_detail(format!("its columns: {}", column_list(model))));
    }
    MatrixRef::new(raw, width)
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
