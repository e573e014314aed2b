//! The softmax down the columns of a block of scores, and what belongs to a column.

use std::f32::consts::LOG2_E;

use crate::kernels::elementary::{Curve, Tanh, exp2};
use crate::kernels::rows::{load, store};
use crate::kernels::simd::{MAX_LANES, Simd, dispatch};

const WIDTH: usize = 2 * MAX_LANES;

/// What is known of each column, which is one query and head.
pub(super) struct Columns {
    pub position: [f32; WIDTH],
    /// The first and the last position that it sees.
    pub first: [f32; WIDTH],
    pub last: [f32; WIDTH],
    pub slope: [f32; WIDTH],
    /// The largest score so far, and the sum of `exp(score − largest)`.
    pub largest: [f32; WIDTH],
    pub sum: [f32; WIDTH],
    /// What earlier sums are to be multiplied by since the last block.
    pub factor: [f32; WIDTH],
}

impl Default for Columns {
    fn default() -> Self {
        let zero = [0.0; WIDTH];
        let largest = [f32::NEG_INFINITY; WIDTH];
        Self { position: zero, first: zero, last: zero, slope: zero, largest, sum: zero, factor: zero }
    }
}

impl Columns {
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

dispatch! {
    /// Presses scores between −`cap` and `cap`.
    pub(super) fn soft_cap(scores: &mut [f32], cap: f32) = soft_cap_simd;
}

#[inline(always)]
fn soft_cap_simd<S: Simd>(s: S, scores: &mut [f32], cap: f32) {
    let (inverse, cap) = (s.splat(1.0 / cap), s.splat(cap));
    for part in scores.chunks_mut(S::LANES) {
        store(s, s.mul(cap, Tanh.at(s, s.mul(load(s, part, 0.0), inverse))), part);
    }
}

/// A bias that is computed from positions.
#[derive(Clone, Copy)]
pub(super) enum LaneBias<'a> {
    None,
    Alibi,
    /// Column `i` and key `j` have `table[key_0 + i − j]`.
    Relative {
        table: &'a [f32],
        key_0: isize,
    },
}

/// A block of scores, keys × width.
pub(super) struct Softmax<'a> {
    pub scores: &'a mut [f32],
    pub first_key: usize,
    /// Whether some column does not see some key.
    pub masked: bool,
    pub bias: LaneBias<'a>,
}

dispatch! {
    /// Turns the scores into weights relative to the largest score so far, and brings `columns` up to date.
    pub(super) fn softmax(block: Softmax<'_>, columns: &mut Columns) = softmax_simd;
}

#[inline(always)]
fn softmax_simd<S: Simd>(s: S, block: Softmax<'_>, columns: &mut Columns) {
    let lowest = s.splat(f32::NEG_INFINITY);
    for half in [0, S::LANES] {
        let earlier = s.load(&columns.largest[half..]);
        let mut largest = earlier;
        for (j, row) in block.scores.chunks_exact_mut(2 * S::LANES).enumerate() {
            let key = block.first_key + j;
            let mut score = s.load(&row[half..]);
            if !matches!(block.bias, LaneBias::None) {
                score = s.add(score, bias(s, block.bias, columns, key, half));
            }
            if block.masked {
                let key = s.splat(key as f32);
                score = s.if_less(key, s.load(&columns.first[half..]), lowest, score);
                score = s.if_less(s.load(&columns.last[half..]), key, lowest, score);
            }
            s.store(score, &mut row[half..]);
            largest = s.max(score, largest);
        }
        // A column that has seen nothing yet: any finite number will do, its weights are zero.
        let zero = s.if_less(lowest, largest, largest, s.splat(0.0));
        let offset = s.mul(zero, s.splat(-LOG2_E));
        let mut sum = s.splat(0.0);
        for row in block.scores.chunks_exact_mut(2 * S::LANES) {
            let weight = power(s, s.load(&row[half..]), offset);
            sum = s.add(sum, weight);
            s.store(weight, &mut row[half..]);
        }
        let factor = power(s, earlier, offset);
        s.store(s.mul_add(s.load(&columns.sum[half..]), factor, sum), &mut columns.sum[half..]);
        s.store(factor, &mut columns.factor[half..]);
        s.store(largest, &mut columns.largest[half..]);
    }
}

/// `exp(score)` times `2^offset`
#[inline(always)]
fn power<S: Simd>(s: S, score: S::F, offset: S::F) -> S::F {
    exp2(s, s.max(s.splat(-300.0), s.mul_add(score, s.splat(LOG2_E), offset)))
}

#[inline(always)]
fn bias<S: Simd>(s: S, bias: LaneBias<'_>, columns: &Columns, key: usize, half: usize) -> S::F {
    match bias {
        LaneBias::None => s.splat(0.0),
        LaneBias::Alibi => {
            let distance = s.abs(s.sub(s.load(&columns.position[half..]), s.splat(key as f32)));
            s.neg_mul_add(distance, s.load(&columns.slope[half..]), s.splat(0.0))
        }
        LaneBias::Relative { table, key_0 } => {
            // Only columns beyond the last query have no number here.
            let start = (key_0 - key.cast_signed()).cast_unsigned() + half;
            match table.get(start..start + S::LANES) {
                Some(numbers) => s.load(numbers),
                None if start < table.len() => s.load_part(&table[start..], 0.0),
                None => s.splat(0.0),
            }
        }
    }
}

dispatch! {
    /// Multiplies the sums of earlier blocks, columns × `dim`, by what the larger maximum makes of them.
    pub(super) fn rescale(sums: &mut [f32], dim: usize, columns: &Columns) = rescale_simd;
}

#[inline(always)]
fn rescale_simd<S: Simd>(s: S, sums: &mut [f32], dim: usize, columns: &Columns) {
    for (row, factor) in sums.chunks_exact_mut(dim).zip(&columns.factor) {
        for v in row.chunks_exact_mut(S::LANES) {
            s.store(s.mul(s.load(v), s.splat(*factor)), v);
        }
    }
}

/// Writes queries that start at `places` side by side: `out[i × width + lane] = scale × q[place + i]`.
pub(super) fn pack_queries(
    q: &[f32],
    places: impl Iterator<Item = usize>,
    scale: f32,
    dim: usize,
    width: usize,
    out: &mut [f32],
) {
    let mut queries: [&[f32]; WIDTH] = [&[]; WIDTH];
    let mut filled = 0;
    for place in places {
        queries[filled] = &q[place..place + dim];
        filled += 1;
    }
    for (i, row) in out.chunks_exact_mut(width).take(dim).enumerate() {
        row[..filled].iter_mut().zip(&queries).for_each(|(out, query)| *out = scale * query[i]);
        row[filled..].fill(0.0);
    }
}

/// `out = sums / total`, zeros where no key was seen.
pub(super) fn divide(sums: &[f32], total: f32, out: &mut [f32]) {
    let factor = if total == 0.0 { 0.0 } else { 1.0 / total };
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * factor);
}
