//! A model that averages trees: one tree, a forest, a bag.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

use super::FlatForest;

/// Rows whose class sums are held at a time, at least.
pub(super) const ROWS_AT_A_TIME: usize = 256;
/// Class sums that are held at a time where there are few classes.
const MOST_SUMS: usize = 1 << 13;

/// Trees whose leaves hold class shares or means; predictions are their averages over trees.
#[derive(Debug)]
pub struct AveragedTrees {
    forest: FlatForest<f32, f64>,
    /// 0 for regression.
    n_classes: usize,
    oob_score: Option<f64>,
}

impl AveragedTrees {
    /// Trees for `n_classes`, 0 for regression.
    #[must_use]
    pub fn new(forest: FlatForest<f32, f64>, n_classes: usize, oob_score: Option<f64>) -> Self {
        Self { forest, n_classes, oob_score }
    }

    /// Reads what [`Model::encode`] wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when the parts make no such trees.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let n_classes: usize = parts.meta("n_classes")?;
        let model = Self { forest: FlatForest::decode(parts)?, n_classes, oob_score: parts.meta("oob_score")? };
        if model.forest.n_trees() == 0 || (n_classes > 0 && n_classes != model.forest.n_outputs()) {
            bail!(Corrupted, "a stored forest of {} trees and {n_classes} classes", model.forest.n_trees());
        }
        Ok(model)
    }

    fn average(&self, rows: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        self.forest.add_leaves(rows, out);
        let n_trees = self.forest.n_trees() as f64;
        out.iter_mut().for_each(|sum| *sum /= n_trees);
    }
}

impl Model for AveragedTrees {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn n_outputs(&self) -> usize {
        if self.n_classes > 0 { 1 } else { self.forest.n_outputs() }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_outputs())?;
        if self.n_classes == 0 {
            self.average(rows.as_slice(), out);
            return Ok(());
        }
        // As many rows as large trees gain by, but no more sums than stay in the second-level cache.
        let at_a_time = (MOST_SUMS / self.n_classes).max(ROWS_AT_A_TIME);
        let mut sums = vec![0.0; at_a_time.min(out.len()) * self.n_classes];
        let blocks = rows.as_slice().chunks(at_a_time * self.n_features());
        for (rows, out) in blocks.zip(out.chunks_mut(at_a_time)) {
            let sums = &mut sums[..out.len() * self.n_classes];
            self.average(rows, sums);
            out.iter_mut()
                .zip(sums.chunks_exact(self.n_classes))
                .for_each(|(class, sums)| *class = largest(sums) as f64);
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new().with_meta("n_classes", &self.n_classes)?.with_meta("oob_score", &self.oob_score)?;
        self.forest.encode(parts)
    }

    fn bytes(&self) -> usize {
        self.forest.bytes()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        self.oob_score.map(|score| ("oob_score", score)).into_iter().collect()
    }
}

impl Classifier for AveragedTrees {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_classes)?;
        self.average(rows.as_slice(), out);
        Ok(())
    }
}

impl Explain for AveragedTrees {
    fn unit(&self) -> &'static str {
        if self.n_classes > 0 { "probability" } else { "value" }
    }

    fn explain_row(
        &self,
        row: &[f64],
        _typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        let base = self.forest.explain(row, output, contributions, run)?;
        let n_trees = self.forest.n_trees() as f64;
        contributions.iter_mut().for_each(|x| *x /= n_trees);
        Ok(base / n_trees)
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        self.forest.importance()
    }
}

/// The position of the largest value, the first of equal ones.
#[must_use]
pub fn largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}
