//! Rows that training watches, so that it may stop early.

use pgml_core::{Dataset, Result};

use super::loss::Loss;
use super::model::CatboostModel;
use super::settings::Settings;

/// Validation rows with their scores so far.
#[derive(Debug)]
pub(super) struct Watch {
    rows: Vec<f64>,
    targets: Vec<Vec<f32>>,
    weight: Option<Vec<f32>>,
    scores: Vec<f64>,
    loss: Loss,
    patience: usize,
    round: usize,
    best: Option<(f64, usize)>,
}

impl Watch {
    pub(super) fn new(rows: &Dataset, settings: &Settings, start: &[f64]) -> Result<Self> {
        let single = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        Ok(Self {
            rows: rows.to_rows(),
            targets: rows.targets().iter().map(|target| single(target)).collect(),
            weight: rows.weight().map(single),
            scores: start.repeat(rows.n_rows()),
            loss: settings.loss,
            patience: settings.patience.unwrap_or(usize::MAX),
            round: 0,
            best: None,
        })
    }

    /// Adds one more tree; whether the loss has not fallen for so many rounds that training ends.
    pub(super) fn is_over(&mut self, tree: &CatboostModel) -> Result<bool> {
        let dims = tree.forest.dims;
        let mut added = vec![0.0; self.scores.len()];
        tree.forest.scores(&tree.columns, &self.rows, tree.n_features, &mut added);
        self.scores.iter_mut().zip(&added).for_each(|(score, x)| *score += x);
        let loss = self.loss.value(&self.scores, &self.targets, self.weight.as_deref(), dims);
        self.round += 1;
        if self.best.is_none_or(|(least, _)| loss < least) {
            self.best = Some((loss, self.round));
        }
        Ok(self.best.is_some_and(|(_, best)| self.round - best >= self.patience))
    }

    /// How many rounds had the least loss.
    pub(super) fn best_rounds(&self) -> usize {
        self.best.map_or(self.round, |(_, best)| best)
    }
}
