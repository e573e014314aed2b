//! One sequence and one head of keys: its queries in blocks as wide as a tile, its keys in blocks that fit the cache.

use std::ops::Range;

use super::scores::{Columns, LaneBias, Softmax, divide, pack_queries, rescale, soft_cap, softmax};
use super::stored::Stored;
use super::{Attention, Bias, Scores, Tokens};
use crate::kernels::aligned::Aligned;
use crate::kernels::cpu::Cpu;
use crate::kernels::packed::Precision;
use crate::kernels::team::Disjoint;
use crate::kernels::tile::{Kernel, Tile};

/// Keys in a block: their scores take 16 kB.
pub(super) const KEYS: usize = 128;

/// Buffers that a thread uses again and again.
#[derive(Default)]
pub(super) struct Scratch {
    /// `head_dim × width`: queries side by side, scaled.
    queries: Aligned,
    /// `KEYS × width`.
    scores: Aligned,
    /// `KEYS × width`: the last columns of the values, filled up with zeros.
    values: Aligned,
    /// `width × head_dim`, the latter rounded up to whole tiles.
    sums: Aligned,
    columns: Columns,
}

/// A sequence and a head of keys, with all query heads that share it.
///
/// The lanes of a tile are the queries, each with all its heads: lane `i` is query `i / group`, head `i % group`.
pub(super) struct Sequence<'a> {
    what: &'a Attention<'a>,
    kernel: Kernel,
    cpu: Cpu,
    sequence: usize,
    kv_head: usize,
    group: usize,
    q: Tokens<'a>,
    k: Stored<'a>,
    v: Stored<'a>,
    first_query: usize,
    queries: usize,
    keys: usize,
}

