//! One query of a sequence whose keys and values lie in pages, as when a text grows token by token: a pass over keys and a
//! pass over values, both at the speed of memory.

use super::block::Input;
use super::scores::soft_cap;
use super::{Attention, Bias, PAGE, Window};
use crate::kernels::cpu::Cpu;
use crate::kernels::elementary::exp2;
use crate::kernels::simd::{Simd, dispatch};
use std::f32::consts::LOG2_E;

/// What one head of keys makes of the query's heads that share it.
pub(super) struct Single<'a> {
    pub what: &'a Attention<'a>,
    pub input: &'a Input<'a>,
    pub kv_head: usize,
}

/// Buffers that a thread uses again and again.
#[derive(Default)]
pub(super) struct Scratch {
    /// A head's queries × keys.
    scores: Vec<f32>,
}

impl Single<'_> {
    /// Writes the heads' outputs, group × head_dim, side by side.
    pub(super) fn run(&self, cpu: Cpu, scratch: &mut Scratch, out: &mut [f32]) {
        let (what, d) = (self.what, self.what.head_dim);
        let group = what.heads / what.kv_heads;
        let start = self.input.queries.start * self.input.q.stride + self.kv_head * group * d;
        let queries = &self.input.q.data[start..start + group * d];
        let keys = visible(what.window, self.input.keys);
        scratch.scores.clear();
        scratch.scores.resize(group * keys.len(), 0.0);
        out.fill(0.0);
        let mut at = keys.start;
        while at < keys.end {
            let block = at..((at / PAGE + 1) * PAGE).min(keys.end);
            let k = self.input.k.head(self.kv_head * d).rows(&block);
            let part = Part { queries, rows: k.data, stride: k.stride, n: block.len(), d, n_all: keys.len() };
            scores(cpu, &part, what.scale, &mut scratch.scores[block.start - keys.start..]);
            at = block.end;
        }
        if let Some(cap) = what.softcap {
            soft_cap(cpu, &mut scratch.scores, cap);
        }
        for (head, scores) in scratch.scores.chunks_exact_mut(keys.len().max(1)).enumerate() {
            self.add_bias(self.kv_head * group + head, keys.start, scores);
            softmax(cpu, scores);
        }
        let mut at = keys.start;
        while at < keys.end {
            let block = at..((at / PAGE + 1) * PAGE).min(keys.end);
            let v = self.input.v.head(self.kv_head * d).rows(&block);
            let weights = &scratch.scores[block.start - keys.start..];
            let part = Part { queries: weights, rows: v.data, stride: v.stride, n: block.len(), d, n_all: keys.len() };
            add_values(cpu, &part, out);
            at = block.end;
        }
    }

    fn add_bias(&self, head: usize, first_key: usize, scores: &mut [f32]) {
        let distance = |j: usize| self.input.keys - 1 - (first_key + j);
        match self.what.bias {
            Bias::None => {}
            Bias::Alibi(slopes) => {
                scores.iter_mut().enumerate().for_each(|(j, score)| *score -= slopes[head] * distance(j) as f32);
            }
            Bias::Relative { by_distance, farthest } => {
                let table = &by_distance[head * (2 * farthest + 1) + farthest..];
                scores.iter_mut().enumerate().for_each(|(j, score)| *score += table[distance(j)]);
            }
            Bias::Added(_) => unreachable!("biases of other kinds are added to blocks"),
        }
    }
}

/// The keys that the last position sees.
fn visible(window: Window, keys: usize) -> std::ops::Range<usize> {
    (keys - 1).saturating_sub(window.before)..keys
}

/// Rows of a page, and what they are multiplied with.
struct Part<'a> {
    /// group × d queries, or group × `n_all` weights.
    queries: &'a [f32],
    rows: &'a [f32],
    stride: usize,
    n: usize,
    d: usize,
    /// Keys in all: from one head's scores to the next's.
    n_all: usize,
}

dispatch! {
    fn scores(part: &Part<'_>, scale: f32, out: &mut [f32]) = scores_simd;
}

#[inline(always)]
fn scores_simd<S: Simd>(s: S, part: &Part<'_>, scale: f32, out: &mut [f32]) {
    let d = part.d;
    for (j, row) in part.rows.chunks(part.stride).take(part.n).enumerate() {
        let row = &row[..d];
        for (head, query) in part.queries.chunks_exact(d).enumerate() {
            let mut sum = s.splat(0.0);
            let (whole, rest) = (row.chunks_exact(S::LANES), d / S::LANES * S::LANES);
            for (k, q) in whole.zip(query.chunks_exact(S::LANES)) {
                sum = s.mul_add(s.load(k), s.load(q), sum);
            }
            if rest < d {
                sum = s.mul_add(s.load_part(&row[rest..], 0.0), s.load_part(&query[rest..], 0.0), sum);
            }
            out[head * part.n_all + j] = s.sum(sum) * scale;
        }
    }
}

dispatch! {
    fn softmax(scores: &mut [f32]) = softmax_simd;
}

#[inline(always)]
fn softmax_simd<S: Simd>(s: S, scores: &mut [f32]) {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, score| largest.max(*score));
    let offset = s.splat(-largest * LOG2_E);
    let mut sum = 0.0;
    for part in scores.chunks_mut(S::LANES) {
        let power = s.mul_add(s.load_part(part, f32::NEG_INFINITY), s.splat(LOG2_E), offset);
        let weight = exp2(s, s.max(s.splat(-300.0), power));
        s.store_part(weight, part);
        sum += part.iter().sum::<f32>();
    }
    let factor = 1.0 / sum;
    scores.iter_mut().for_each(|weight| *weight *= factor);
}

dispatch! {
    fn add_values(part: &Part<'_>, out: &mut [f32]) = add_values_simd;
}

#[inline(always)]
fn add_values_simd<S: Simd>(s: S, part: &Part<'_>, out: &mut [f32]) {
    let d = part.d;
    for (head, out) in out.chunks_exact_mut(d).enumerate() {
        let weights = &part.queries[head * part.n_all..][..part.n];
        for (column, out) in out.chunks_mut(S::LANES).enumerate() {
            let mut sum = s.load_part(out, 0.0);
            for (weight, row) in weights.iter().zip(part.rows.chunks(part.stride)) {
                let row = &row[column * S::LANES..][..out.len()];
                let value = if row.len() == S::LANES { s.load(row) } else { s.load_part(row, 0.0) };
                sum = s.mul_add(s.splat(*weight), value, sum);
            }
            s.store_part(sum, out);
        }
    }
}
