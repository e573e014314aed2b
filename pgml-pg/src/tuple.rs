//! Attributes of a composite value, read straight from its bytes.
//!
//! What `heap_deform_tuple` does, for the attributes that are wanted alone and without a call: where every attribute up
//! to the last wanted one has a fixed width, and no value is NULL, each stands at a known place.

use pgrx::pg_sys;

/// How one attribute is stored.
#[derive(Debug, Clone, Copy)]
pub struct Stored {
    /// Bytes; -1 for a value with a length of its own, -2 for a C string.
    pub length: i16,
    /// What its place is a multiple of: 1, 2, 4 or 8.
    pub align: usize,
    /// Whether the datum is the value itself.
    pub by_value: bool,
}

impl Stored {
    /// As the catalog's row of the attribute says.
    pub fn of(attribute: &pg_sys::FormData_pg_attribute) -> Self {
        let align = match attribute.attalign as u8 {
            b's' => 2,
            b'i' => 4,
            b'd' => 8,
            _ => 1,
        };
        Self { length: attribute.attlen, align, by_value: attribute.attbyval }
    }
}

/// Where the wanted attributes of one composite type are.
#[derive(Debug)]
pub struct Layout {
    /// Every attribute up to the last wanted one, and which of the wanted it is.
    attributes: Vec<(Stored, Option<usize>)>,
    /// The places of the wanted attributes when nothing is NULL, if those do not depend on the values.
    fixed: Option<Vec<(Stored, usize)>>,
}

impl Layout {
    /// The layout for the `wanted` attributes, all different, of a type that has these.
    pub fn new(all: &[Stored], wanted: &[usize]) -> Self {
        let n_read = wanted.iter().map(|attribute| attribute + 1).max().unwrap_or(0);
        let place = |attribute: usize| wanted.iter().position(|w| *w == attribute);
        let attributes: Vec<_> = all.iter().take(n_read).enumerate().map(|(i, stored)| (*stored, place(i))).collect();
        let fixed = fixed_places(&attributes, wanted.len());
        Self { attributes, fixed }
    }

    /// The bytes of a value without NULLs, and where in them each wanted attribute is stored, if that is known.
    ///
    /// # Safety
    /// `header` is a detoasted composite value of the type that the layout was made for.
    #[inline]
    pub unsafe fn places(&self, header: *const pg_sys::HeapTupleHeaderData) -> Option<(*const u8, &[(Stored, usize)])> {
        let places = self.fixed.as_deref()?;
        // SAFETY: as promised by the caller.
        unsafe {
            let n_attributes = (*header).t_infomask2 as u32 & pg_sys::HEAP_NATTS_MASK;
            let nulls = (*header).t_infomask as u32 & pg_sys::HEAP_HASNULL != 0;
            let whole = !nulls && n_attributes as usize >= self.attributes.len();
            whole.then(|| (header.cast::<u8>().add((*header).t_hoff as usize), places))
        }
    }

    /// Calls `each` with every wanted attribute's number among the wanted ones and its datum, `None` for NULL. False, with nothing called, when
    /// the value was made before the type had its last wanted attribute.
    ///
    /// # Safety
    /// `header` is a detoasted composite value of the type that the layout was made for.
    #[inline]
    pub unsafe fn read(
        &self,
        header: *const pg_sys::HeapTupleHeaderData,
        each: impl FnMut(usize, Option<pg_sys::Datum>),
    ) -> bool {
        // SAFETY: as promised by the caller: the bytes are those of a tuple of this layout.
        unsafe {
            let n_attributes = (*header).t_infomask2 as u32 & pg_sys::HEAP_NATTS_MASK;
            if (n_attributes as usize) < self.attributes.len() {
                return false;
            }
            let data = header.cast::<u8>().add((*header).t_hoff as usize);
            let nulls = (*header).t_infomask as u32 & pg_sys::HEAP_HASNULL != 0;
            self.walk(data, nulls.then(|| (&raw const (*header).t_bits).cast()), each);
        }
        true
    }

    /// Attribute by attribute, as each one's place depends on those before.
    unsafe fn walk(
        &self,
        data: *const u8,
        present: Option<*const u8>,
        mut each: impl FnMut(usize, Option<pg_sys::Datum>),
    ) {
        let mut offset = 0_usize;
        for (number, (stored, wanted)) in self.attributes.iter().enumerate() {
            // SAFETY: the tuple has this attribute, and its bitmap a bit for it; bytes are read as the type lays them out.
            unsafe {
                if present.is_some_and(|bits| *bits.add(number / 8) >> (number % 8) & 1 == 0) {
                    if let Some(wanted) = wanted {
                        each(*wanted, None);
                    }
                    continue;
                }
                // A value with a short header stands where the last one ended, and never begins with a zero.
                if stored.length != -1 || *data.add(offset) == 0 {
                    offset = offset.next_multiple_of(stored.align);
                }
                let place = data.add(offset);
                if let Some(wanted) = wanted {
                    each(*wanted, Some(datum(place, *stored)));
                }
                offset += match stored.length {
                    -1 => pgrx::varsize_any(place.cast()),
                    -2 => std::ffi::CStr::from_ptr(place.cast()).to_bytes_with_nul().len(),
                    length => length as usize,
                };
            }
        }
    }
}

fn fixed_places(attributes: &[(Stored, Option<usize>)], n_wanted: usize) -> Option<Vec<(Stored, usize)>> {
    let mut places = vec![None; n_wanted];
    let mut offset = 0_usize;
    for (stored, wanted) in attributes {
        offset = offset.next_multiple_of(stored.align);
        if let Some(wanted) = wanted {
            places[*wanted] = Some((*stored, offset));
        }
        offset += usize::try_from(stored.length).ok()?;
    }
    places.into_iter().collect()
}

/// The datum of the value at `place`.
///
/// # Safety
/// A value that is stored in this way stands there.
#[inline]
pub unsafe fn datum(place: *const u8, stored: Stored) -> pg_sys::Datum {
    if !stored.by_value {
        return pg_sys::Datum::from(place);
    }
    // SAFETY: a value of that many bytes, aligned for its type.
    unsafe {
        match stored.length {
            1 => pg_sys::Datum::from(*place),
            2 => pg_sys::Datum::from(*place.cast::<i16>()),
            4 => pg_sys::Datum::from(*place.cast::<i32>()),
            _ => pg_sys::Datum::from(*place.cast::<i64>()),
        }
    }
}
