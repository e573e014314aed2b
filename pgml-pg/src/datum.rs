//! Reads numbers and texts out of PostgreSQL values.

use std::ffi::CStr;

use pgrx::{FromDatum, pg_sys};

/// A SQL type whose values are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberType {
    /// `boolean`: 0 or 1.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`.
    Numeric,
}

impl NumberType {
    /// The type of this object id.
    pub fn from_oid(oid: pg_sys::Oid) -> Option<Self> {
        Some(match oid {
            pg_sys::BOOLOID => Self::Bool,
            pg_sys::INT2OID => Self::Int2,
            pg_sys::INT4OID => Self::Int4,
            pg_sys::INT8OID => Self::Int8,
            pg_sys::FLOAT4OID => Self::Float4,
            pg_sys::FLOAT8OID => Self::Float8,
            pg_sys::NUMERICOID => Self::Numeric,
            _ => return None,
        })
    }

    /// Its object id.
    pub fn oid(self) -> pg_sys::Oid {
        match self {
            Self::Bool => pg_sys::BOOLOID,
            Self::Int2 => pg_sys::INT2OID,
            Self::Int4 => pg_sys::INT4OID,
            Self::Int8 => pg_sys::INT8OID,
            Self::Float4 => pg_sys::FLOAT4OID,
            Self::Float8 => pg_sys::FLOAT8OID,
            Self::Numeric => pg_sys::NUMERICOID,
        }
    }

    /// Whether every value is a 32-bit float exactly.
    pub fn fits_f32(self) -> bool {
        matches!(self, Self::Bool | Self::Int2 | Self::Float4)
    }

    /// The number in a datum of this type.
    ///
    /// # Safety
    /// The datum is of this type and not NULL.
    #[inline]
    pub unsafe fn read(self, datum: pg_sys::Datum) -> f64 {
        let bits = datum.value();
        match self {
            Self::Bool => f64::from(u8::from(bits & 0xff != 0)),
            Self::Int2 => f64::from(bits as i16),
            Self::Int4 => f64::from(bits as i32),
            Self::Int8 => bits as i64 as f64,
            Self::Float4 => f64::from(f32::from_bits(bits as u32)),
            Self::Float8 => f64::from_bits(bits as u64),
            // SAFETY: the datum is a numeric.
            Self::Numeric => unsafe { numeric_to_f64(datum) },
        }
    }
}

/// The nearest float; beyond the range of floats an infinity.
unsafe fn numeric_to_f64(datum: pg_sys::Datum) -> f64 {
    // SAFETY: `numeric_float8_no_overflow` takes one numeric and returns a float8, never NULL.
    unsafe { pgrx::direct_function_call::<f64>(pg_sys::numeric_float8_no_overflow, &[Some(datum)]) }.unwrap_or(f64::NAN)
}

/// The text in a datum of a text-like varlena type.
///
/// # Safety
/// The datum is `text`, `varchar` or `bpchar`, not NULL, and lives as long as the result is used.
pub unsafe fn text<'a>(datum: pg_sys::Datum) -> &'a str {
    // SAFETY: as promised by the caller.
    unsafe { <&str>::from_datum(datum, false) }.unwrap_or_default()
}

/// The text form of any value, through its type's output function.
///
/// # Safety
/// The datum is of type `type_oid` and not NULL.
pub unsafe fn output(type_oid: pg_sys::Oid, datum: pg_sys::Datum) -> String {
    let mut function = pg_sys::InvalidOid;
    let mut is_varlena = false;
    // SAFETY: as promised by the caller; output functions return a C string.
    unsafe {
        pg_sys::getTypeOutputInfo(type_oid, &mut function, &mut is_varlena);
        let text = pg_sys::OidOutputFunctionCall(function, datum);
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        pg_sys::pfree(text.cast());
        owned
    }
}

