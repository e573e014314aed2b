//! Arrays of floats as arguments and results, without a copy on the way in and with one on the way out.

use std::marker::PhantomData;

use pgml_core::{Result, bail};
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum as BoundDatum;
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, pg_sys};

/// An element type that Postgres stores exactly as Rust does.
pub trait Element: Copy + 'static {
    /// The type's object id.
    const OID: pg_sys::Oid;
}

impl Element for f32 {
    const OID: pg_sys::Oid = pg_sys::FLOAT4OID;
}

impl Element for f64 {
    const OID: pg_sys::Oid = pg_sys::FLOAT8OID;
}

/// The largest array that PostgreSQL can make (`MaxAllocSize`).
pub const MAX_BYTES: usize = 0x3fff_ffff;

/// An array argument of any number of dimensions, read flattened in storage order.
pub struct ArrayArg<'a, T> {
    header: *const pg_sys::ArrayType,
    lifetime: PhantomData<&'a T>,
}

impl<'a, T: Element> ArrayArg<'a, T> {
    /// Reads a detoasted array.
    ///
    /// # Safety
    /// `header` points to a whole array of element type `T` that lives for `'a`.
    pub unsafe fn from_header(header: *const pg_sys::ArrayType) -> Self {
        Self { header, lifetime: PhantomData }
    }

    /// The elements.
    ///
    /// # Errors
    /// [`pgml_core::ErrorKind::InvalidData`] when one of them is NULL.
    pub fn values(&self) -> Result<&'a [T]> {
        // SAFETY: by the type's contract the header is followed by its dimensions, an optional null bitmap, and the
        // elements, aligned for `T`.
        unsafe {
            if (*self.header).dataoffset != 0 && pg_sys::array_contains_nulls(self.header.cast_mut()) {
                bail!(InvalidData, "the array contains NULL");
            }
            let (data, n_elements) = elements::<T>(self.header);
            Ok(if n_elements == 0 { &[] } else { std::slice::from_raw_parts(data, n_elements) })
        }
    }
}

/// Where the elements start, and how many there are.
///
/// # Safety
/// `header` points to a whole array of element type `T` without NULLs.
unsafe fn elements<T>(header: *const pg_sys::ArrayType) -> (*mut T, usize) {
    // SAFETY: the header is followed by two numbers per dimension, possibly a null bitmap, and the elements.
    unsafe {
        let n_dims = (*header).ndim;
        let n_elements = pg_sys::ArrayGetNItems(n_dims, header.add(1).cast::<i32>().cast_mut());
        let offset = match (*header).dataoffset {
            0 => data_offset(n_dims),
            offset => usize::try_from(offset).unwrap_or_default(),
        };
        (header.cast_mut().cast::<u8>().add(offset).cast::<T>(), usize::try_from(n_elements).unwrap_or(0))
    }
}

/// Where the elements of an array without a null bitmap start: header and two numbers per dimension, aligned to 8.
fn data_offset(n_dims: i32) -> usize {
    let n_dims = usize::try_from(n_dims).unwrap_or(0);
    (size_of::<pg_sys::ArrayType>() + 2 * size_of::<i32>() * n_dims).next_multiple_of(8)
}

// SAFETY: SQL declares these arguments as `real[]` or `double precision[]`.
unsafe impl<'fcx, T: Element> ArgAbi<'fcx> for ArrayArg<'fcx, T> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: not NULL, so the datum points to a possibly toasted array.
        unsafe {
            let datum = arg.unbox_arg_using_from_datum::<RawDatum>().map_or(pg_sys::Datum::null(), |raw| raw.0);
            Self::from_header(pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast())
        }
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        if arg.is_null() {
            return Nullable::Null;
        }
        // SAFETY: just seen.
        Nullable::Valid(unsafe { Self::unbox_arg_unchecked(arg) })
    }
}

/// A datum as it is.
struct RawDatum(pg_sys::Datum);

impl FromDatum for RawDatum {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then_some(Self(datum))
    }
}

/// A one-dimensional array in Postgres's memory, to be returned.
pub struct ArrayOut<T> {
    header: *mut pg_sys::ArrayType,
    element: PhantomData<T>,
}

