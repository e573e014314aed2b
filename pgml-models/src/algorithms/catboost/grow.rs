//! Growing one symmetric tree, level by level.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pgml_core::{Result, Run};
use rayon::prelude::*;

use super::bootstrap;
use super::candidates::{Candidate, Candidates, ColumnId};
use super::ctr::Ctrs;
use super::ctr_info::CtrKind;
use super::data::TrainData;
use super::fold::Fold;
use super::histogram::{LeafRows, SplitScores};
use super::ordered::OrderedRows;
use super::projection::Projection;
use super::settings::Settings;
use super::tree::Split;

/// Grows trees one after another.
#[derive(Debug)]
pub(super) struct Grower<'a> {
    data: &'a TrainData,
    settings: &'a Settings,
    ctrs: &'a Ctrs,
    candidates: &'a Candidates<'a>,
    /// Statistics that earlier trees use.
    used: HashSet<(CtrKind, Arc<Projection>)>,
    run: &'a Run,
}

/// A tree's structure, and the leaf of each row in the fold it grew in.
#[derive(Debug)]
pub(super) struct Grown {
    pub splits: Vec<Split>,
    pub leaf: Vec<u32>,
}

/// What splits of a level are scored by.
enum Rows {
    Plain { rows: LeafRows, l2: f64 },
    Ordered(OrderedRows),
}

/// The best split of one column, with its score before any disturbance.
struct Best {
    score: f64,
    bin: u8,
    sums: Option<Vec<f64>>,
}

/// Random streams of one round.
const STREAMS: u64 = 64;

impl<'a> Grower<'a> {
    pub(super) fn new(
        data: &'a TrainData,
        settings: &'a Settings,
        ctrs: &'a Ctrs,
        candidates: &'a Candidates<'a>,
        run: &'a Run,
    ) -> Self {
        Self { data, settings, ctrs, candidates, used: HashSet::new(), run }
    }

    /// Grows the tree of a round from the gradients of a fold. `last_leaves` are the values of the tree before it.
    pub(super) fn grow(&mut self, fold: &mut Fold, round: usize, last_leaves: Option<&[f64]>) -> Result<Grown> {
        let stream = round as u64 * STREAMS;
        let mut gradients: Vec<Vec<f64>> = vec![Vec::new(); fold.scores.len()];
        for (scores, gradients) in fold.scores.iter().zip(&mut gradients) {
            self.run.check()?;
            scores.gradients(self.data, self.settings.loss, gradients);
        }
        let judged = self.judged(fold, &gradients);
        let spread = (judged.iter().map(|g| g * g).sum::<f64>() / (judged.len() / self.settings.dims) as f64).sqrt();
        let noise = self.settings.random_strength * spread * self.fading(round);
        let sample =
            bootstrap::weights(self.settings.bootstrap, &judged, self.settings.dims, last_leaves, stream, self.run);
        let mut rows = self.rows(fold, &gradients, sample.as_deref());
        drop((gradients, judged));

        let mut rng = self.run.rng(stream + 1);
        let mut sums: HashMap<ColumnId, Vec<f64>> = HashMap::new();
        let (mut splits, mut leaf) = (Vec::new(), vec![0_u32; self.data.n_rows]);
        for level in 0..self.settings.depth {
            self.run.check()?;
            let list = self.candidates.list(&splits, fold, &mut rng, self.run)?;
            let jobs: Vec<(&Candidate, Option<Vec<f64>>)> =
                list.iter().map(|candidate| (candidate, sums.remove(&candidate.id()))).collect();
            let seed = rng.u64(..);
            let bests: Vec<Best> = jobs
                .into_par_iter()
                .enumerate()
                .map(|(at, (candidate, known))| self.best_split(candidate, known, &rows, noise, mix(seed, at)))
                .collect::<Result<_>>()?;
            let Some((candidate, bin)) = self.choose(&list, &bests, noise, &mut rng) else { break };
            sums = list.iter().zip(bests).filter_map(|(c, best)| Some((c.id(), best.sums?))).collect();
            if let Some((projection, kind, _)) = candidate.size() {
                self.used.insert((kind, Arc::clone(projection)));
            }
            let split = candidate.split(bin);
            fold.descend(&split, level, &mut leaf, self.ctrs, self.data, self.run)?;
            splits.push(split);
            if let Some(redundant) = redundant(&leaf, splits.len()) {
                splits.remove(redundant);
                leaf = fold.leaves(&splits, self.ctrs, self.data, self.run)?;
                break;
            }
            if level + 1 < self.settings.depth {
                match &mut rows {
                    Rows::Plain { rows, .. } => rows.split(|row| leaf[row as usize] >> level & 1 == 1),
                    Rows::Ordered(rows) => rows.descend(&leaf),
                }
            }
        }
        Ok(Grown { splits, leaf })
    }

    /// The gradients that count for sampling and noise: those of rows behind each body, by position.
    fn judged(&self, fold: &Fold, gradients: &[Vec<f64>]) -> Vec<f64> {
        let dims = self.settings.dims;
        if !self.settings.ordered {
            return gradients.concat();
        }
        let parts = fold.scores.iter().zip(gradients).enumerate();
        parts
            .flat_map(|(at, (scores, gradients))| {
                let first = if at == 0 { 0 } else { scores.body };
                &gradients[first * dims..]
            })
            .copied()
            .collect()
    }