/// The function that casts a vector type of pgvector's (`vector`, `halfvec`) to `real[]`; `None` for every other type.
///
/// # Safety
/// Called in a transaction.
pub unsafe fn vector_cast(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups by type.
    unsafe {
        let name = CStr::from_ptr(pg_sys::format_type_extended(type_oid, -1, 0)).to_bytes();
        // With its schema, or quotes, when it is not on the search path.
        let name = name.rsplit(|byte| *byte == b'.').next()?;
        if name != b"vector" && name != b"halfvec" {
            return None;
        }
        let mut function = pg_sys::InvalidOid;
        let path = pg_sys::find_coercion_pathway(
            pg_sys::FLOAT4ARRAYOID,
            type_oid,
            pg_sys::CoercionContext::COERCION_EXPLICIT,
            &mut function,
        );
        (path == pg_sys::CoercionPathType::COERCION_PATH_FUNC && pg_sys::get_func_nargs(function) == 3)
            .then_some(function)
    }
}

/// Appends the elements of a vector, cast by `cast`.
///
/// # Safety
/// `cast` is what [`vector_cast`] gave for the datum's type; the datum is not NULL.
pub unsafe fn vector_into(datum: pg_sys::Datum, cast: pg_sys::Oid, out: &mut Vec<f64>) {
    // SAFETY: a cast function takes the value, its type modifier and whether the cast is explicit.
    unsafe {
        let (typmod, explicit) = (pg_sys::Datum::from(-1_i32), pg_sys::Datum::from(true));
        let array = pg_sys::OidFunctionCall3Coll(cast, pg_sys::InvalidOid, datum, typmod, explicit);
        array_into(array, NumberType::Float4, out);
    }
}

/// Appends the elements of an array in storage order; NULL elements are NaN.
///
/// # Safety
/// The datum is an array of `number`s and not NULL.
pub unsafe fn array_into(datum: pg_sys::Datum, number: NumberType, out: &mut Vec<f64>) {
    // SAFETY: as promised by the caller. The detoasted copy, if one was made, lives in the current memory context.
    unsafe {
        let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr::<pg_sys::varlena>()).cast::<pg_sys::ArrayType>();
        if fast_array_into(array, number, out) {
            return;
        }
        let (mut length, mut by_value, mut align) = (0, false, 0);
        pg_sys::get_typlenbyvalalign(number.oid(), &mut length, &mut by_value, &mut align);
        let (mut values, mut nulls, mut n) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        pg_sys::deconstruct_array(
            array,
            number.oid(),
            i32::from(length),
            by_value,
            align,
            &mut values,
            &mut nulls,
            &mut n,
        );
        for i in 0..n as usize {
            out.push(if *nulls.add(i) { f64::NAN } else { number.read(*values.add(i)) });
        }
    }
}

/// Copies an array of fixed-width numbers without NULLs straight from its memory; `false` when it is no such array.
unsafe fn fast_array_into(array: *mut pg_sys::ArrayType, number: NumberType, out: &mut Vec<f64>) -> bool {
    macro_rules! copy {
        ($data:expr, $n:expr, $type:ty) => {
            // The data of an array without NULLs begins at an aligned offset.
            out.extend(std::slice::from_raw_parts($data.cast::<$type>(), $n).iter().map(|x| *x as f64))
        };
    }
    // SAFETY: an array without NULLs holds its elements contiguously behind its header and dimensions.
    unsafe {
        if (*array).dataoffset != 0 || number == NumberType::Numeric || (*array).elemtype != number.oid() {
            return false;
        }
        let ndim = (*array).ndim as usize;
        if ndim == 0 {
            return true;
        }
        let dims = array.add(1).cast::<i32>();
        let n = std::slice::from_raw_parts(dims, ndim).iter().map(|d| *d as usize).product::<usize>();
        let header = size_of::<pg_sys::ArrayType>() + 2 * ndim * size_of::<i32>();
        let data = array.cast::<u8>().add(header.next_multiple_of(8));
        match number {
            NumberType::Bool => {
                out.extend(std::slice::from_raw_parts(data, n).iter().map(|x| f64::from(u8::from(*x != 0))))
            }
            NumberType::Int2 => copy!(data, n, i16),
            NumberType::Int4 => copy!(data, n, i32),
            NumberType::Int8 => copy!(data, n, i64),
            NumberType::Float4 => copy!(data, n, f32),
            NumberType::Float8 => copy!(data, n, f64),
            NumberType::Numeric => return false,
        }
    }
    true
}
