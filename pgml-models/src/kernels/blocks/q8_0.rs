//! Q8_0: a half-precision scale and 32 signed bytes.

use super::super::half::{f16_to_f32, f32_to_f16};
use super::{Format, Place, Simd, half_at, inverse, largest};

#[derive(Clone, Copy)]
pub(super) struct Q8_0;

impl Format for Q8_0 {
    const LEN: usize = 32;
    const BYTES: usize = 34;
    const HALVES: &[usize] = &[0];
    const WORDS: usize = 8;
    const GROUP: usize = 32;
    const OFFSET: i32 = 128;

    fn quantize(x: &[f32], block: &mut [u8]) {
        let scale = largest(x).abs() / 127.0;
        let inverse = inverse(scale);
        block[..2].copy_from_slice(&f32_to_f16(scale).to_le_bytes());
        block[2..].iter_mut().zip(x).for_each(|(q, x)| *q = ((x * inverse).round() as i8).cast_unsigned());
    }

    fn dequantize(block: &[u8], out: &mut [f32]) {
        let scale = f16_to_f32(half_at(block, 0));
        out.iter_mut().zip(&block[2..]).for_each(|(out, q)| *out = scale * f32::from(q.cast_signed()));
    }

    fn pack(block: &[u8], words: &mut [[u8; 4]]) {
        words.as_flattened_mut().iter_mut().zip(&block[2..]).for_each(|(code, q)| *code = q ^ 0x80);
    }

    fn unpack(words: &[[u8; 4]], block: &mut [u8]) {
        block[2..].iter_mut().zip(words.as_flattened()).for_each(|(q, code)| *q = code ^ 0x80);
    }

    #[inline(always)]
    unsafe fn scale<S: Simd>(s: S, at: Place, _: usize) -> S::F {
        // SAFETY: by the caller's promise.
        unsafe { at.half(s, 0) }
    }

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, at: Place, _: usize, step: usize) -> S::I {
        // SAFETY: by the caller's promise.
        unsafe { at.word::<Self, S>(s, step) }
    }
}
