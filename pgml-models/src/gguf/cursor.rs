//! Reading from the front of a file, never beyond its end.

use pgml_core::{Result, bail};

/// What is left of a file.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    place: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { file, place: 0 }
    }

    /// Bytes read so far.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// The next `n` bytes; `what` they are is said when the file ends before.
    pub(super) fn bytes(&mut self, n: usize, what: &str) -> Result<&'a [u8]> {
        let rest = &self.file[self.place..];
        let Some(bytes) = rest.get(..n) else {
            bail!(Corrupted, "the GGUF file ends within {what}: {n} bytes are needed and {} are left", rest.len());
        };
        self.place += n;
        Ok(bytes)
    }

    /// The next bytes, as many as an array has.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self, what: &str) -> Result<&'a str> {
        let bytes = self.string(what)?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(error) => bail!(Corrupted, "{what} in the GGUF file is no UTF-8: {error}"),
        }
    }

    /// The bytes of a text.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8]> {
        let n = self.u64(what)?;
        // More than fits into memory is more than is left, too.
        self.bytes(usize::try_from(n).unwrap_or(usize::MAX), what)
    }
}
