//! What Q4_K and Q5_K share: eight groups of 32 weights, each with a scale and a minimum of six bits, which are multiples
//! of two half-precision numbers.

use super::super::half::{f16_to_f32, f32_to_f16};
use super::{Place, Simd, half_at, inverse};

/// Where a file's block has the two numbers, and how many bytes the scales and minima take after them.
pub(super) const HALVES: &[usize] = &[0, 2];
pub(super) const HEAD: usize = 16;

/// Words per column that scales and minima take.
pub(super) const WORDS: usize = 3;

/// The scales and minima of a block as integers.
#[derive(Default)]
struct Groups {
    scales: [u8; 8],
    minima: [u8; 8],
}

impl Groups {
    /// Out of a file's 12 bytes.
    fn read(bytes: &[u8]) -> Self {
        let mut groups = Self::default();
        for i in 0..4 {
            groups.scales[i] = bytes[i] & 63;
            groups.minima[i] = bytes[i + 4] & 63;
            groups.scales[i + 4] = bytes[i + 8] & 15 | bytes[i] >> 6 << 4;
            groups.minima[i + 4] = bytes[i + 8] >> 4 | bytes[i + 4] >> 6 << 4;
        }
        groups
    }

    fn write(&self, bytes: &mut [u8]) {
        let Self { scales, minima } = self;
        for i in 0..4 {
            bytes[i] = scales[i] | scales[i + 4] >> 4 << 6;
            bytes[i + 4] = minima[i] | minima[i + 4] >> 4 << 6;
            bytes[i + 8] = scales[i + 4] & 15 | minima[i + 4] << 4;
        }
    }
}

/// The tiles' order: the lower four bits of all scales, of all minima, and the upper two bits of both.
pub(super) fn pack(block: &[u8], words: &mut [[u8; 4]]) {
    let groups = Groups::read(&block[4..HEAD]);
    let mut packed = [0_u32; WORDS];
    for i in 0..8 {
        let (scale, minimum) = (u32::from(groups.scales[i]), u32::from(groups.minima[i]));
        packed[0] |= (scale & 15) << (4 * i);
        packed[1] |= (minimum & 15) << (4 * i);
        packed[2] |= scale >> 4 << (2 * i) | minimum >> 4 << (16 + 2 * i);
    }
    words.iter_mut().zip(packed).for_each(|(word, packed)| *word = packed.to_le_bytes());
}

/// Undoes [`pack`].
pub(super) fn unpack(words: &[[u8; 4]], block: &mut [u8]) {
    let [low_scales, low_minima, high] = [0, 1, 2].map(|i| u32::from_le_bytes(words[i]));
    let mut groups = Groups::default();
    for i in 0..8 {
        groups.scales[i] = (low_scales >> (4 * i) & 15 | (high >> (2 * i) & 3) << 4) as u8;
        groups.minima[i] = (low_minima >> (4 * i) & 15 | (high >> (16 + 2 * i) & 3) << 4) as u8;
    }
    groups.write(&mut block[4..HEAD]);
}

/// Writes the block's head and gives the codes, up to `largest`, that are nearest to `x`. Groups are scaled from the least
/// weight, or zero, to the largest one; llama.cpp's own search for better scales is longer.
pub(super) fn quantize(x: &[f32], largest: f32, block: &mut [u8]) -> [u8; 256] {
    let ends = |group: usize| {
        let x = &x[32 * group..32 * (group + 1)];
        (x.iter().copied().fold(0.0, f32::min), x.iter().copied().fold(0.0, f32::max))
    };
    let ends: [(f32, f32); 8] = std::array::from_fn(ends);
    let unit = |values: [f32; 8]| f32_to_f16(values.into_iter().fold(0.0, f32::max) / 63.0);
    let scales = ends.map(|(low, high)| (high - low) / largest);
    let minima = ends.map(|(low, _)| -low);
    let (scale_unit, minimum_unit) = (unit(scales), unit(minima));
    block[..2].copy_from_slice(&scale_unit.to_le_bytes());
    block[2..4].copy_from_slice(&minimum_unit.to_le_bytes());
    let steps = |value: f32, unit: u16| (value * inverse(f16_to_f32(unit))).round().clamp(0.0, 63.0) as u8;
    let groups =
        Groups { scales: scales.map(|x| steps(x, scale_unit)), minima: minima.map(|x| steps(x, minimum_unit)) };
    groups.write(&mut block[4..HEAD]);
    std::array::from_fn(|i| {
        let scale = f16_to_f32(scale_unit) * f32::from(groups.scales[i / 32]);
        let minimum = f16_to_f32(minimum_unit) * f32::from(groups.minima[i / 32]);
        ((x[i] + minimum) * inverse(scale)).round().clamp(0.0, largest) as u8
    })
}

/// The weights that `codes` stand for.
pub(super) fn dequantize(block: &[u8], codes: &[u8; 256], out: &mut [f32]) {
    let (scale_unit, minimum_unit) = (f16_to_f32(half_at(block, 0)), f16_to_f32(half_at(block, 2)));
    let groups = Groups::read(&block[4..HEAD]);
    for (i, (out, codes)) in out.chunks_exact_mut(32).zip(codes.chunks_exact(32)).enumerate() {
        let scale = scale_unit * f32::from(groups.scales[i]);
        let minimum = minimum_unit * f32::from(groups.minima[i]);
        out.iter_mut().zip(codes).for_each(|(out, code)| *out = scale * f32::from(*code) - minimum);
    }
}

/// The scale of `group`; `low` and `high` are the words that [`pack`] made.
///
/// # Safety
/// `at` is good for a whole block.
#[inline(always)]
pub(super) unsafe fn scale<S: Simd>(s: S, at: Place, [low, high]: [S::I; 2], group: usize) -> S::F {
    // SAFETY: by the caller's promise.
    let unit = unsafe { at.half(s, 0) };
    s.mul(unit, six_bits(s, low, high, 4 * group as u32, 2 * group as u32))
}

/// The minimum of `group`.
///
/// # Safety
/// `at` is good for a whole block.
#[inline(always)]
pub(super) unsafe fn minimum<S: Simd>(s: S, at: Place, [low, high]: [S::I; 2], group: usize) -> S::F {
    // SAFETY: by the caller's promise.
    let unit = unsafe { at.half(s, 1) };
    s.mul(unit, six_bits(s, low, high, 4 * group as u32, 16 + 2 * group as u32))
}

#[inline(always)]
fn six_bits<S: Simd>(s: S, low: S::I, high: S::I, low_at: u32, high_at: u32) -> S::F {
    let low = s.and(s.shift_right(low, low_at), s.splat_int(15));
    let high = s.and(s.shift_right(high, high_at), s.splat_int(3));
    s.to_float(s.or(low, s.shift_left(high, 4)))
}
