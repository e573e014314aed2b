//! Weights in blocks that share a scale, as llama.cpp stores them in GGUF files: a quarter to an eighth of the memory of
//! single precision, and as many times faster where reading weights is what takes the time.
//!
//! A format is one file: how a block looks in a GGUF file, how it is packed for the tiles, and how tiles take it apart.

mod minima;
mod operand;
mod q4_0;
mod q4_k;
mod q5_k;
mod q6_k;
mod q8_0;
mod tile;

pub(super) use operand::{Correction, quantize_rows};
pub(super) use tile::kernel;

use self::q4_0::Q4_0;
use self::q4_k::Q4K;
use self::q5_k::Q5K;
use self::q6_k::Q6K;
use self::q8_0::Q8_0;
use super::simd::Simd;

/// A format of blocks, under its name in GGUF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockFormat {
    /// 8 bits, one scale for 32 weights: 8.5 bits a weight.
    Q8_0,
    /// 4 bits, one scale for 32 weights: 4.5 bits a weight.
    Q4_0,
    /// 4 bits, 256 weights in eight groups with a scale and a minimum each: 4.5 bits a weight.
    Q4K,
    /// 5 bits, else as [`Q4K`](Self::Q4K): 5.5 bits a weight.
    Q5K,
    /// 6 bits, 256 weights in sixteen groups with a scale each: 6.5625 bits a weight.
    Q6K,
}

impl BlockFormat {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Q8_0, Self::Q4_0, Self::Q4K, Self::Q5K, Self::Q6K];

    /// Its name in GGUF.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// Weights in a block.
    #[must_use]
    pub fn block_len(self) -> usize {
        self.layout().len
    }

    /// Bytes of a block in a GGUF file.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        self.layout().bytes
    }

    /// Writes the blocks that are nearest to `x` as a GGUF file has them. Where `x` ends within a block, zeros follow.
    ///
    /// # Panics
    /// When `blocks` has not the length of `x` in blocks.
    pub fn quantize(self, x: &[f32], blocks: &mut [u8]) {
        let layout = self.layout();
        assert_eq!(blocks.len(), x.len().div_ceil(layout.len) * layout.bytes, "as many blocks as weights need");
        for (x, block) in x.chunks(layout.len).zip(blocks.chunks_exact_mut(layout.bytes)) {
            let mut whole = [0.0; MAX_LEN];
            whole[..x.len()].copy_from_slice(x);
            (layout.quantize)(&whole[..layout.len], block);
        }
    }

    /// Writes the weights that `blocks` of a GGUF file stand for, or the first of them.
    ///
    /// # Panics
    /// When `out` has not the length of `blocks` in weights, or of all but a part of the last block.
    pub fn dequantize(self, blocks: &[u8], out: &mut [f32]) {
        let layout = self.layout();
        assert_eq!(blocks.len(), out.len().div_ceil(layout.len) * layout.bytes, "as many blocks as weights need");
        for (out, block) in out.chunks_mut(layout.len).zip(blocks.chunks_exact(layout.bytes)) {
            let mut whole = [0.0; MAX_LEN];
            (layout.dequantize)(block, &mut whole[..layout.len]);
            out.copy_from_slice(&whole[..out.len()]);
        }
    }

    pub(super) fn layout(self) -> &'static Layout {
        match self {
            Self::Q8_0 => &Q8_0::LAYOUT,
            Self::Q4_0 => &Q4_0::LAYOUT,
            Self::Q4K => &Q4K::LAYOUT,
            Self::Q5K => &Q5K::LAYOUT,
            Self::Q6K => &Q6K::LAYOUT,
        }
    }
}

/// Weights and bytes of the longest block.
const MAX_LEN: usize = 256;
pub(super) const MAX_BYTES: usize = 210;
/// Words per column of the longest packed block.
const MAX_WORDS: usize = 52;