impl<T: Element> ArrayOut<T> {
    /// An array of `n_elements`, filled by `fill`.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn build(n_elements: usize, fill: impl FnOnce(&mut [T]) -> Result<()>) -> Result<Self> {
        let offset = data_offset(i32::from(n_elements > 0));
        let bytes = offset + n_elements * size_of::<T>();
        // SAFETY: palloc0 gives `bytes` zeroed bytes or raises an error; the layout is that of an array without NULLs.
        unsafe {
            let header = pg_sys::palloc0(bytes).cast::<pg_sys::ArrayType>();
            pgrx::varlena::set_varsize_4b(header.cast(), i32::try_from(bytes).unwrap_or(i32::MAX));
            (*header).elemtype = T::OID;
            if n_elements > 0 {
                (*header).ndim = 1;
                let dims = header.add(1).cast::<i32>();
                *dims = i32::try_from(n_elements).unwrap_or(i32::MAX);
                *dims.add(1) = 1;
                let data = header.cast::<u8>().add(offset).cast::<T>();
                fill(std::slice::from_raw_parts_mut(data, n_elements))?;
            }
            Ok(Self { header, element: PhantomData })
        }
    }

    /// An array of these elements, NULL where `nulls` says (ascending positions); a matrix when `n_columns` are given.
    ///
    /// # Errors
    /// [`pgml_core::ErrorKind::InvalidData`] when it is larger than an array can be.
    pub fn with_nulls(values: &[T], nulls: impl Iterator<Item = usize>, n_columns: Option<usize>) -> Result<Self> {
        let mut present = vec![u8::MAX; values.len().div_ceil(8)];
        let mut n_nulls = 0;
        for position in nulls {
            present[position / 8] &= !(1 << (position % 8));
            n_nulls += 1;
        }
        let n_dims = if values.is_empty() { 0 } else { 1 + usize::from(n_columns.is_some()) };
        let bitmap = if n_nulls == 0 { 0 } else { present.len() };
        let dims_end = size_of::<pg_sys::ArrayType>() + 2 * size_of::<i32>() * n_dims;
        let offset = (dims_end + bitmap).next_multiple_of(8);
        let bytes = offset + (values.len() - n_nulls) * size_of::<T>();
        if bytes > MAX_BYTES {
            bail!(InvalidData, "{} elements are more than an array can hold", values.len());
        }
        // SAFETY: palloc gives `bytes` bytes or raises an error; the layout is that of an array: header, lengths, lower
        // bounds, a bitmap if there are NULLs, and the elements that are none.
        unsafe {
            let header = pg_sys::palloc(bytes).cast::<pg_sys::ArrayType>();
            header.cast::<u8>().write_bytes(0, offset);
            pgrx::varlena::set_varsize_4b(header.cast(), bytes as i32);
            (*header).ndim = n_dims as i32;
            (*header).elemtype = T::OID;
            (*header).dataoffset = if n_nulls == 0 { 0 } else { offset as i32 };
            let dims = header.add(1).cast::<i32>();
            let lengths = [values.len() / n_columns.unwrap_or(1), n_columns.unwrap_or(1)];
            for (i, length) in lengths.iter().take(n_dims).enumerate() {
                *dims.add(i) = *length as i32;
                *dims.add(n_dims + i) = 1;
            }
            std::ptr::copy_nonoverlapping(present.as_ptr(), header.cast::<u8>().add(dims_end), bitmap);
            let data = header.cast::<u8>().add(offset).cast::<T>();
            let mut next = 0;
            for (position, value) in values.iter().enumerate() {
                if n_nulls == 0 || present[position / 8] >> (position % 8) & 1 == 1 {
                    *data.add(next) = *value;
                    next += 1;
                }
            }
            Ok(Self { header, element: PhantomData })
        }
    }

    /// The elements, to be changed.
    ///
    /// # Safety
    /// The array has no NULLs, as one from [`ArrayOut::build`] or one whose [`ArrayArg::values`] were read.
    pub unsafe fn values_mut(&mut self) -> &mut [T] {
        // SAFETY: by contract; this owns the array.
        unsafe {
            let (data, n_elements) = elements::<T>(self.header);
            if n_elements == 0 { &mut [] } else { std::slice::from_raw_parts_mut(data, n_elements) }
        }
    }

    /// An array with these elements.
    pub fn from_values(values: &[T]) -> Self {
        let built = Self::build(values.len(), |out| {
            out.copy_from_slice(values);
            Ok(())
        });
        built.expect("copying does not fail")
    }
}

/// An argument handed back as it came.
impl<T> From<ArrayArg<'_, T>> for ArrayOut<T> {
    fn from(arg: ArrayArg<'_, T>) -> Self {
        Self { header: arg.header.cast_mut(), element: PhantomData }
    }
}

// SAFETY: the pointer is a palloc'd array, which is what an array result is.
unsafe impl<T: Element> BoxRet for ArrayOut<T> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> BoundDatum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.header)) }
    }
}
