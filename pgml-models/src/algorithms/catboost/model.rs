//! A trained CatBoost model, predicting from plain arrays.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result};

use super::columns::Columns;
use super::forest::Forest;
use super::loss::softmax;
use super::stored;

/// A trained model: columns that bin a row, and symmetric trees over their bins.
#[derive(Debug, Clone)]
pub struct CatboostModel {
    pub(super) n_features: usize,
    /// 0 for regression.
    pub(super) n_classes: usize,
    pub(super) columns: Columns,
    pub(super) forest: Forest,
    /// Rounds that training took, when it watched validation rows.
    pub(super) best_iteration: Option<usize>,
}

/// Rows whose scores are held at a time.
const CHUNK_ROWS: usize = 1024;

impl CatboostModel {
    /// Calls `take` with the scores of some rows after another and the first row's number.
    fn each_chunk(&self, rows: MatrixRef<'_>, mut take: impl FnMut(usize, &mut [f64])) {
        let mut scores = vec![0.0; CHUNK_ROWS.min(rows.n_rows()) * self.forest.dims];
        for (chunk, rows) in rows.as_slice().chunks(CHUNK_ROWS * self.n_features).enumerate() {
            let scores = &mut scores[..rows.len() / self.n_features * self.forest.dims];
            self.forest.scores(&self.columns, rows, self.n_features, scores);
            take(chunk * CHUNK_ROWS, scores);
        }
    }

    /// Reads what `encode` wrote.
    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        stored::decode(parts)
    }
}

/// The probability of the second of two classes.
fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

fn greatest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

impl Model for CatboostModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_outputs(&self) -> usize {
        if self.n_classes > 0 { 1 } else { self.forest.dims }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_outputs())?;
        if self.n_classes == 0 {
            self.forest.scores(&self.columns, rows.as_slice(), self.n_features, out);
            return Ok(());
        }
        self.each_chunk(rows, |first, scores| {
            for (class, scores) in out[first..].iter_mut().zip(scores.chunks_exact(self.forest.dims)) {
                *class = match scores {
                    [score] => f64::from(u8::from(logistic(*score) > 0.5)),
                    scores => greatest(scores) as f64,
                };
            }
        });
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        stored::encode(self)
    }

    fn bytes(&self) -> usize {
        let borders: usize = self.columns.floats.iter().map(|column| 4 * column.borders.len() + 32).sum();
        let tables: usize = self.columns.tables.iter().map(|table| 16 * table.numbers.len() + 64).sum();
        let forest =
            5 * self.forest.split_columns.len() + 8 * self.forest.leaf_values.len() + 8 * self.forest.leaf_covers.len();
        size_of::<Self>() + borders + tables + forest
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        // A model of no splits asks no column.
        (self.columns.len() > 0).then_some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        self.best_iteration.map(|round| ("best_iteration", round as f64)).into_iter().collect()
    }
}

impl Classifier for CatboostModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_classes)?;
        self.each_chunk(rows, |first, scores| {
            let out = out[first * self.n_classes..].chunks_exact_mut(self.n_classes);
            for (out, scores) in out.zip(scores.chunks_exact(self.forest.dims)) {
                match scores {
                    [score] => {
                        let p = logistic(*score);
                        out.copy_from_slice(&[1.0 - p, p]);
                    }
                    scores => {
                        out.copy_from_slice(scores);
                        softmax(out);
                    }
                }
            }
        });
        Ok(())
    }
}
