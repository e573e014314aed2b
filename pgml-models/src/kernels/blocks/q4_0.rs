//! Q4_0: a half-precision scale and 32 times four bits, of which 8 is subtracted.

use super::super::half::{f16_to_f32, f32_to_f16};
use super::{Format, Place, Simd, half_at, inverse, largest};

#[derive(Clone, Copy)]
pub(super) struct Q4_0;

impl Format for Q4_0 {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    const HALVES: &[usize] = &[0];
    const WORDS: usize = 4;
    const GROUP: usize = 32;
    const OFFSET: i32 = 8;

    fn quantize(x: &[f32], block: &mut [u8]) {
        // The largest weight becomes −8: of the two ends it is the one further from zero.
        let scale = largest(x) / -8.0;
        let inverse = f64::from(inverse(scale));
        let code = |x: f32| (f64::from(x) * inverse + 8.5).clamp(0.0, 15.0) as u8;
        block[..2].copy_from_slice(&f32_to_f16(scale).to_le_bytes());
        for (i, byte) in block[2..].iter_mut().enumerate() {
            *byte = code(x[i]) | code(x[i + 16]) << 4;
        }
    }

    fn dequantize(block: &[u8], out: &mut [f32]) {
        let scale = f16_to_f32(half_at(block, 0));
        let weight = |code: u8| scale * (f32::from(code) - 8.0);
        let (low, high) = out.split_at_mut(16);
        for ((low, high), byte) in low.iter_mut().zip(high).zip(&block[2..]) {
            (*low, *high) = (weight(byte & 15), weight(byte >> 4));
        }
    }

    fn pack(block: &[u8], words: &mut [[u8; 4]]) {
        let codes: [u8; 32] = std::array::from_fn(|i| if i < 16 { block[2 + i] & 15 } else { block[i - 14] >> 4 });
        put_nibbles(&codes, words);
    }

    fn unpack(words: &[[u8; 4]], block: &mut [u8]) {
        let codes = take_nibbles(words);
        block[2..].iter_mut().enumerate().for_each(|(i, byte)| *byte = codes[i] | codes[i + 16] << 4);
    }

    #[inline(always)]
    unsafe fn scale<S: Simd>(s: S, at: Place, _: usize) -> S::F {
        // SAFETY: by the caller's promise.
        unsafe { at.half(s, 0) }
    }

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, at: Place, _: usize, step: usize) -> S::I {
        // SAFETY: by the caller's promise.
        let word = unsafe { at.word::<Self, S>(s, step / 2) };
        nibbles(s, word, step)
    }
}

/// Packs 32 four-bit codes into four words: each has eight codes, the first four in the low halves of its bytes.
pub(super) fn put_nibbles(codes: &[u8; 32], words: &mut [[u8; 4]]) {
    for (codes, word) in codes.chunks_exact(8).zip(words) {
        *word = std::array::from_fn(|i| codes[i] | codes[i + 4] << 4);
    }
}

/// Undoes [`put_nibbles`].
pub(super) fn take_nibbles(words: &[[u8; 4]]) -> [u8; 32] {
    std::array::from_fn(|i| words[i / 8][i % 4] >> (i & 4) & 15)
}

/// The codes of step `step` out of the word that has them.
#[inline(always)]
pub(super) fn nibbles<S: Simd>(s: S, word: S::I, step: usize) -> S::I {
    let word = if step.is_multiple_of(2) { word } else { s.shift_right(word, 4) };
    s.and(word, s.splat_int(0x0f0f_0f0f))
}
