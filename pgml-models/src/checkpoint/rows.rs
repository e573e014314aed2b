//! A matrix of a checkpoint in the bytes that it is stored in, for layers that read it row by row.

use std::borrow::Cow;

use half::{bf16, f16};

use crate::device::Placement;
use crate::gguf::Element;
use crate::kernels::{self, BlockFormat, Precision};

/// A matrix in row-major order.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    element: Element,
    bytes: Cow<'a, [u8]>,
    /// What it is computed in where the caller asks for nothing.
    own: Precision,
}

impl<'a> Rows<'a> {
    /// Of a type, in bytes as long as its elements; of a GGUF file, whose types are chosen to be computed in.
    pub(super) fn new(element: Element, bytes: Cow<'a, [u8]>, from_gguf: bool) -> Self {
        let own = match element {
            _ if !from_gguf => Precision::F32,
            Element::F32 => Precision::F32,
            Element::F16 => Precision::F16,
            Element::Bf16 => Precision::Bf16,
            Element::Blocks(format) => Precision::Blocks(format),
            Element::Older(_) => Precision::Blocks(BlockFormat::Q8_0),
        };
        match element {
            Element::Older(format) => Self::of_floats(&format.dequantize(&bytes), own),
            _ => Self { element, bytes, own },
        }
    }

    /// Of numbers.
    pub(crate) fn of_floats(values: &[f32], own: Precision) -> Self {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { element: Element::F32, bytes: Cow::Owned(bytes), own }
    }

    /// As kernels read it.
    #[must_use]
    pub fn weights(&self) -> kernels::Weights<'_> {
        match self.element {
            Element::F32 => kernels::Weights::F32Bytes(&self.bytes),
            Element::F16 => kernels::Weights::F16Bytes(&self.bytes),
            Element::Bf16 => kernels::Weights::Bf16Bytes(&self.bytes),
            Element::Blocks(format) => kernels::Weights::Blocks(format, &self.bytes),
            Element::Older(_) => unreachable!("older formats are read as numbers"),
        }
    }

    /// The numbers.
    #[must_use]
    pub fn floats(&self) -> Vec<f32> {
        floats(self.element, &self.bytes).into_owned()
    }

    /// What it is computed in at a place: what the place asks for, or what it is made for itself.
    #[must_use]
    pub fn precision(&self, placement: &Placement) -> Precision {
        match placement.precision() {
            Precision::F32 => self.own,
            asked => asked,
        }
    }

    /// The rows of `width` with these numbers, in their order: bytes are moved, and nothing is computed.
    #[must_use]
    pub fn ordered(&self, width: usize, rows: impl Iterator<Item = usize>) -> Rows<'static> {
        let row_bytes = width / self.element.block_len() * self.element.block_bytes();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        rows.for_each(|row| bytes.extend_from_slice(&self.bytes[row * row_bytes..][..row_bytes]));
        Rows { bytes: Cow::Owned(bytes), ..*self }
    }

    /// The first `n` elements, and the rest. Both begin with a block when `n` is whole rows.
    #[must_use]
    pub fn split_at(self, n: usize) -> [Self; 2] {
        let at = n / self.element.block_len() * self.element.block_bytes();
        let part = |bytes| Self { bytes, ..self.clone() };
        match &self.bytes {
            Cow::Borrowed(bytes) => {
                let (first, second) = bytes.split_at(at);
                [part(Cow::Borrowed(first)), part(Cow::Borrowed(second))]
            }
            Cow::Owned(bytes) => {
                let (first, second) = bytes.split_at(at);
                [part(Cow::Owned(first.to_vec())), part(Cow::Owned(second.to_vec()))]
            }
        }
    }

    /// The same, kept beyond the checkpoint.
    #[must_use]
    pub fn into_owned(self) -> Rows<'static> {
        Rows { bytes: Cow::Owned(self.bytes.into_owned()), ..self }
    }
}

/// The numbers of `bytes`, borrowed where they are stored so and the file aligns them.
pub(super) fn floats(element: Element, bytes: &[u8]) -> Cow<'_, [f32]> {
    match element {
        Element::F32 => f32s(bytes),
        Element::F16 => Cow::Owned(pairs(bytes).map(|pair| f16::from_le_bytes(pair).to_f32()).collect()),
        Element::Bf16 => Cow::Owned(pairs(bytes).map(|pair| bf16::from_le_bytes(pair).to_f32()).collect()),
        Element::Blocks(format) => {
            let mut values = vec![0.0; bytes.len() / format.block_bytes() * format.block_len()];
            format.dequantize(bytes, &mut values);
            Cow::Owned(values)
        }
        Element::Older(format) => Cow::Owned(format.dequantize(bytes)),
    }
}

/// Little-endian floats, borrowed where the file aligns them.
fn f32s(bytes: &[u8]) -> Cow<'_, [f32]> {
    #[cfg(target_endian = "little")]
    {
        // SAFETY: every four bytes are a float.
        #[allow(unsafe_code)]
        let (before, floats, _) = unsafe { bytes.align_to::<f32>() };
        if before.is_empty() {
            return Cow::Borrowed(floats);
        }
    }
    let (words, _) = bytes.as_chunks();
    Cow::Owned(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    bytes.as_chunks().0.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_blocks_are_brought_into_order_as_they_are() {
        let bytes: Vec<u8> = (0..6 * 34).map(|i| (i % 61) as u8).collect();
        let blocks = |rows: &[usize]| {
            let bytes = rows.iter().flat_map(|row| &bytes[row * 68..][..68]).copied().collect();
            Rows::new(Element::Blocks(BlockFormat::Q8_0), Cow::Owned(bytes), true)
        };
        let (ordered, want) = (blocks(&[0, 1, 2]).ordered(64, [2, 0, 1].into_iter()), blocks(&[2, 0, 1]));
        assert_eq!(ordered.bytes, want.bytes);
        assert_eq!(ordered.floats(), want.floats());
        assert_eq!(ordered.precision(&Placement::cpu()), Precision::Blocks(BlockFormat::Q8_0));
    }
}
