//! The model of clusterings that number their training rows but have no rule of their own for other rows.

use std::sync::OnceLock;

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Dataset, MatrixRef, Model, Parts, Result, Run, bail};

use crate::solvers::neighbours::{Metric, Neighbour, Neighbours};

/// The label of a row that belongs to no cluster.
pub const NOISE: i32 = -1;

/// Training rows and the cluster of each.
///
/// A row that equals a training row gets that row's label (the first one's, where equal rows differ). Any other row
/// gets the label of the training row nearest to it; with [`LabelledRows::with_core`] of the nearest core row, and
/// [`NOISE`] where that is farther away than the reach. Among equally near rows the first counts.
pub struct LabelledRows {
    n_features: usize,
    rows: Vec<f64>,
    /// One per row: a cluster from 0 or [`NOISE`].
    labels: Vec<i32>,
    metric: Metric,
    /// The rows that lend their label to others, ascending; all when `None`.
    core: Option<Vec<u32>>,
    /// How far they lend it.
    reach: f64,
    /// Hash and index of every row, ascending, to find equal rows.
    index: Vec<(u64, u32)>,
    /// The rows that lend their label, once a row that is none of them was asked for.
    search: OnceLock<Neighbours>,
}

impl LabelledRows {
    /// The rows of `data` with one label each: clusters from 0, or [`NOISE`].
    ///
    /// # Errors
    /// When memory does not suffice, or labels are not one per row.
    pub fn new(data: &Dataset, labels: Vec<i32>, metric: Metric, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        if labels.len() != n {
            bail!(Internal, "{} labels for {n} rows", labels.len());
        }
        let _memory = run.reserve(8 * (n * (d + 3)) as u64, "the labelled rows of the model")?;
        Ok(Self::build(data.to_rows(), d, labels, metric))
    }

    /// Lets only the `core` rows (ascending) lend their label, and only up to `reach` far.
    #[must_use]
    pub fn with_core(self, core: Vec<u32>, reach: f64) -> Self {
        Self { core: Some(core), reach, ..self }
    }

    fn build(rows: Vec<f64>, n_features: usize, labels: Vec<i32>, metric: Metric) -> Self {
        let mut index: Vec<(u64, u32)> =
            rows.chunks_exact(n_features).enumerate().map(|(i, row)| (hash(row), i as u32)).collect();
        index.sort_unstable();
        Self { n_features, rows, labels, metric, core: None, reach: f64::INFINITY, index, search: OnceLock::new() }
    }

    /// The label of every training row.
    #[must_use]
    pub fn labels(&self) -> &[i32] {
        &self.labels
    }

    /// Rebuilds the model from its stored form.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when the parts do not make a model.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let labels = parts.array::<i32>("labels")?.to_vec();
        let n_features: usize = parts.meta("n_features")?;
        let n = labels.len();
        let Some(cells) = n.checked_mul(n_features).filter(|cells| *cells > 0) else {
            bail!(Corrupted, "stored rows are {n} of {n_features} features");
        };
        let rows = parts.array_of::<f64>("rows", cells)?.to_vec();
        if rows.iter().any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored rows are not finite");
        }
        if labels.iter().any(|label| *label < NOISE || i64::from(*label) >= n as i64) {
            bail!(Corrupted, "stored labels are no clusters of {n} rows");
        }
        let (name, p): (String, f64) = parts.meta("metric")?;
        let Some(metric) = Metric::named(&name, p) else {
            bail!(Corrupted, "stored metric \"{name}\" ({p}) is unknown");
        };
        let model = Self::build(rows, n_features, labels, metric);
        if !parts.arrays.contains_key("core") {
            return Ok(model);
        }
        let core = parts.array::<u32>("core")?.to_vec();
        if !core.is_sorted_by(|a, b| a < b) || core.last().is_some_and(|last| *last as usize >= n) {
            bail!(Corrupted, "stored core rows do not ascend within {n} rows");
        }
        let reach = parts.array_of::<f64>("reach", 1)?[0];
        if reach.is_nan() || reach < 0.0 {
            bail!(Corrupted, "stored reach is {reach}");
        }
        Ok(model.with_core(core, reach))
    }

    fn row(&self, i: u32) -> &[f64] {
        &self.rows[i as usize * self.n_features..][..self.n_features]
    }

    fn label(&self, row: &[f64]) -> Result<i32> {
        let found = match self.equal(row) {
            Some(i) => Some(i),
            None => self.nearest(row)?,
        };
        Ok(found.map_or(NOISE, |i| self.labels[i as usize]))
    }

    /// The first training row that equals `row`.
    fn equal(&self, row: &[f64]) -> Option<u32> {
        let hash = hash(row);
        let first = self.index.partition_point(|entry| entry.0 < hash);
        let same = self.index[first..].iter().take_while(|entry| entry.0 == hash);
        same.map(|entry| entry.1).find(|i| self.row(*i) == row)
    }

    /// The nearest row that lends its label this far.
    fn nearest(&self, row: &[f64]) -> Result<Option<u32>> {
        let search = self.search()?;
        if search.n_rows() == 0 {
            return Ok(None);
        }
        let mut found = [Neighbour::NONE];
        search.k_nearest(MatrixRef::new(row, self.n_features)?, 1, &mut found);
        let [Neighbour { distance, index }] = found;
        if distance > self.reach || index == u32::MAX {
            return Ok(None);
        }
        Ok(Some(self.core.as_ref().map_or(index, |core| core[index as usize])))
    }

    fn search(&self) -> Result<&Neighbours> {
        if let Some(search) = self.search.get() {
            return Ok(search);
        }
        let of = |rows: &[f64]| Neighbours::new(rows, self.n_features, self.metric, &Run::new());
        let search = match &self.core {
            None => of(&self.rows)?,
            Some(core) => of(&core.iter().flat_map(|i| self.row(*i)).copied().collect::<Vec<f64>>())?,
        };
        Ok(self.search.get_or_init(|| search))
    }
}