    /// By how much less splits are disturbed the longer the model is.
    fn fading(&self, round: usize) -> f64 {
        let left = ((self.data.n_rows as f64).ln() - round as f64 * self.settings.learning_rate).exp();
        left / (1.0 + left)
    }

    fn rows(&self, fold: &Fold, gradients: &[Vec<f64>], sample: Option<&[f32]>) -> Rows {
        let factor = |position: usize| sample.map_or(1.0, |sample| f64::from(sample[position]));
        if self.settings.ordered {
            let weight = |row: usize| self.data.weight_of(row);
            let n_rows = self.data.n_rows;
            return Rows::Ordered(OrderedRows::new(&fold.scores, gradients, self.settings.l2, n_rows, weight, factor));
        }
        let dims = self.settings.dims;
        let rows: Vec<u32> = (0..self.data.n_rows as u32).filter(|row| factor(*row as usize) > 0.0).collect();
        let mut values = Vec::with_capacity(rows.len() * (dims + 1));
        for row in rows.iter().map(|row| *row as usize) {
            let factor = factor(row);
            values.extend(gradients[0][row * dims..][..dims].iter().map(|g| g * factor));
            values.push(self.data.weight_of(row) * factor);
        }
        Rows::Plain { rows: LeafRows::new(rows, values, dims + 1), l2: fold.scores[0].scaled_l2(self.settings.l2) }
    }

    fn best_split(
        &self,
        candidate: &Candidate,
        known: Option<Vec<f64>>,
        rows: &Rows,
        noise: f64,
        seed: u64,
    ) -> Result<Best> {
        self.run.check()?;
        let (bins, n_bins) = candidate.bins(self.data);
        let one_hot = candidate.is_one_hot();
        let n_splits = if one_hot { n_bins } else { n_bins - 1 };
        let (scores, sums) = match rows {
            Rows::Plain { rows, l2 } => {
                let sums = rows.sums(bins, n_bins, known);
                let mut scores = SplitScores::new(n_splits);
                scores.add(&sums, n_bins, self.settings.dims, *l2, one_hot);
                (scores, Some(sums))
            }
            Rows::Ordered(rows) => (rows.scores(bins, n_bins, one_hot, n_splits), None),
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        // Of two values the second is asked for, as in CatBoost; asking for the first would be the same question.
        let first = usize::from(one_hot && n_bins == 2);
        let (mut best, mut most) = (Best { score: f64::MIN, bin: 0, sums }, f64::MIN);
        for (bin, score) in scores.scores(self.settings.cosine).enumerate().skip(first) {
            let disturbed = if noise > 0.0 { score + noise * normal(&mut rng) } else { score };
            if disturbed > most {
                most = disturbed;
                (best.score, best.bin) = (score, bin as u8);
            }
        }
        Ok(best)
    }

    /// The best column. New statistics are punished by how many values they have.
    fn choose<'c>(
        &self,
        list: &'c [Candidate],
        bests: &[Best],
        noise: f64,
        rng: &mut fastrand::Rng,
    ) -> Option<(&'c Candidate, u8)> {
        let most_values = list.iter().filter_map(Candidate::size).map(|(.., n)| n).max().unwrap_or(1);
        let (mut chosen, mut most) = (None, f64::MIN);
        for (candidate, best) in list.iter().zip(bests).filter(|(_, best)| best.score > f64::MIN) {
            let mut score = best.score + if noise > 0.0 { noise * normal(rng) } else { 0.0 };
            if let Some((projection, kind, n_values)) = candidate.size()
                && !self.used.contains(&(kind, Arc::clone(projection)))
            {
                score *= (1.0 + n_values as f64 / most_values as f64).powf(-self.settings.model_size_reg);
            }
            if score > most {
                most = score;
                chosen = Some((candidate, best.bin));
            }
        }
        chosen
    }
}

/// A level without which no two rows would be told apart less.
fn redundant(leaf: &[u32], n_levels: usize) -> Option<usize> {
    let mut taken = vec![false; 1 << n_levels];
    leaf.iter().for_each(|leaf| taken[*leaf as usize] = true);
    (0..n_levels).find(|level| {
        let bit = 1 << level;
        (0..taken.len()).filter(|leaf| leaf & bit == 0).all(|leaf| !taken[leaf] || !taken[leaf | bit])
    })
}

fn mix(seed: u64, at: usize) -> u64 {
    seed ^ (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A draw from the standard normal distribution, by the polar method.
fn normal(rng: &mut fastrand::Rng) -> f64 {
    loop {
        let (x, y) = (2.0 * rng.f64() - 1.0, 2.0 * rng.f64() - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * square.ln() / square).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_parts_no_leaf_is_redundant() {
        assert_eq!(redundant(&[0, 1, 0], 1), None);
        assert_eq!(redundant(&[0, 0, 0], 1), Some(0));
        assert_eq!(redundant(&[0, 3, 0], 2), Some(0));
    }
}
