//! The rows that are multiplied with blocks: quantised to 8 bits as they come, each 32 inputs with a scale of their own.

use super::super::simd::{Simd, dispatch};

/// Inputs that share a scale.
const LEN: usize = 32;

/// 32-bit words of 32 inputs: 32 signed bytes; the scale; what the codes' offset adds to the integer sums of the first
/// and of the second group; the sum of the bytes times the scale.
pub(crate) const BLOCK_WORDS: usize = 12;

/// How codes are turned to weights, as far as the rows make good for it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Correction {
    /// Subtracted from each code.
    pub offset: i32,
    /// Weights that share a scale; 32 or 16.
    pub group: usize,
}

dispatch! {
    /// Quantises the rows `x`, `inputs` long each, to `words` words that start `stride` words apart. What lies behind a
    /// row's last input counts as zeros.
    pub(crate) fn quantize_rows(x: &[f32], inputs: usize, correction: Correction, words: usize, stride: usize, out: &mut [u32]) = rows;
}

#[inline(always)]
fn rows<S: Simd>(s: S, x: &[f32], inputs: usize, correction: Correction, words: usize, stride: usize, out: &mut [u32]) {
    for (row, out) in x.chunks_exact(inputs).zip(out.chunks_mut(stride)) {
        let (blocks, _) = out[..words].as_chunks_mut();
        let mut parts = row.chunks(LEN);
        for out in blocks {
            match parts.next() {
                Some(part) if part.len() == LEN => block(s, part, correction, out),
                part => {
                    let mut whole = [0.0; LEN];
                    let part = part.unwrap_or_default();
                    whole[..part.len()].copy_from_slice(part);
                    block(s, &whole, correction, out);
                }
            }
        }
    }
}

#[inline(always)]
fn block<S: Simd>(s: S, x: &[f32], correction: Correction, out: &mut [u32; BLOCK_WORDS]) {
    /// 1.5 × 2²³ leaves no place for a fraction: the sum's last byte is the rounded integer.
    const MAGIC: f32 = 12_582_912.0;
    let zero = s.splat(0.0);
    let (mut largest, mut odd) = (zero, zero);
    for part in x.chunks_exact(S::LANES) {
        let v = s.load(part);
        largest = s.max(s.abs(v), largest);
        odd = s.mul_add(v, zero, odd);
    }
    // Zero, or NaN if an input is not a number or infinite: the whole block's products are then NaN.
    let odd = s.sum(odd);
    let largest = s.largest(largest);
    let scale = largest / 127.0 + odd;
    let inverse = s.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
    let mut sums = [0.0; 2];
    for (i, part) in x.chunks_exact(S::LANES).enumerate() {
        let q = s.round(s.mul(s.load(part), inverse));
        sums[i * S::LANES / 16] += s.sum(q);
        // SAFETY: 32 bytes lie before the words that follow.
        unsafe { s.store_bytes_at(s.bits(s.add(q, s.splat(MAGIC))), out.as_mut_ptr().cast::<u8>().add(i * S::LANES)) };
    }
    let correct = |sum: f32| (-correction.offset).wrapping_mul(sum as i32).cast_unsigned();
    let [first, second] = sums;
    out[8] = scale.to_bits();
    (out[9], out[10]) =
        if correction.group == LEN { (correct(first + second), 0) } else { (correct(first), correct(second)) };
    out[11] = (scale * (first + second)).to_bits();
}
