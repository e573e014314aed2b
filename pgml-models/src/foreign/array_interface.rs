//! NumPy's array interface (version 3) as JSON: how XGBoost is told where arrays lie, without copying them.

use pgml_core::Floats;
use serde_json::{Value, json};

/// A type with a NumPy type string.
pub(super) trait Scalar {
    /// Little endian, kind, bytes.
    const TYPESTR: &'static str;
}

impl Scalar for f32 {
    const TYPESTR: &'static str = "<f4";
}

impl Scalar for f64 {
    const TYPESTR: &'static str = "<f8";
}

impl Scalar for u32 {
    const TYPESTR: &'static str = "<u4";
}

/// A vector, or a row-major matrix when `n_columns` is more than 1.
pub(super) fn array<T: Scalar>(values: &[T], n_columns: usize) -> Value {
    let shape = if n_columns > 1 { json!([values.len() / n_columns, n_columns]) } else { json!([values.len()]) };
    json!({"data": [values.as_ptr() as usize, true], "shape": shape, "typestr": T::TYPESTR, "version": 3})
}

/// A feature column.
pub(super) fn floats(values: &Floats) -> Value {
    match values {
        Floats::F32(v) => array(v, 1),
        Floats::F64(v) => array(v, 1),
    }
}
