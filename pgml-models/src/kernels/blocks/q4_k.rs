//! Q4_K: 256 weights of four bits, each 32 with a scale and a minimum of six bits.

use super::q4_0::{nibbles, put_nibbles, take_nibbles};
use super::{Format, Place, Simd, minima};

#[derive(Clone, Copy)]
pub(super) struct Q4K;

impl Format for Q4K {
    const LEN: usize = 256;
    const BYTES: usize = 144;
    const HALVES: &[usize] = minima::HALVES;
    const WORDS: usize = minima::WORDS + 32;
    const GROUP: usize = 32;
    const OFFSET: i32 = 0;
    const MINIMA: bool = true;

    fn quantize(x: &[f32], block: &mut [u8]) {
        let codes = minima::quantize(x, 15.0, block);
        put_codes(&codes, &mut block[minima::HEAD..]);
    }

    fn dequantize(block: &[u8], out: &mut [f32]) {
        minima::dequantize(block, &take_codes(&block[minima::HEAD..]), out);
    }

    fn pack(block: &[u8], words: &mut [[u8; 4]]) {
        minima::pack(block, words);
        pack_codes(&take_codes(&block[minima::HEAD..]), &mut words[minima::WORDS..]);
    }

    fn unpack(words: &[[u8; 4]], block: &mut [u8]) {
        minima::unpack(words, block);
        put_codes(&unpack_codes(&words[minima::WORDS..]), &mut block[minima::HEAD..]);
    }

    #[inline(always)]
    unsafe fn scale<S: Simd>(s: S, at: Place, group: usize) -> S::F {
        // SAFETY: by the caller's promise.
        unsafe { minima::scale(s, at, [at.word::<Self, S>(s, 0), at.word::<Self, S>(s, 2)], group) }
    }

    #[inline(always)]
    unsafe fn minimum<S: Simd>(s: S, at: Place, group: usize) -> S::F {
        // SAFETY: by the caller's promise.
        unsafe { minima::minimum(s, at, [at.word::<Self, S>(s, 1), at.word::<Self, S>(s, 2)], group) }
    }

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, at: Place, part: usize, step: usize) -> S::I {
        // SAFETY: by the caller's promise.
        let word = unsafe { at.word::<Self, S>(s, minima::WORDS + 4 * part + step / 2) };
        nibbles(s, word, step)
    }
}

/// The four lower bits of all codes in a file's order: of 64 weights, the first 32 in the lower halves of 32 bytes.
pub(super) fn take_codes(bytes: &[u8]) -> [u8; 256] {
    std::array::from_fn(|i| bytes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15)
}

/// Undoes [`take_codes`].
pub(super) fn put_codes(codes: &[u8; 256], bytes: &mut [u8]) {
    for (i, byte) in bytes[..128].iter_mut().enumerate() {
        let first = i / 32 * 64 + i % 32;
        *byte = codes[first] & 15 | codes[first + 32] << 4;
    }
}

/// The four lower bits of all codes in the tiles' order.
pub(super) fn pack_codes(codes: &[u8; 256], words: &mut [[u8; 4]]) {
    for (codes, words) in codes.as_chunks().0.iter().zip(words.chunks_exact_mut(4)) {
        put_nibbles(codes, words);
    }
}

/// Undoes [`pack_codes`].
pub(super) fn unpack_codes(words: &[[u8; 4]]) -> [u8; 256] {
    let mut codes = [0; 256];
    for (codes, words) in codes.chunks_exact_mut(32).zip(words.chunks_exact(4)) {
        codes.copy_from_slice(&take_nibbles(words));
    }
    codes
}
