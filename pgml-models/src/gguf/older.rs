//! Formats of blocks that real files still mix in where a row is no multiple of 256 weights. They are read as numbers, and
//! computed with in a format of the kernels.

use crate::kernels::f16_to_f32;

/// A format of 32 weights that share a scale, under its name in GGUF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OlderFormat {
    /// 4 bits, a scale and a minimum.
    Q4_1,
    /// 5 bits and a scale.
    Q5_0,
    /// 5 bits, a scale and a minimum.
    Q5_1,
}

impl OlderFormat {
    /// Weights in a block.
    pub const LEN: usize = 32;

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        let (minimum, fifth_bits) = self.parts();
        2 + minimum + fifth_bits + Self::LEN / 2
    }

    /// Bytes of the minimum, and of the highest bits of the codes.
    fn parts(self) -> (usize, usize) {
        match self {
            Self::Q4_1 => (2, 0),
            Self::Q5_0 => (0, 4),
            Self::Q5_1 => (2, 4),
        }
    }

    /// The weights that whole `blocks` stand for.
    #[must_use]
    pub fn dequantize(self, blocks: &[u8]) -> Vec<f32> {
        blocks.chunks_exact(self.block_bytes()).flat_map(|block| self.block(block)).collect()
    }

    fn block(self, block: &[u8]) -> [f32; Self::LEN] {
        let (minimum_bytes, fifth_bytes) = self.parts();
        let half = |at: usize| f16_to_f32(u16::from_le_bytes([block[at], block[at + 1]]));
        let scale = half(0);
        let (minimum, offset) = if minimum_bytes > 0 { (half(2), 0) } else { (0.0, 16) };
        let (fifth, codes) = block[2 + minimum_bytes..].split_at(fifth_bytes);
        let fifth = fifth.iter().rev().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        std::array::from_fn(|i| {
            let four = if i < 16 { codes[i] & 15 } else { codes[i - 16] >> 4 };
            let code = i32::from(four) | ((fifth >> i & 1) << 4).cast_signed();
            (code - offset) as f32 * scale + minimum
        })
    }
}
