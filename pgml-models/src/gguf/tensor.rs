//! Where a tensor lies in its file.

use std::ops::Range;

use pgml_core::{Result, bail};

use super::Element;
use super::cursor::Cursor;

/// As many dimensions as llama.cpp's tensors can have.
const MAX_DIMENSIONS: u32 = 4;

/// A tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// What it is made of.
    pub element: Element,
    /// Its dimensions, the one whose neighbours lie side by side last.
    pub shape: Vec<usize>,
    /// Which of the files of a model it lies in.
    pub file: usize,
    /// Its bytes there.
    pub bytes: Range<usize>,
    /// Where it begins behind the header.
    offset: u64,
}

impl Tensor {
    pub(super) fn read(cursor: &mut Cursor<'_>, name: &str) -> Result<Self> {
        let n = cursor.u32("the number of dimensions")?;
        if n > MAX_DIMENSIONS {
            bail!(
                Corrupted,
                "tensor \"{name}\" of the GGUF file has {n} dimensions; at most {MAX_DIMENSIONS} are possible"
            );
        }
        let mut shape = Vec::new();
        for _ in 0..n {
            let Ok(length) = usize::try_from(cursor.u64("a dimension")?) else {
                bail!(Corrupted, "a dimension of tensor \"{name}\" of the GGUF file is larger than memory");
            };
            shape.push(length);
        }
        shape.reverse();
        let element = Element::numbered(cursor.u32("the type of a tensor")?, name)?;
        Ok(Self { element, shape, file: 0, bytes: 0..0, offset: cursor.u64("the place of a tensor")? })
    }

    /// Finds its bytes behind the header, which ends at `data`, in a file of `length` bytes.
    pub(super) fn place(&mut self, name: &str, data: u64, alignment: u64, length: u64) -> Result<()> {
        if !self.offset.is_multiple_of(alignment) {
            bail!(Corrupted, "tensor \"{name}\" of the GGUF file is not at a multiple of {alignment} bytes");
        }
        let row = self.shape.last().copied().unwrap_or(1);
        if !row.is_multiple_of(self.element.block_len()) {
            let (name_of_type, len) = (self.element.name(), self.element.block_len());
            bail!(
                Corrupted,
                "tensor \"{name}\" of the GGUF file has rows of {row}, but {name_of_type} has blocks of {len}"
            );
        }
        let elements = self.shape.iter().try_fold(1_u64, |product, n| product.checked_mul(*n as u64));
        let blocks = elements.map(|n| n / self.element.block_len() as u64);
        let bytes = blocks.and_then(|n| n.checked_mul(self.element.block_bytes() as u64));
        let start = data.checked_add(self.offset);
        let end = start.zip(bytes).and_then(|(start, bytes)| start.checked_add(bytes));
        match (start, end) {
            (Some(start), Some(end)) if end <= length => {
                self.bytes = start as usize..end as usize;
                Ok(())
            }
            _ => bail!(
                Corrupted,
                "tensor \"{name}\" of the GGUF file, {:?} of {}, ends beyond the file's {length} bytes",
                self.shape,
                self.element.name()
            ),
        }
    }

    /// The `n` tensors that it is when its first dimension is divided; `None` where that cannot be.
    #[must_use]
    pub fn parts(&self, n: usize) -> Option<impl Iterator<Item = Self>> {
        let rows = self.shape.first().filter(|rows| rows.is_multiple_of(n))?.checked_div(n)?;
        // An empty tensor has a dimension of any length.
        let each = self.bytes.len().checked_div(n).filter(|each| *each > 0)?;
        Some((0..n).map(move |i| {
            let mut part = self.clone();
            part.shape[0] = rows;
            part.bytes = self.bytes.start + i * each..self.bytes.start + (i + 1) * each;
            part
        }))
    }
}
