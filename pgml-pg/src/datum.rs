//! Reads numbers and texts out of PostgreSQL values.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

use crate::encoding::to_utf8;

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
    unsafe {
        let packed = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        to_utf8(pgrx::varlena::varlena_to_byte_slice(packed))
    }
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
        let owned = to_utf8(CStr::from_ptr(text).to_bytes()).to_owned();
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

/// As [`vector_cast`], remembered for the type that was asked for last: once per row is too often to search the catalog.
/// A type that is made anew has another object id; a cast that is dropped takes its function, whose call then fails.
///
/// # Safety
/// As [`vector_cast`].
pub unsafe fn vector_cast_of_last(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    thread_local! {
        static LAST: Cell<Option<(pg_sys::Oid, pg_sys::Oid)>> = const { Cell::new(None) };
    }
    match LAST.get() {
        Some((known, cast)) if known == type_oid => Some(cast),
        _ => {
            // SAFETY: as promised by the caller.
            let cast = unsafe { vector_cast(type_oid) }?;
            LAST.set(Some((type_oid, cast)));
            Some(cast)
        }
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
    // SAFETY: as promised by the caller.
    unsafe { elements_into(detoasted_array(datum), number, out) }
}

/// The array with its header. A copy, if one has to be made, lives in the current memory context.
///
/// # Safety
/// The datum is an array and not NULL.
#[inline]
pub unsafe fn detoasted_array(datum: pg_sys::Datum) -> *mut pg_sys::ArrayType {
    let pointer = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: as promised by the caller. Arrays that an expression made are plain already, which is seen without a call.
    unsafe {
        let plain = pgrx::varlena::varatt_is_4b_u(pointer);
        if plain { pointer.cast() } else { pg_sys::pg_detoast_datum(pointer).cast() }
    }
}

/// As [`array_into`], of a detoasted array.
///
/// # Safety
/// The array's elements are `number`s.
#[inline]
pub unsafe fn elements_into(array: *mut pg_sys::ArrayType, number: NumberType, out: &mut Vec<f64>) {
    // SAFETY: as promised by the caller.
    unsafe {
        if let Some(plain) = PlainArray::of(array, number) {
            return plain.append(0, plain.len(), out);
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

/// An array of fixed-width numbers without NULLs, read straight from its memory.
#[derive(Debug, Clone, Copy)]
pub struct PlainArray {
    data: *const u8,
    len: usize,
    number: NumberType,
}

impl PlainArray {
    /// `None` when it is no such array.
    ///
    /// # Safety
    /// The array is detoasted, and outlives the result.
    #[inline]
    pub unsafe fn of(array: *mut pg_sys::ArrayType, number: NumberType) -> Option<Self> {
        // SAFETY: an array without NULLs holds its elements contiguously behind its header and dimensions.
        unsafe {
            if (*array).dataoffset != 0 || number == NumberType::Numeric || (*array).elemtype != number.oid() {
                return None;
            }
            let ndim = (*array).ndim as usize;
            let dims = std::slice::from_raw_parts(array.add(1).cast::<i32>(), ndim);
            let len = if ndim == 0 { 0 } else { dims.iter().map(|d| *d as usize).product::<usize>() };
            let header = size_of::<pg_sys::ArrayType>() + 2 * ndim * size_of::<i32>();
            let data = array.cast::<u8>().add(header.next_multiple_of(8)).cast_const();
            Some(Self { data, len, number })
        }
    }

    /// How many elements it has, over all dimensions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends the elements from `start` up to, without, `end`; what the array does not have is left out.
    #[inline]
    pub fn append(&self, start: usize, end: usize, out: &mut Vec<f64>) {
        let end = end.min(self.len);
        let n = end.saturating_sub(start);
        macro_rules! copy {
            ($type:ty, $convert:expr) => {{
                // SAFETY: the elements `start..end` exist; data of an array without NULLs is aligned for its type.
                let values = unsafe {
                    std::slice::from_raw_parts(self.data.cast::<$type>().add(if n == 0 { 0 } else { start }), n)
                };
                out.extend(values.iter().map($convert))
            }};
        }
        match self.number {
            NumberType::Bool => copy!(u8, |x| f64::from(u8::from(*x != 0))),
            NumberType::Int2 => copy!(i16, |x| f64::from(*x)),
            NumberType::Int4 => copy!(i32, |x| f64::from(*x)),
            NumberType::Int8 => copy!(i64, |x| *x as f64),
            NumberType::Float4 => copy!(f32, |x| f64::from(*x)),
            // Numerics have no fixed width: `of` refuses them.
            NumberType::Float8 | NumberType::Numeric => copy!(f64, |x| *x),
        }
    }
}
