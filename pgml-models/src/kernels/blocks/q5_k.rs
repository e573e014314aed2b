//! Q5_K: as Q4_K, and a fifth bit for each weight.

use super::q4_0::nibbles;
use super::q4_k::{pack_codes, put_codes, take_codes, unpack_codes};
use super::{Format, Place, Simd, minima};

/// Bytes of fifth bits in a file's block; they follow its head.
const HIGH: usize = 32;

/// The first word with fifth bits.
const HIGH_WORD: usize = minima::WORDS + 32;

#[derive(Clone, Copy)]
pub(super) struct Q5K;

impl Format for Q5K {
    const LEN: usize = 256;
    const BYTES: usize = 176;
    const HALVES: &[usize] = minima::HALVES;
    const WORDS: usize = HIGH_WORD + 8;
    const GROUP: usize = 32;
    const OFFSET: i32 = 0;
    const MINIMA: bool = true;

    fn quantize(x: &[f32], block: &mut [u8]) {
        let codes = minima::quantize(x, 31.0, block);
        put(&codes, &mut block[minima::HEAD..]);
    }

    fn dequantize(block: &[u8], out: &mut [f32]) {
        minima::dequantize(block, &take(&block[minima::HEAD..]), out);
    }

    fn pack(block: &[u8], words: &mut [[u8; 4]]) {
        let codes = take(&block[minima::HEAD..]);
        minima::pack(block, words);
        pack_codes(&codes.map(|code| code & 15), &mut words[minima::WORDS..HIGH_WORD]);
        for (codes, word) in codes.chunks_exact(32).zip(&mut words[HIGH_WORD..]) {
            // Bit `step` of a byte belongs to its place in the step's four codes.
            *word = std::array::from_fn(|i| (0..8).fold(0, |bits, step| bits | codes[4 * step + i] >> 4 << step));
        }
    }

    fn unpack(words: &[[u8; 4]], block: &mut [u8]) {
        let low = unpack_codes(&words[minima::WORDS..HIGH_WORD]);
        let high = |i: usize| words[HIGH_WORD + i / 32][i % 4] >> (i % 32 / 4) & 1;
        let codes = std::array::from_fn(|i| low[i] | high(i) << 4);
        minima::unpack(words, block);
        put(&codes, &mut block[minima::HEAD..]);
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
        let (low, high) = unsafe {
            (at.word::<Self, S>(s, minima::WORDS + 4 * part + step / 2), at.word::<Self, S>(s, HIGH_WORD + part))
        };
        let bit = if step < 4 { s.shift_left(high, 4 - step as u32) } else { s.shift_right(high, step as u32 - 4) };
        s.or(nibbles(s, low, step), s.and(bit, s.splat_int(0x1010_1010)))
    }
}

/// The codes in a file: byte `i` of the fifth bits has those of the `i`th weight of each 32.
fn take(bytes: &[u8]) -> [u8; 256] {
    let low = take_codes(&bytes[HIGH..]);
    std::array::from_fn(|i| low[i] | (bytes[i % 32] >> (i / 32) & 1) << 4)
}

/// Undoes [`take`].
fn put(codes: &[u8; 256], bytes: &mut [u8]) {
    put_codes(codes, &mut bytes[HIGH..]);
    for (i, byte) in bytes[..HIGH].iter_mut().enumerate() {
        *byte = (0..8).fold(0, |bits, group| bits | codes[32 * group + i] >> 4 << group);
    }
}
