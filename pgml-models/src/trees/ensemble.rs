//! Many trees that learn from different draws of the same rows, and the score by the rows that they were spared.

use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use pgml_core::run::Reservation;
use pgml_core::{Dataset, Error, ErrorKind, Result, Run};
use rayon::prelude::*;

use super::averaged::{AveragedTrees, ROWS_AT_A_TIME, largest};
use super::learner::{Draw, Learner};
use super::{FlatBuilder, FlatForest, SourceTree};

/// Runs `work` in a pool of as many threads as the run allows: they inherit the calling thread's signal mask, which those
/// of a global pool would not.
///
/// # Errors
/// Those of `work`, and [`ErrorKind::Internal`] when threads cannot be started.
pub fn in_pool<T: Send>(run: &Run, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(run.threads())
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start {} threads: {e}", run.threads())))?
        .install(work)
}

/// Trees that are averaged.
pub struct Ensemble<'a, D> {
    /// What grows them.
    pub learner: &'a Learner<'a>,
    /// How many.
    pub n_trees: usize,
    /// What each learns from. The same generator must give the same draw.
    pub draw: D,
    /// Whether to estimate the score by the rows that trees do not learn from.
    pub oob_score: bool,
}

/// A tree, and its share of the memory budget.
type Stored = (SourceTree<f32, f64>, Reservation);

impl<D: Fn(&mut Rng) -> Draw + Sync> Ensemble<'_, D> {
    /// Grows the trees, in parallel in the calling thread's pool.
    ///
    /// # Errors
    /// When there is not enough memory or the run was cancelled.
    pub fn fit(&self) -> Result<AveragedTrees> {
        let run = self.learner.run();
        let (done, total) = (AtomicU64::new(0), self.n_trees as u64);
        run.progress("training", 0, total);
        let grow = |tree: u64| {
            let mut rng = run.rng(tree);
            let draw = (self.draw)(&mut rng);
            let source = self.learner.grow(draw, &mut rng)?.tree.to_source();
            let bytes = size_of_val(source.nodes.as_slice()) + size_of_val(source.values.as_slice());
            let reservation = run.reserve(bytes as u64, "the trees")?;
            run.progress("training", done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok((source, reservation))
        };
        let trees: Vec<Stored> = (0..total).into_par_iter().map(grow).collect::<Result<_>>()?;
        let oob_score = if self.oob_score { Some(self.score(&trees)?) } else { None };
        Ok(AveragedTrees::new(self.flatten(&trees)?, self.learner.data().n_classes(), oob_score))
    }

    /// The trees as the flat predictor takes them.
    fn flatten(&self, trees: &[Stored]) -> Result<FlatForest<f32, f64>> {
        let width = self.learner.width();
        let mut builder = FlatBuilder::new(self.learner.data().n_features(), width, width);
        trees.iter().try_for_each(|(tree, _)| builder.push(tree))?;
        builder.finish()
    }

    /// How well each row is predicted by the trees that did not learn from it: accuracy, or R² (averaged over targets).
    fn score(&self, trees: &[Stored]) -> Result<f64> {
        let (run, data, width) = (self.learner.run(), self.learner.data(), self.learner.width());
        let n_rows = data.n_rows();
        let _sums = run.reserve(8 * (n_rows * (width + 1)) as u64, "the out-of-bag score")?;
        let (mut sums, mut votes) = (vec![0.0; n_rows * width], vec![0_u32; n_rows]);
        let (mut x, mut guess) = (Vec::new(), vec![0.0; ROWS_AT_A_TIME * width]);
        for (tree, stored) in trees.iter().enumerate() {
            let flat = self.flatten(std::slice::from_ref(stored))?;
            let spared = spared(&(self.draw)(&mut run.rng(tree as u64)), n_rows);
            for rows in spared.chunks(ROWS_AT_A_TIME) {
                run.check()?;
                x.clear();
                x.extend(rows.iter().flat_map(|row| data.features().iter().map(|f| f.values.get(*row))));
                let guess = &mut guess[..rows.len() * width];
                guess.fill(0.0);
                flat.add_leaves(&x, guess);
                for (row, guess) in rows.iter().zip(guess.chunks_exact(width)) {
                    sums[row * width..][..width].iter_mut().zip(guess).for_each(|(sum, y)| *sum += y);
                    votes[*row] += 1;
                }
            }
        }
        if votes.contains(&0) {
            run.warn("some rows were drawn by every tree, so they do not count in oob_score; use more trees");
        }
        Ok(score_of_votes(data, &sums, &votes, width))
    }
}

/// The rows that were not drawn.
fn spared(draw: &Draw, n_rows: usize) -> Vec<usize> {
    let mut is_spared = vec![true; n_rows];
    draw.rows.iter().for_each(|(row, _)| is_spared[*row as usize] = false);
    (0..n_rows).filter(|row| is_spared[*row]).collect()
}

/// Accuracy or mean R² of the sums of votes, over rows that have any.
fn score_of_votes(data: &Dataset, sums: &[f64], votes: &[u32], width: usize) -> f64 {
    let voted: Vec<usize> = (0..votes.len()).filter(|row| votes[*row] > 0).collect();
    if data.n_classes() > 0 {
        let right = |row: &&usize| largest(&sums[**row * width..][..width]) as f64 == data.targets()[0][**row];
        return voted.iter().filter(right).count() as f64 / voted.len() as f64;
    }
    let r2 = |t: usize| {
        let y = &data.targets()[t];
        let mean = voted.iter().map(|row| y[*row]).sum::<f64>() / voted.len() as f64;
        let guess = |row: usize| sums[row * width + t] / f64::from(votes[row]);
        let rest: f64 = voted.iter().map(|row| (y[*row] - guess(*row)).powi(2)).sum();
        1.0 - rest / voted.iter().map(|row| (y[*row] - mean).powi(2)).sum::<f64>()
    };
    (0..width).map(r2).sum::<f64>() / width as f64
}
