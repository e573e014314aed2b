//! The rows that a product multiplies with the weights, in the precision that these want.

use super::aligned::Aligned;
use super::blocks::quantize_rows;
use super::cpu::Cpu;
use super::half::f32_to_bf16;
use super::packed::Precision;
use super::rows::load;
use super::simd::{Simd, dispatch};
use super::tile::Kernel;

/// Rows that lie a multiple of this many elements apart start in the same few sets of the first-level cache and push each
/// other out: 4 kB on all processors that matter. Such rows (768 × 4 and 1,024 are usual sizes) are copied further apart.
const CROWDED: usize = 1024;

/// Rows that one set has room for anyway.
const WAYS: usize = 6;

/// Elements in a cache line.
const LINE: usize = 16;

/// Buffers for converted rows, used again and again.
#[derive(Debug, Default)]
pub(super) struct Operand {
    copy: Aligned,
    scales: Vec<f32>,
    zeros: Vec<i32>,
}

/// Rows in the precision of the weights.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub elements: &'a [u32],
    /// Elements from one row's start to the next's.
    pub stride: usize,
    /// Of 8-bit rows: what one unit is worth, and which integer stands for zero.
    pub scales: &'a [f32],
    pub zeros: &'a [i32],
}

impl Operand {
    /// Converts the rows `x`, `inputs` long each, to what `kernel` takes.
    pub(super) fn convert<'a>(
        &'a mut self,
        cpu: Cpu,
        precision: Precision,
        kernel: &Kernel,
        x: &'a [f32],
        inputs: usize,
    ) -> Rows<'a> {
        let rows = x.len() / inputs;
        let words = inputs.div_ceil(kernel.inputs) * kernel.a_step;
        let floats = matches!(precision, Precision::F32 | Precision::F16);
        if floats && (rows <= WAYS || !words.is_multiple_of(CROWDED)) {
            return Rows { elements: as_elements(x), stride: words, scales: &[], zeros: &[] };
        }
        let stride = if words.is_multiple_of(CROWDED) { words + LINE } else { words };
        self.copy.reserve(rows * stride);
        let copy = self.copy.as_mut_slice();
        match precision {
            Precision::F32 | Precision::F16 => copy_rows(x, inputs, stride, copy),
            Precision::Bf16 => to_bf16(cpu, x, inputs, stride, copy),
            Precision::Blocks(_) => quantize_rows(cpu, x, inputs, kernel.correction, words, stride, copy),
            Precision::Int8 => {
                self.scales.resize(rows, 0.0);
                self.zeros.resize(rows, 0);
                to_bytes(cpu, x, inputs, stride, copy, &mut self.scales, &mut self.zeros);
            }
        }
        Rows { elements: self.copy.as_slice(), stride, scales: &self.scales, zeros: &self.zeros }
    }
}

/// Floats as what they are in memory.
fn as_elements(x: &[f32]) -> &[u32] {
    // SAFETY: `f32` and `u32` have the same size and alignment, and every bit pattern is valid for both.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

fn copy_rows(x: &[f32], inputs: usize, stride: usize, out: &mut [u32]) {
    for (row, out) in as_elements(x).chunks_exact(inputs).zip(out.chunks_mut(stride)) {
        out[..inputs].copy_from_slice(row);
    }
}

dispatch! {
    fn to_bf16(x: &[f32], inputs: usize, stride: usize, out: &mut [u32]) = to_bf16_simd;
}

#[inline(always)]
fn to_bf16_simd<S: Simd>(_: S, x: &[f32], inputs: usize, stride: usize, out: &mut [u32]) {
    for (row, out) in x.chunks_exact(inputs).zip(out.chunks_mut(stride)) {
        let out = &mut out[..inputs.div_ceil(2)];
        let pair = |low: f32, high: f32| u32::from(f32_to_bf16(low)) | u32::from(f32_to_bf16(high)) << 16;
        let pairs = row.chunks_exact(2);
        if let ([odd], Some(last)) = (pairs.remainder(), out.last_mut()) {
            *last = pair(*odd, 0.0);
        }
        pairs.zip(out).for_each(|(p, out)| *out = pair(p[0], p[1]));
    }
}

dispatch! {
    fn to_bytes(x: &[f32], inputs: usize, stride: usize, out: &mut [u32], scales: &mut [f32], zeros: &mut [i32]) = to_bytes_simd;
}

#[inline(always)]
fn to_bytes_simd<S: Simd>(
    s: S,
    x: &[f32],
    inputs: usize,
    stride: usize,
    out: &mut [u32],
    scales: &mut [f32],
    zeros: &mut [i32],
) {
    let rows = x.chunks_exact(inputs).zip(out.chunks_mut(stride));
    for ((row, out), (scale, zero)) in rows.zip(scales.iter_mut().zip(zeros)) {
        let out = &mut out[..inputs.div_ceil(4)];
        let (low, high) = range(s, row);
        // 255 steps from the lowest to the highest value; zero is always one of the integers.
        let width = (high - low) / 255.0;
        let inverse = if width > 0.0 { 1.0 / width } else { 0.0 };
        let offset = (-low * inverse).round_ties_even();
        (*scale, *zero) = (width, offset as i32);
        // 1.5 × 2²³: the sum's last byte is the rounded integer.
        const MAGIC: f32 = 12_582_912.0;
        let byte = |x: f32| ((x * inverse + offset).clamp(0.0, 255.0) + MAGIC).to_bits() & 0xff;
        let fours = row.chunks_exact(4);
        if let (false, Some(last)) = (fours.remainder().is_empty(), out.last_mut()) {
            *last = fours.remainder().iter().rev().fold(0, |bits, x| bits << 8 | byte(*x));
        }
        let pack = |p: &[f32]| byte(p[0]) | byte(p[1]) << 8 | byte(p[2]) << 16 | byte(p[3]) << 24;
        fours.zip(out).for_each(|(p, out)| *out = pack(p));
    }
}

/// The least and the largest of `row` and zero; NaN for both if `row` has a NaN or an infinity.
#[inline(always)]
fn range<S: Simd>(s: S, row: &[f32]) -> (f32, f32) {
    let zero = s.splat(0.0);
    let (mut low, mut high, mut odd) = (zero, zero, zero);
    for part in row.chunks(S::LANES) {
        let v = load(s, part, 0.0);
        low = s.min(v, low);
        high = s.max(v, high);
        odd = s.mul_add(v, zero, odd);
    }
    if s.sum(odd).is_nan() {
        return (f32::NAN, f32::NAN);
    }
    let (mut lows, mut highs) = ([0.0_f32; 16], [0.0_f32; 16]);
    s.store(low, &mut lows);
    s.store(high, &mut highs);
    (lows.into_iter().fold(0.0, f32::min), highs.into_iter().fold(0.0, f32::max))
}
