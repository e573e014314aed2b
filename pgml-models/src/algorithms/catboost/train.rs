//! Training: trees one after another, each from the gradients of one fold's scores.

use std::sync::Arc;

use pgml_core::{Dataset, Error, ErrorKind, Result, Run, Task, bail};

use super::assemble::Assembler;
use super::candidates::Candidates;
use super::ctr::Ctrs;
use super::data::TrainData;
use super::fold::Fold;
use super::grow::{Grower, Grown};
use super::leaves::{add_in_order, leaf_values};
use super::model::CatboostModel;
use super::params::CatboostParams;
use super::settings::Settings;
use super::tree::Tree;
use super::watch::Watch;
use super::weights;

/// Permutations that trees grow in.
const LEARNING_FOLDS: u64 = 3;
/// Streams of random numbers that no round has.
const SHUFFLES: u64 = u64::MAX / 2;

/// Fits a model.
pub(super) fn fit(params: &CatboostParams, data: &Dataset, task: Task, run: &Run) -> Result<CatboostModel> {
    let run = &run.clone().with_seed(params.random_seed.unwrap_or(run.seed()));
    weights::check_target(params, data, task)?;
    let settings = Settings::new(params, data, task)?;
    let _memory = run.reserve(memory(data, &settings), "training CatBoost")?;
    let weight = weights::of_rows(params, data, task)?;
    // A pool of its own: its threads inherit the calling thread's signal mask, those of a global pool would not.
    rayon::ThreadPoolBuilder::new()
        .num_threads(run.threads())
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start {} threads: {e}", run.threads())))?
        .install(|| {
            let rows = TrainData::new(data, weight, &settings, run)?;
            let ctrs = Ctrs::new(&rows, &settings);
            let candidates = Candidates::new(&rows, &settings, &ctrs);
            Training::new(&rows, &settings, &ctrs, &candidates, run)?.boost(data)
        })
}

/// Bytes that training takes, roughly: bins, scores and gradients by fold, and sums by leaf and bin.
fn memory(data: &Dataset, settings: &Settings) -> u64 {
    let (n, dims) = (data.n_rows() as u64, settings.dims as u64);
    let n_cats = data.features().iter().filter(|feature| feature.categories.is_some()).count() as u64;
    let ctr_columns = n_cats * 4 * (dims + 3) * (LEARNING_FOLDS + 1);
    let per_row = data.n_features() as u64 * 5 + 40 * (dims + 1) + if n_cats > 0 { 32 * dims + ctr_columns } else { 0 };
    let leaves = 1_u64 << settings.depth;
    let bins = (settings.border_count as u64 + 1) * data.n_features() as u64;
    n * per_row * if settings.ordered { 4 } else { 1 } + leaves * bins * 8 * (dims + 1)
}

struct Training<'a> {
    data: &'a TrainData,
    settings: &'a Settings,
    ctrs: &'a Ctrs,
    grower: Grower<'a>,
    /// Permutations that trees grow in.
    learning: Vec<Fold>,
    /// What leaf values are found in; the only learning fold when there is nothing to permute.
    averaging: Option<Fold>,
    start: Vec<f64>,
    run: &'a Run,
}

impl<'a> Training<'a> {
    fn new(
        data: &'a TrainData,
        settings: &'a Settings,
        ctrs: &'a Ctrs,
        candidates: &'a Candidates<'a>,
        run: &'a Run,
    ) -> Result<Self> {
        let start = if settings.from_average {
            settings.loss.best_constant(&data.targets, data.weight.as_deref())
        } else {
            vec![0.0; settings.dims]
        };
        let order = |stream: u64, wanted: bool| -> Option<Arc<[u32]>> {
            (wanted && !settings.has_time).then(|| {
                let mut order: Vec<u32> = (0..data.n_rows as u32).collect();
                run.rng(SHUFFLES + stream).shuffle(&mut order);
                order.into()
            })
        };
        let permuted = settings.ordered || candidates.has_ctrs();
        let n_folds = if permuted && !settings.has_time { LEARNING_FOLDS } else { 1 };
        let mut learning = Vec::new();
        for fold in 0..n_folds {
            run.check()?;
            let make = if settings.ordered { Fold::ordered } else { Fold::plain };
            learning.push(make(order(fold, permuted), &start, data, settings));
        }
        let shared = !settings.ordered && n_folds == 1;
        let averaging =
            (!shared).then(|| Fold::plain(order(LEARNING_FOLDS, candidates.has_ctrs()), &start, data, settings));
        let grower = Grower::new(data, settings, ctrs, candidates, run);
        Ok(Self { data, settings, ctrs, grower, learning, averaging, start, run })
    }