/// One format: the file's side and the tiles' side.
trait Format: Copy + 'static {
    /// Weights in a block.
    const LEN: usize;
    /// Bytes of a block in a file.
    const BYTES: usize;
    /// Weights that share a scale; 32 or 16.
    const GROUP: usize;
    /// Where a file's block has its half-precision numbers. A packed block has, per column, these and then words of 32 bits.
    const HALVES: &[usize];
    const WORDS: usize;
    /// Codes are unsigned bytes; a weight is `scale × (code − OFFSET) − minimum`.
    const OFFSET: i32;
    /// Whether groups have minima.
    const MINIMA: bool = false;

    /// Writes the block nearest to `x`, which is `LEN` long.
    fn quantize(x: &[f32], block: &mut [u8]);
    fn dequantize(block: &[u8], out: &mut [f32]);
    /// Puts what `block` has beside its half-precision numbers in the tiles' order.
    fn pack(block: &[u8], words: &mut [[u8; 4]]);
    /// Undoes [`pack`](Self::pack).
    fn unpack(words: &[[u8; 4]], block: &mut [u8]);

    /// The scale of the weights of `group`.
    ///
    /// # Safety
    /// `at` is good for a whole block.
    unsafe fn scale<S: Simd>(s: S, at: Place, group: usize) -> S::F;
    /// The minimum of the weights of `group`.
    ///
    /// # Safety
    /// `at` is good for a whole block.
    unsafe fn minimum<S: Simd>(s: S, _at: Place, _group: usize) -> S::F {
        s.splat(0.0)
    }
    /// The codes of the four weights from `4 × step` on, of the block's `part`th 32.
    ///
    /// # Safety
    /// `at` is good for a whole block.
    unsafe fn codes<S: Simd>(s: S, at: Place, part: usize, step: usize) -> S::I;

    const LAYOUT: Layout = Layout {
        len: Self::LEN,
        bytes: Self::BYTES,
        halves: Self::HALVES,
        words: Self::WORDS,
        quantize: Self::quantize,
        dequantize: Self::dequantize,
        pack: Self::pack,
        unpack: Self::unpack,
    };
}

/// A [`Format`] as a value.
pub(super) struct Layout {
    pub len: usize,
    pub bytes: usize,
    pub halves: &'static [usize],
    pub words: usize,
    quantize: fn(&[f32], &mut [u8]),
    dequantize: fn(&[u8], &mut [f32]),
    pack: fn(&[u8], &mut [[u8; 4]]),
    unpack: fn(&[[u8; 4]], &mut [u8]),
}

impl Layout {
    /// 32-bit words that a block takes in a panel of `width` columns.
    pub(super) const fn panel_words(&self, width: usize) -> usize {
        width * self.halves.len() / 2 + width * self.words
    }

    /// Puts a file's block into column `column` of a panel's block.
    pub(super) fn put(&self, block: &[u8], panel: &mut [u32], width: usize, column: usize) {
        for (i, at) in self.halves.iter().enumerate() {
            let place = &mut panel[(i * width + column) / 2];
            let shift = 16 * (column % 2);
            *place = *place & !(0xffff << shift) | u32::from(half_at(block, *at)) << shift;
        }
        let mut words = [[0; 4]; MAX_WORDS];
        (self.pack)(block, &mut words[..self.words]);
        let places = panel[self.halves.len() * width / 2 + column..].iter_mut().step_by(width);
        places.zip(&words[..self.words]).for_each(|(place, word)| *place = u32::from_le_bytes(*word));
    }

    /// Takes the file's block back out of a panel's block.
    pub(super) fn take(&self, panel: &[u32], width: usize, column: usize, block: &mut [u8]) {
        let mut words = [[0; 4]; MAX_WORDS];
        let places = panel[self.halves.len() * width / 2 + column..].iter().step_by(width);
        words[..self.words].iter_mut().zip(places).for_each(|(word, place)| *word = place.to_le_bytes());
        (self.unpack)(&words[..self.words], block);
        for (i, at) in self.halves.iter().enumerate() {
            let half = (panel[(i * width + column) / 2] >> (16 * (column % 2))) as u16;
            block[*at..at + 2].copy_from_slice(&half.to_le_bytes());
        }
    }
}

/// Where a vector's columns stand in a packed block: first each half-precision number of all columns, then each word.
#[derive(Clone, Copy)]
struct Place {
    block: *const u32,
    /// Columns of the panel.
    width: usize,
    /// The vector's first column.
    column: usize,
}

impl Place {
    /// The `index`th half-precision number.
    ///
    /// # Safety
    /// The block is there and has so many.
    #[inline(always)]
    unsafe fn half<S: Simd>(self, s: S, index: usize) -> S::F {
        // SAFETY: by the caller's promise.
        unsafe { s.load_halves_at(self.block.cast::<u16>().add(index * self.width + self.column)) }
    }

    /// The `index`th word of format `F`.
    ///
    /// # Safety
    /// The block is there and has so many.
    #[inline(always)]
    unsafe fn word<F: Format, S: Simd>(self, s: S, index: usize) -> S::I {
        // SAFETY: by the caller's promise.
        unsafe { s.load_at(self.block.add(F::HALVES.len() * self.width / 2 + index * self.width + self.column)) }
    }
}

/// The half-precision number at `bytes[at..]`.
fn half_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The magnitude that is largest, with its sign; the first of equals.
fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |a: f32, x| if x.abs() > a.abs() { *x } else { a })
}

/// `1 / scale`; 0 for 0.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}