/// Queries, keys and values of a sequence, all heads of each.
pub(super) struct Input<'a> {
    pub q: Tokens<'a>,
    pub k: Stored<'a>,
    pub v: Stored<'a>,
    /// The rows of the queries.
    pub queries: Range<usize>,
    /// How many keys there are.
    pub keys: usize,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(what: &'a Attention<'a>, cpu: Cpu, input: &Input<'a>, sequence: usize, kv_head: usize) -> Self {
        let group = what.heads / what.kv_heads;
        let (first_query, queries) = (input.queries.start, input.queries.len());
        let start = if queries == 0 { 0 } else { first_query * input.q.stride + kv_head * group * what.head_dim };
        let q = Tokens { data: &input.q.data[start..], stride: input.q.stride };
        let (k, v) = (input.k.head(kv_head * what.head_dim), input.v.head(kv_head * what.head_dim));
        let kernel = Kernel::of(cpu, Precision::F32);
        Self { what, kernel, cpu, sequence, kv_head, group, q, k, v, first_query, queries, keys: input.keys }
    }

    /// Computes the `part`th of `parts` parts of the queries.
    pub(super) fn run(&self, part: usize, parts: usize, scratch: &mut Scratch, out: &Disjoint<'_, f32>) {
        let (width, d) = (self.kernel.width(), self.what.head_dim);
        scratch.queries.reserve(d * width);
        scratch.scores.reserve(KEYS * width);
        scratch.values.reserve(KEYS * width);
        scratch.sums.reserve(width * d.next_multiple_of(width));
        let lanes = self.queries * self.group;
        let blocks = lanes.div_ceil(width);
        for b in blocks * part / parts..blocks * (part + 1) / parts {
            self.block(b * width..((b + 1) * width).min(lanes), scratch, out);
        }
    }

    /// Computes the queries of `lanes`.
    fn block(&self, lanes: Range<usize>, scratch: &mut Scratch, out: &Disjoint<'_, f32>) {
        let (width, d) = (self.kernel.width(), self.what.head_dim);
        let place = |lane: usize| (lane / self.group * self.q.stride) + lane % self.group * d;
        pack_queries(self.q.data, lanes.clone().map(place), self.what.scale, d, width, scratch.queries.floats_mut());
        self.set_columns(&lanes, &mut scratch.columns);
        let visible = self.visible(&lanes);
        let mut start = visible.start;
        while start < visible.end {
            let keys = start..self.k.block_end(start).min(visible.end);
            self.scores(&keys, scratch);
            if let Some(cap) = self.what.softcap {
                soft_cap(self.cpu, &mut scratch.scores.floats_mut()[..keys.len() * width], cap);
            }
            self.add_bias(&lanes, &keys, scratch.scores.floats_mut());
            let scores = &mut scratch.scores.floats_mut()[..keys.len() * width];
            let masked = !self.all_visible(&lanes, &keys);
            let bias = self.lane_bias(&lanes);
            let (first_key, columns) = (keys.start, &mut scratch.columns);
            softmax(self.cpu, Softmax { scores, first_key, masked, bias }, columns);
            if start > visible.start {
                let dim = d.next_multiple_of(width);
                rescale(self.cpu, &mut scratch.sums.floats_mut()[..lanes.len() * dim], dim, columns);
            }
            self.add_values(lanes.len(), &keys, start > visible.start, scratch);
            start = keys.end;
        }
        self.write(&lanes, visible.is_empty(), scratch, out);
    }

    /// The position of a lane's query: its last one has the position of the last key.
    fn position(&self, lane: usize) -> isize {
        (lane / self.group + self.keys).cast_signed() - self.queries.cast_signed()
    }

    /// The keys that any of `lanes` sees.
    fn visible(&self, lanes: &Range<usize>) -> Range<usize> {
        let window = self.what.window;
        let first = self.position(lanes.start).saturating_sub_unsigned(window.before).max(0).cast_unsigned();
        let end = self.position(lanes.end - 1).saturating_add_unsigned(window.after).saturating_add(1).max(0);
        let end = end.cast_unsigned().min(self.keys);
        first.min(end)..end
    }

    /// Whether all of `lanes` see all of `keys`.
    fn all_visible(&self, lanes: &Range<usize>, keys: &Range<usize>) -> bool {
        let window = self.what.window;
        let first = self.position(lanes.end - 1).saturating_sub_unsigned(window.before);
        let last = self.position(lanes.start).saturating_add_unsigned(window.after);
        first <= keys.start.cast_signed() && keys.end.cast_signed() <= last.saturating_add(1)
    }

    fn set_columns(&self, lanes: &Range<usize>, columns: &mut Columns) {
        columns.reset();
        let limit = |distance: usize| if distance > 1 << 23 { f32::INFINITY } else { distance as f32 };
        for (i, lane) in lanes.clone().enumerate() {
            let position = self.position(lane) as f32;
            columns.position[i] = position;
            columns.first[i] = position - limit(self.what.window.before);
            columns.last[i] = position + limit(self.what.window.after);
            if let Bias::Alibi(slopes) = self.what.bias {
                columns.slope[i] = slopes[self.kv_head * self.group + lane % self.group];
            }
        }
    }

    /// The bias that is computed along with the softmax.
    fn lane_bias(&self, lanes: &Range<usize>) -> LaneBias<'_> {
        match self.what.bias {
            Bias::Alibi(_) => LaneBias::Alibi,
            // One head per lane: what neighbouring lanes need stands side by side.
            Bias::Relative { by_distance, farthest } if self.group == 1 => {
                let size = 2 * farthest + 1;
                let table = &by_distance[self.kv_head * size..(self.kv_head + 1) * size];
                LaneBias::Relative { table, key_0: self.position(lanes.start) + farthest.cast_signed() }
            }
            _ => LaneBias::None,
        }
    }

    /// Adds the biases that `lane_bias` leaves out.
    fn add_bias(&self, lanes: &Range<usize>, keys: &Range<usize>, scores: &mut [f32]) {
        let width = self.kernel.width();
        match self.what.bias {
            Bias::Relative { by_distance, farthest } if self.group > 1 => {
                for (j, key) in keys.clone().enumerate() {
                    for (i, lane) in lanes.clone().enumerate() {
                        let head = self.kv_head * self.group + lane % self.group;
                        let distance = self.position(lane) - key.cast_signed() + farthest.cast_signed();
                        scores[j * width + i] += by_distance[head * (2 * farthest + 1) + distance.cast_unsigned()];
                    }
                }
            }
            Bias::Added(add) => self.call(add, lanes, keys, scores),
            _ => {}
        }
    }

    fn call(&self, add: &dyn Fn(Scores<'_>), lanes: &Range<usize>, keys: &Range<usize>, scores: &mut [f32]) {
        let width = self.kernel.width();
        let (sequence, first_key, keys, stride) = (self.sequence, keys.start, keys.len(), width);
        if self.group == 1 {
            let (head, first_query, queries) = (self.kv_head, lanes.start, lanes.len());
            return add(Scores { sequence, head, first_query, queries, first_key, keys, scores, stride });
        }
        for (i, lane) in lanes.clone().enumerate() {
            let (head, first_query) = (self.kv_head * self.group + lane % self.group, lane / self.group);
            let scores = &mut scores[i..];
            add(Scores { sequence, head, first_query, queries: 1, first_key, keys, scores, stride });
        }
    }

    /// `scores[key] = k[key] · queries`
    fn scores(&self, keys: &Range<usize>, scratch: &mut Scratch) {
        let (width, d) = (self.kernel.width(), self.what.head_dim);
        let tiles = keys.len().div_ceil(self.kernel.max_rows);
        let (queries, scores) = (scratch.queries.as_slice(), scratch.scores.as_mut_slice());
        let k = self.k.rows(keys);
        assert!(k.data.len() >= (keys.len() - 1) * k.stride + d);
        assert!(queries.len() >= d * width && scores.len() >= keys.len() * width);
        for t in 0..tiles {
            let rows = keys.len() * t / tiles..keys.len() * (t + 1) / tiles;
            // SAFETY: all keys, and the buffers' sizes, were checked.
            unsafe {
                let tile = Tile {
                    steps: d,
                    a: k.data.as_ptr().add(rows.start * k.stride).cast(),
                    a_row: k.stride,
                    a_step: 1,
                    b: queries.as_ptr(),
                    b_step: width,
                    sums: scores.as_mut_ptr().add(rows.start * width),
                    sums_row: width,
                    accumulate: false,
                };
                self.kernel.run(rows.len(), &tile);
            }
        }
    }

    /// `sums[lane] (+)= Σ_key weight[key][lane] · v[key]`
    fn add_values(&self, lanes: usize, keys: &Range<usize>, accumulate: bool, scratch: &mut Scratch) {
        let (width, d) = (self.kernel.width(), self.what.head_dim);
        let dim = d.next_multiple_of(width);
        let weights = scratch.scores.as_slice();
        let v = self.v.rows(keys);
        assert!(v.data.len() >= (keys.len() - 1) * v.stride + d);
        assert!(weights.len() >= keys.len() * width && scratch.sums.as_slice().len() >= lanes * dim);
        for column in (0..d).step_by(width) {
            let (b, b_step) = if column + width <= d {
                (v.data[column..].as_ptr().cast(), v.stride)
            } else {
                let values = scratch.values.floats_mut();
                for (j, row) in values.chunks_exact_mut(width).take(keys.len()).enumerate() {
                    row[d - column..].fill(0.0);
                    row[..d - column].copy_from_slice(&v.data[j * v.stride + column..][..d - column]);
                }
                (scratch.values.as_slice().as_ptr(), width)
            };
            let sums = scratch.sums.as_mut_slice();
            let tiles = lanes.div_ceil(self.kernel.max_rows);
            for t in 0..tiles {
                let rows = lanes * t / tiles..lanes * (t + 1) / tiles;
                // SAFETY: all values, and the buffers' sizes, were checked.
                unsafe {
                    let tile = Tile {
                        steps: keys.len(),
                        a: weights.as_ptr().add(rows.start),
                        a_row: 1,
                        a_step: width,
                        b,
                        b_step,
                        sums: sums.as_mut_ptr().add(rows.start * dim + column),
                        sums_row: dim,
                        accumulate,
                    };
                    self.kernel.run(rows.len(), &tile);
                }
            }
        }
    }

    fn write(&self, lanes: &Range<usize>, empty: bool, scratch: &mut Scratch, out: &Disjoint<'_, f32>) {
        let d = self.what.head_dim;
        let dim = d.next_multiple_of(self.kernel.width());
        for (i, lane) in lanes.clone().enumerate() {
            let (query, head) = (self.first_query + lane / self.group, self.kv_head * self.group + lane % self.group);
            let start = (query * self.what.heads + head) * d;
            // SAFETY: each job has its own queries and heads.
            let out = unsafe { out.part(start..start + d) };
            if empty {
                out.fill(0.0);
            } else {
                divide(&scratch.sums.floats_mut()[i * dim..][..d], scratch.columns.sum[i], out);
            }
        }
    }
}
