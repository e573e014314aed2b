//! GGUF, the file format of llama.cpp: what a model is (metadata) and its tensors, in one file that is mapped, or in several.
//!
//! Read by the specification in llama.cpp's repository, versions 2 and 3. Files come from strangers: nothing is taken on
//! trust, nothing is allocated by a number that a file states, and all that [`Gguf::parse`] accepts can be read without
//! further checks of bounds. What it keeps grows with the number of keys and tensors that are really there.

mod cursor;
mod element;
mod older;
mod split;
mod tensor;
mod value;

use std::collections::HashMap;

use pgml_core::{Result, bail};

use cursor::Cursor;

pub use element::Element;
pub use older::OlderFormat;
pub use tensor::Tensor;
pub use value::{Array, Value};

/// Tensors begin at multiples of it where a file does not say another.
const ALIGNMENT: u64 = 32;

/// The largest alignment that is believed: that of pages on every system.
const MAX_ALIGNMENT: u64 = 1 << 16;

/// A file's metadata, and where its tensors lie.
#[derive(Debug)]
pub struct Gguf<'a> {
    /// The file, and those that were joined to it.
    files: Vec<&'a [u8]>,
    metadata: HashMap<&'a str, Value<'a>>,
    tensors: HashMap<&'a str, Tensor>,
}

impl<'a> Gguf<'a> {
    /// Reads the whole header of a file.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) for what is no GGUF file, or is cut off, each naming what
    /// is broken; [`ErrorKind::NotSupported`](pgml_core::ErrorKind::NotSupported) for other versions, for big-endian files,
    /// and for types of tensors that are not known.
    pub fn parse(file: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(file);
        check_version(&mut cursor)?;
        let (n_tensors, n_keys) = (cursor.u64("the number of tensors")?, cursor.u64("the number of keys")?);
        let mut metadata = HashMap::new();
        for _ in 0..n_keys {
            let key = cursor.text("a key")?;
            let value = Value::read(&mut cursor, key)?;
            if metadata.insert(key, value).is_some() {
                bail!(Corrupted, "the GGUF file has the key \"{key}\" twice");
            }
        }
        let alignment = alignment(&metadata)?;
        let mut tensors = HashMap::new();
        for _ in 0..n_tensors {
            let name = cursor.text("the name of a tensor")?;
            let tensor = Tensor::read(&mut cursor, name)?;
            if tensors.insert(name, tensor).is_some() {
                bail!(Corrupted, "the GGUF file has the tensor \"{name}\" twice");
            }
        }
        // Cannot overflow: the header is shorter than the file.
        let data = (cursor.place() as u64).next_multiple_of(alignment);
        for (name, tensor) in &mut tensors {
            tensor.place(name, data, alignment, file.len() as u64)?;
        }
        Ok(Self { files: vec![file], metadata, tensors })
    }

    /// What stands under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.metadata.get(key)
    }

    /// The text under `key`; `None` where there is none or something else.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_text)
    }

    /// The tensors, in no order.
    pub fn tensors(&self) -> impl Iterator<Item = (&'a str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (*name, tensor))
    }

    /// The tensor `name`.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// What one of its tensors is made of.
    #[must_use]
    pub fn bytes(&self, tensor: &Tensor) -> &'a [u8] {
        self.files.get(tensor.file).and_then(|file| file.get(tensor.bytes.clone())).unwrap_or_default()
    }
}

fn check_version(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.bytes(4, "the first four bytes")? != b"GGUF" {
        bail!(Corrupted, "the file is no GGUF file: it does not begin with GGUF");
    }
    match cursor.u32("the version")? {
        2 | 3 => Ok(()),
        version if version.swap_bytes() <= 3 => {
            bail!(NotSupported, "the GGUF file is big-endian, which is not supported")
        }
        version => bail!(NotSupported, "version {version} of GGUF is not supported; known: 2, 3"),
    }
}

fn alignment(metadata: &HashMap<&str, Value<'_>>) -> Result<u64> {
    let Some(value) = metadata.get("general.alignment") else { return Ok(ALIGNMENT) };
    match value.as_u64() {
        Some(alignment) if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT => Ok(alignment),
        _ => bail!(Corrupted, "general.alignment of the GGUF file is no power of two up to {MAX_ALIGNMENT}"),
    }
}

#[cfg(test)]
mod tests;