/// The same for equal rows, 0 and −0 included.
fn hash(row: &[f64]) -> u64 {
    // The multiplier is that of FxHash, which mixes well enough to tell rows apart; collisions cost a comparison.
    row.iter().fold(0, |hash: u64, x| (hash.rotate_left(5) ^ (x + 0.0).to_bits()).wrapping_mul(0x517c_c1b7_2722_0a95))
}

impl Model for LabelledRows {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        require_finite(&rows)?;
        for (row, out) in rows.rows().zip(out) {
            *out = f64::from(self.label(row)?);
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new()
            .with_shape("rows", vec![self.labels.len(), self.n_features], self.rows.clone())
            .with("labels", self.labels.clone())
            .with_meta("metric", &self.metric.name())?
            .with_meta("n_features", &self.n_features)?;
        Ok(match &self.core {
            None => parts,
            Some(core) => parts.with("core", core.clone()).with("reach", vec![self.reach]),
        })
    }

    fn bytes(&self) -> usize {
        let core = self.core.as_ref().map_or(0, |core| 4 * core.len());
        let search = self.search.get().map_or(0, Neighbours::bytes);
        size_of::<Self>() + 8 * self.rows.len() + 20 * self.labels.len() + core + search
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        let n_clusters = self.labels.iter().max().map_or(0, |greatest| greatest + 1);
        let noise = self.labels.iter().filter(|label| **label == NOISE).count();
        vec![("n_clusters", f64::from(n_clusters)), ("n_noise", noise as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(model: &LabelledRows, rows: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; rows.len()];
        model.predict_into(MatrixRef::new(rows, 1).expect("rows"), &mut out).expect("predicts");
        out
    }

    fn model() -> LabelledRows {
        let data = Dataset::from_rows(&[0.0, 1.0, 5.0, 1.0], 1).expect("four rows");
        LabelledRows::new(&data, vec![0, 1, NOISE, 0], Metric::Euclidean, &Run::new()).expect("memory")
    }

    #[test]
    fn training_rows_keep_their_labels_and_others_take_the_nearest() {
        assert_eq!(labels(&model(), &[0.0, -0.0, 1.0, 5.0, 0.4, 0.6, 4.0]), [0.0, 0.0, 1.0, -1.0, 0.0, 1.0, -1.0]);
    }

    #[test]
    fn beyond_the_reach_of_every_core_row_is_noise() {
        let model = model().with_core(vec![1], 0.5);
        assert_eq!(labels(&model, &[0.0, 0.4, 0.5, 1.5, 1.6, 5.0]), [0.0, -1.0, 1.0, 1.0, -1.0, -1.0]);
        let back = LabelledRows::decode(&model.encode().expect("encodes")).expect("decodes");
        assert_eq!(labels(&back, &[0.4, 0.5]), [-1.0, 1.0]);
    }
}
