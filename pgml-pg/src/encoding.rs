//! Texts between PostgreSQL, in the database's encoding, and Rust, in UTF-8.
//!
//! In a UTF-8 database nothing is converted. Elsewhere PostgreSQL converts, and what has no form in the other encoding is
//! its error. A database in SQL_ASCII has no encoding: its texts must be UTF-8, which is checked.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::OnceLock;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum as BoundDatum;
use pgrx::{IntoDatum, pg_sys};

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;

fn database() -> i32 {
    // A database's encoding never changes, nor does a session's database.
    static ENCODING: OnceLock<i32> = OnceLock::new();
    // SAFETY: reads a variable.
    *ENCODING.get_or_init(|| unsafe { pg_sys::GetDatabaseEncoding() })
}

/// A text of the server's in UTF-8. A converted copy lives in the current memory context.
///
/// # Safety
/// The bytes are a text of this database that lives as long as the result is used.
#[inline]
pub unsafe fn to_utf8(bytes: &[u8]) -> &str {
    // SAFETY: a text of a UTF-8 database is valid UTF-8.
    unsafe { if database() == UTF8 { std::str::from_utf8_unchecked(bytes) } else { converted(bytes) } }
}

/// # Safety
/// As [`to_utf8`].
unsafe fn converted(bytes: &[u8]) -> &str {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    // SAFETY: what comes back is the same bytes, verified or ASCII, or a converted copy that ends in a zero byte.
    unsafe {
        let text = pg_sys::pg_server_to_any(bytes.as_ptr().cast(), length, UTF8);
        let same = text.is_null() || std::ptr::eq(text.cast_const().cast(), bytes.as_ptr());
        std::str::from_utf8_unchecked(if same { bytes } else { CStr::from_ptr(text).to_bytes() })
    }
}

/// A text in the database's encoding.
pub fn to_server(text: &str) -> Cow<'_, [u8]> {
    if database() == UTF8 || text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    // SAFETY: as in `converted`, the other way.
    unsafe {
        let bytes = pg_sys::pg_any_to_server(text.as_ptr().cast(), length, UTF8);
        if bytes.is_null() || std::ptr::eq(bytes.cast_const().cast(), text.as_ptr()) {
            return Cow::Borrowed(text.as_bytes());
        }
        Cow::Owned(CStr::from_ptr(bytes).to_bytes().to_vec())
    }
}

/// A message that any database can pass on: where its encoding is another, what is not ASCII is written as `\u{e9}`.
pub fn message(text: &str) -> Cow<'_, str> {
    let as_it_is = database() == UTF8 || database() == pg_sys::pg_enc::PG_SQL_ASCII as i32 || text.is_ascii();
    if as_it_is {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// A `text` result.
pub struct TextOut(pub String);

impl TextOut {
    /// A new text in the database's encoding.
    fn datum(&self) -> pg_sys::Datum {
        let bytes = to_server(&self.0);
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        // SAFETY: the bytes are copied into the new text.
        unsafe { pg_sys::Datum::from(pg_sys::cstring_to_text_with_len(bytes.as_ptr().cast(), length)) }
    }
}

impl From<&str> for TextOut {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

// SAFETY: the result is a text in the database's encoding.
unsafe impl BoxRet for TextOut {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> BoundDatum<'fcx> {
        // SAFETY: the datum is a text.
        unsafe { fcinfo.return_raw_datum(self.datum()) }
    }
}

impl IntoDatum for TextOut {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.datum())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}
