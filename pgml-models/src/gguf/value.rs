//! What stands under a key of a file's metadata.

use std::borrow::Cow;

use pgml_core::{Result, bail};

use super::cursor::Cursor;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A whole number of any width that is not below zero by its type.
    Unsigned(u64),
    /// A whole number of any width.
    Signed(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// Several of one kind.
    Array(Array<'a>),
}

/// Several values of one kind, read when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a> {
    kind: Kind,
    n: usize,
    bytes: &'a [u8],
}

/// The types of values, by their numbers in files.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

const KINDS: [Kind; 13] = [
    Kind::U8,
    Kind::I8,
    Kind::U16,
    Kind::I16,
    Kind::U32,
    Kind::I32,
    Kind::F32,
    Kind::Bool,
    Kind::Text,
    Kind::Array,
    Kind::U64,
    Kind::I64,
    Kind::F64,
];

impl Kind {
    fn read(cursor: &mut Cursor<'_>, key: &str) -> Result<Self> {
        let number = cursor.u32("the type of a value")?;
        match KINDS.get(number as usize) {
            Some(kind) => Ok(*kind),
            None => bail!(Corrupted, "the value of \"{key}\" in the GGUF file has the unknown type {number}"),
        }
    }

    /// Bytes of a value whose size is known from its type.
    fn size(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::Array => None,
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Self> {
        match Kind::read(cursor, key)? {
            Kind::Array => Array::read(cursor, key).map(Self::Array),
            kind => Self::of_kind(kind, cursor),
        }
    }

    fn of_kind(kind: Kind, cursor: &mut Cursor<'a>) -> Result<Self> {
        let what = "a value";
        Ok(match kind {
            Kind::U8 => Self::Unsigned(u8::from_le_bytes(cursor.array(what)?).into()),
            Kind::I8 => Self::Signed(i8::from_le_bytes(cursor.array(what)?).into()),
            Kind::U16 => Self::Unsigned(u16::from_le_bytes(cursor.array(what)?).into()),
            Kind::I16 => Self::Signed(i16::from_le_bytes(cursor.array(what)?).into()),
            Kind::U32 => Self::Unsigned(cursor.u32(what)?.into()),
            Kind::I32 => Self::Signed(i32::from_le_bytes(cursor.array(what)?).into()),
            Kind::F32 => Self::Float(f32::from_le_bytes(cursor.array(what)?).into()),
            Kind::Bool => Self::Bool(cursor.array(what)? != [0]),
            Kind::Text => Self::Text(cursor.text("a text")?),
            Kind::U64 => Self::Unsigned(cursor.u64(what)?),
            Kind::I64 => Self::Signed(i64::from_le_bytes(cursor.array(what)?)),
            Kind::F64 => Self::Float(f64::from_le_bytes(cursor.array(what)?)),
            Kind::Array => bail!(NotSupported, "arrays of arrays in GGUF files are not supported"),
        })
    }

    /// A whole number that is not below zero.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(*number as f64),
            Self::Signed(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Yes or no.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A text.
    #[must_use]
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Several values.
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'a>> {
        match self {
            Self::Array(array) => Some(*array),
            _ => None,
        }
    }
}

impl<'a> Array<'a> {
    /// Walks over all values once: what was read is known to be there.
    fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Self> {
        let kind = Kind::read(cursor, key)?;
        let Ok(n) = usize::try_from(cursor.u64("the length of an array")?) else {
            bail!(Corrupted, "the array \"{key}\" in the GGUF file is longer than memory");
        };
        let mut rest = cursor.clone();
        let bytes = match kind.size() {
            Some(size) => n.saturating_mul(size),
            None if kind == Kind::Array => bail!(NotSupported, "\"{key}\" in the GGUF file is an array of arrays"),
            None => {
                let start = rest.place();
                for _ in 0..n {
                    rest.string("a text of an array")?;
                }
                rest.place() - start
            }
        };
        Ok(Self { kind, n, bytes: cursor.bytes(bytes, "an array")? })
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The values as numbers; `None` for an array of texts.
    #[must_use]
    pub fn numbers(&self) -> Option<impl Iterator<Item = f64> + use<'a>> {
        let kind = self.kind;
        let size = kind.size()?;
        let number = move |bytes: &'a [u8]| {
            let value = Value::of_kind(kind, &mut Cursor::new(bytes)).ok()?;
            value.as_f64().or_else(|| value.as_bool().map(|yes| f64::from(u8::from(yes))))
        };
        Some(self.bytes.chunks_exact(size).filter_map(number))
    }

    /// The values as texts, what is no UTF-8 replaced; `None` for an array of numbers.
    #[must_use]
    pub fn texts(&self) -> Option<impl Iterator<Item = Cow<'a, str>> + use<'a>> {
        let (mut cursor, n) = (Cursor::new(self.bytes), self.n);
        let text = move |_| cursor.string("a text").map(String::from_utf8_lossy).unwrap_or_default();
        (self.kind == Kind::Text).then(|| (0..n).map(text))
    }
}
