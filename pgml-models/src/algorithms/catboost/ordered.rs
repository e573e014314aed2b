//! Scores of splits for ordered boosting: leaf values come from the rows of each model's body, and the rows behind it, which
//! that model never saw, judge them.

use super::histogram::{SplitScores, mean};
use super::scores::Scores;

/// What one of a fold's models sums.
#[derive(Debug)]
struct Body {
    body: usize,
    l2: f64,
    /// The row at each position up to the tail.
    rows: Vec<u32>,
    /// For each position its gradients and its weight, sampled behind the body.
    values: Vec<f64>,
}

/// All models of a fold.
#[derive(Debug)]
pub(super) struct OrderedRows {
    bodies: Vec<Body>,
    dims: usize,
    leaf: Vec<u32>,
    n_leaves: usize,
}

impl OrderedRows {
    /// Before the first split. `gradients` are those of each model; `weight` is the weight of a position, `sample` its
    /// factor from the bootstrap.
    pub(super) fn new(
        scores: &[Scores],
        gradients: &[Vec<f64>],
        l2: f64,
        n_rows: usize,
        weight: impl Fn(usize) -> f64,
        sample: impl Fn(usize) -> f64,
    ) -> Self {
        let dims = scores.first().map_or(1, |scores| scores.values.len());
        let body = |(scores, gradients): (&Scores, &Vec<f64>)| {
            let mut values = Vec::with_capacity(scores.tail * (dims + 1));
            for (position, gradient) in gradients.chunks_exact(dims).enumerate() {
                let factor = if position < scores.body { 1.0 } else { sample(position) };
                values.extend(gradient.iter().map(|g| g * factor));
                values.push(weight(scores.row(position)) * factor);
            }
            let rows = (0..scores.tail).map(|position| scores.row(position) as u32).collect();
            Body { body: scores.body, l2: scores.scaled_l2(l2), rows, values }
        };
        let bodies = scores.iter().zip(gradients).map(body).collect();
        Self { bodies, dims, leaf: vec![0; n_rows], n_leaves: 1 }
    }

    /// Takes the leaves of the next level.
    pub(super) fn descend(&mut self, leaf: &[u32]) {
        self.leaf.copy_from_slice(leaf);
        self.n_leaves *= 2;
    }

    /// The scores of a column's splits.
    pub(super) fn scores(&self, bins: &[u8], n_bins: usize, one_hot: bool, n_splits: usize) -> SplitScores {
        let width = self.dims + 1;
        let mut scores = SplitScores::new(n_splits);
        let mut sums = vec![0.0; self.n_leaves * n_bins * width * 2];
        for body in &self.bodies {
            sums.fill(0.0);
            let (learnt, judging) = sums.split_at_mut(self.n_leaves * n_bins * width);
            for (position, (row, value)) in body.rows.iter().zip(body.values.chunks_exact(width)).enumerate() {
                let row = *row as usize;
                let cell = (self.leaf[row] as usize * n_bins + usize::from(bins[row])) * width;
                let sums = if position < body.body { &mut *learnt } else { &mut *judging };
                sums[cell..cell + width].iter_mut().zip(value).for_each(|(sum, x)| *sum += x);
            }
            let size = n_bins * width;
            for (learnt, judging) in learnt.chunks_exact(size).zip(judging.chunks_exact(size)) {
                for dim in 0..self.dims {
                    self.add_leaf(&mut scores, learnt, judging, dim, body.l2, one_hot);
                }
            }
        }
        scores
    }

    fn add_leaf(&self, scores: &mut SplitScores, learnt: &[f64], judging: &[f64], dim: usize, l2: f64, one_hot: bool) {
        let (dims, width) = (self.dims, self.dims + 1);
        let of_bin = |bin: usize| {
            let at = bin * width;
            [learnt[at + dim], learnt[at + dims], judging[at + dim], judging[at + dims]]
        };
        let mut all = [0.0; 4];
        (0..learnt.len() / width).for_each(|bin| all.iter_mut().zip(of_bin(bin)).for_each(|(all, x)| *all += x));
        let mut left = [0.0; 4];
        for split in 0..scores.len() {
            if one_hot {
                left = of_bin(split);
            } else {
                left.iter_mut().zip(of_bin(split)).for_each(|(left, x)| *left += x);
            }
            let right: [f64; 4] = std::array::from_fn(|i| all[i] - left[i]);
            for [gradient, weight, judged, judges] in [left, right] {
                scores.add_side(split, mean(gradient, weight, l2), judged, judges);
            }
        }
    }
}