    fn boost(mut self, data: &Dataset) -> Result<CatboostModel> {
        let mut trees: Vec<Tree> = Vec::new();
        let mut assembler = Assembler::new(self.data, self.ctrs);
        let watched = data.validation().filter(|_| self.settings.patience.is_some() || self.settings.use_best);
        let mut watch = watched.map(|rows| Watch::new(rows, self.settings, &self.start)).transpose()?;
        let mut choice = self.run.rng(SHUFFLES - 1);
        for round in 0..self.settings.iterations {
            self.run.check()?;
            self.run.progress("training", round as u64, self.settings.iterations as u64);
            let taken = choice.usize(0..self.learning.len());
            let last = trees.last().map(|tree: &Tree| tree.values.as_slice());
            let grown = self.grower.grow(&mut self.learning[taken], round, last)?;
            let tree = self.finish(grown, taken)?;
            if let Some(watch) = &mut watch
                && watch.is_over(&assembler.model(std::slice::from_ref(&tree), &vec![0.0; self.settings.dims]))?
            {
                trees.push(tree);
                break;
            }
            trees.push(tree);
        }
        let best = watch.map(|watch| watch.best_rounds());
        if let Some(best) = best.filter(|_| self.settings.use_best) {
            trees.truncate(best);
        }
        let mut model = assembler.model(&trees, &self.start);
        model.best_iteration = best;
        Ok(model)
    }

    /// Adds the tree to all scores; its values are those that lower the loss of all rows.
    fn finish(&mut self, grown: Grown, taken: usize) -> Result<Tree> {
        let Grown { splits, leaf } = grown;
        let n_leaves = 1 << splits.len();
        let mut shared = None;
        for (at, fold) in self.learning.iter_mut().enumerate() {
            fold.trim();
            let other;
            let leaf = if at == taken {
                &leaf
            } else {
                other = fold.leaves(&splits, self.ctrs, self.data, self.run)?;
                &other
            };
            for scores in &mut fold.scores {
                if self.settings.ordered && self.settings.dims > 1 {
                    add_in_order(scores, leaf, n_leaves, self.data, self.settings, self.run)?;
                    continue;
                }
                let mut values = leaf_values(scores, leaf, n_leaves, self.data, self.settings, self.run)?;
                values.iter_mut().for_each(|value| *value *= self.settings.learning_rate);
                scores.add(scores.tail, &values, leaf, self.settings.loss);
                shared = Some(values);
            }
        }
        let (values, leaf) = match &mut self.averaging {
            None => (shared.unwrap_or_default(), leaf),
            Some(fold) => {
                fold.trim();
                let leaf = fold.leaves(&splits, self.ctrs, self.data, self.run)?;
                let scores = &mut fold.scores[0];
                let mut values = leaf_values(scores, &leaf, n_leaves, self.data, self.settings, self.run)?;
                values.iter_mut().for_each(|value| *value *= self.settings.learning_rate);
                scores.add(scores.tail, &values, &leaf, self.settings.loss);
                (values, leaf)
            }
        };
        let mut covers = vec![0.0; n_leaves];
        leaf.iter().enumerate().for_each(|(row, leaf)| covers[*leaf as usize] += self.data.weight_of(row));
        if values.iter().any(|value| !value.is_finite()) {
            bail!(InvalidData, "training CatBoost does not converge: a leaf value is not finite; lower learning_rate");
        }
        Ok(Tree { splits, values, covers })
    }
}
