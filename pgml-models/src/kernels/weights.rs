//! Checkpoint weights as they lie in a mapped file, read row by row as `f32`.

use super::blocks::BlockFormat;
use super::half::{bf16_to_f32, f16_to_f32};

/// A matrix in row-major order, or a part of one, as a checkpoint stores it. Bytes are little-endian, of any alignment.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// Floats in memory.
    F32(&'a [f32]),
    /// IEEE single precision.
    F32Bytes(&'a [u8]),
    /// IEEE half precision.
    F16Bytes(&'a [u8]),
    /// The upper half of an IEEE single.
    Bf16Bytes(&'a [u8]),
    /// Blocks as they lie in a GGUF file. A row is whole blocks.
    Blocks(BlockFormat, &'a [u8]),
}

impl Weights<'_> {
    /// Elements in all.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F32Bytes(bytes) => bytes.len() / 4,
            Self::F16Bytes(bytes) | Self::Bf16Bytes(bytes) => bytes.len() / 2,
            Self::Blocks(format, bytes) => bytes.len() / format.block_bytes() * format.block_len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the `out.len()` elements from `start` on into `out`.
    ///
    /// # Panics
    /// When there are fewer, or `start` is not the beginning of a block.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        let end = start + out.len();
        match self {
            Self::F32(values) => out.copy_from_slice(&values[start..end]),
            Self::F32Bytes(bytes) => {
                let values = bytes[4 * start..4 * end].chunks_exact(4);
                out.iter_mut().zip(values).for_each(|(out, b)| *out = f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            }
            Self::F16Bytes(bytes) => {
                let values = bytes[2 * start..2 * end].chunks_exact(2);
                out.iter_mut().zip(values).for_each(|(out, b)| *out = f16_to_f32(u16::from_le_bytes([b[0], b[1]])));
            }
            Self::Bf16Bytes(bytes) => {
                let values = bytes[2 * start..2 * end].chunks_exact(2);
                out.iter_mut().zip(values).for_each(|(out, b)| *out = bf16_to_f32(u16::from_le_bytes([b[0], b[1]])));
            }
            Self::Blocks(format, bytes) => {
                let (len, size) = (format.block_len(), format.block_bytes());
                assert!(start.is_multiple_of(len), "element {start} is not the first of a block of {len}");
                format.dequantize(&bytes[start / len * size..end.div_ceil(len) * size], out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::half::f32_to_bf16;

    #[test]
    fn every_dtype_reads_the_same_numbers_from_unaligned_bytes() {
        let values = [1.0_f32, -0.5, 0.0, 1024.0, 3.25];
        let f32_bytes: Vec<u8> = std::iter::once(0).chain(values.iter().flat_map(|v| v.to_le_bytes())).collect();
        let bf16: Vec<u8> =
            std::iter::once(0).chain(values.iter().flat_map(|v| f32_to_bf16(*v).to_le_bytes())).collect();
        let f16: Vec<u8> = [0x3c00_u16, 0xb800, 0, 0x6400, 0x4280].iter().flat_map(|b| b.to_le_bytes()).collect();
        let all = [
            Weights::F32(&values),
            Weights::F32Bytes(&f32_bytes[1..]),
            Weights::Bf16Bytes(&bf16[1..]),
            Weights::F16Bytes(&f16),
        ];
        for weights in all {
            let mut out = [0.0; 3];
            weights.read(1, &mut out);
            assert_eq!((weights.len(), out), (5, [-0.5, 0.0, 1024.0]), "{weights:?}");
        }
    }
}
