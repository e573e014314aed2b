//! Q6_K: 256 weights of six bits, of which 32 is subtracted, each 16 with a scale of eight bits.

use super::super::half::{f16_to_f32, f32_to_f16};
use super::q4_0::nibbles;
use super::q4_k::{pack_codes, unpack_codes};
use super::{Format, Place, Simd, half_at, inverse, largest};

/// Where a file's block has the upper bits, the scales, and what the scales are multiples of.
const HIGH: usize = 128;
const SCALES: usize = 192;
const UNIT: usize = 208;

/// The first word of lower, and of upper bits.
const LOW_WORD: usize = 4;
const HIGH_WORD: usize = LOW_WORD + 32;

#[derive(Clone, Copy)]
pub(super) struct Q6K;

impl Format for Q6K {
    const LEN: usize = 256;
    const BYTES: usize = 210;
    const HALVES: &[usize] = &[UNIT];
    const WORDS: usize = HIGH_WORD + 16;
    const GROUP: usize = 16;
    const OFFSET: i32 = 32;

    /// The largest weight of each group becomes −32; llama.cpp's own search for better scales is longer.
    fn quantize(x: &[f32], block: &mut [u8]) {
        let scales: [f32; 16] = std::array::from_fn(|group| largest(&x[16 * group..16 * (group + 1)]) / -32.0);
        let unit = f32_to_f16(largest(&scales).abs() / 127.0);
        let steps = scales.map(|scale| (scale * inverse(f16_to_f32(unit))).round() as i8);
        let codes = std::array::from_fn(|i| {
            let scale = f16_to_f32(unit) * f32::from(steps[i / 16]);
            ((x[i] * inverse(scale)).round() + 32.0).clamp(0.0, 63.0) as u8
        });
        put(&codes, block);
        block[SCALES..UNIT].iter_mut().zip(steps).for_each(|(byte, step)| *byte = step.cast_unsigned());
        block[UNIT..].copy_from_slice(&unit.to_le_bytes());
    }

    fn dequantize(block: &[u8], out: &mut [f32]) {
        let (codes, unit) = (take(block), f16_to_f32(half_at(block, UNIT)));
        for ((out, codes), step) in out.chunks_exact_mut(16).zip(codes.chunks_exact(16)).zip(&block[SCALES..UNIT]) {
            let scale = unit * f32::from(step.cast_signed());
            out.iter_mut().zip(codes).for_each(|(out, code)| *out = scale * (f32::from(*code) - 32.0));
        }
    }

    fn pack(block: &[u8], words: &mut [[u8; 4]]) {
        let codes = take(block);
        words[..LOW_WORD].as_flattened_mut().copy_from_slice(&block[SCALES..UNIT]);
        pack_codes(&codes.map(|code| code & 15), &mut words[LOW_WORD..HIGH_WORD]);
        for (codes, word) in codes.chunks_exact(16).zip(&mut words[HIGH_WORD..]) {
            // Two bits of a byte for each of four steps.
            *word = std::array::from_fn(|i| (0..4).fold(0, |bits, step| bits | codes[4 * step + i] >> 4 << (2 * step)));
        }
    }

    fn unpack(words: &[[u8; 4]], block: &mut [u8]) {
        let low = unpack_codes(&words[LOW_WORD..HIGH_WORD]);
        let high = |i: usize| words[HIGH_WORD + i / 16][i % 4] >> (i % 16 / 4 * 2) & 3;
        put(&std::array::from_fn(|i| low[i] | high(i) << 4), block);
        block[SCALES..UNIT].copy_from_slice(words[..LOW_WORD].as_flattened());
    }

    #[inline(always)]
    unsafe fn scale<S: Simd>(s: S, at: Place, group: usize) -> S::F {
        // SAFETY: by the caller's promise.
        let (unit, steps) = unsafe { (at.half(s, 0), at.word::<Self, S>(s, group / 4)) };
        // The signed byte in the highest place is 2²⁴ times itself.
        let step = s.and(s.shift_left(steps, 24 - 8 * (group % 4) as u32), s.splat_int(-0x100_0000));
        s.mul(s.mul(unit, s.splat(1.0 / 16_777_216.0)), s.to_float(step))
    }

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, at: Place, part: usize, step: usize) -> S::I {
        // SAFETY: by the caller's promise.
        let (low, high) = unsafe {
            let high = at.word::<Self, S>(s, HIGH_WORD + 2 * part + step / 4);
            (at.word::<Self, S>(s, LOW_WORD + 4 * part + step / 2), high)
        };
        let place = 2 * (step % 4) as u32;
        let bits = if place < 4 { s.shift_left(high, 4 - place) } else { s.shift_right(high, place - 4) };
        s.or(nibbles(s, low, step), s.and(bits, s.splat_int(0x3030_3030)))
    }
}

/// Where a file's block has code `i`: the byte and the shift of its lower bits, and of its upper bits. Of 128 weights, the
/// first and the third 32 share bytes of lower bits, as do the second and the fourth; all four share bytes of upper bits.
fn places(i: usize) -> [(usize, usize); 2] {
    let (half, quarter, l) = (i / 128, i % 128 / 32, i % 32);
    [(64 * half + 32 * (quarter % 2) + l, 4 * (quarter / 2)), (HIGH + 32 * half + l, 2 * quarter)]
}

/// The codes in a file.
fn take(block: &[u8]) -> [u8; 256] {
    std::array::from_fn(|i| {
        let [(low, low_shift), (high, high_shift)] = places(i);
        block[low] >> low_shift & 15 | (block[high] >> high_shift & 3) << 4
    })
}

/// Undoes [`take`].
fn put(codes: &[u8; 256], block: &mut [u8]) {
    block[..SCALES].fill(0);
    for (i, code) in codes.iter().enumerate() {
        let [(low, low_shift), (high, high_shift)] = places(i);
        block[low] |= (code & 15) << low_shift;
        block[high] |= code >> 4 << high_shift;
    }
}
