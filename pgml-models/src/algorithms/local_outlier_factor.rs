//! Rows whose neighbours lie more densely than they do.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{
    AnomalyDetector, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Shared, Task, bail, hyperparams,
};
use serde_json::Value;

use crate::solvers::contamination::{Contamination, label};
use crate::solvers::neighbours::{Metric, Neighbour, Neighbours};
use crate::solvers::parallel;

/// Rows that are searched at once.
const ROWS_AT_A_TIME: usize = 32;
/// Keeps densities finite where more rows are equal than there are neighbours, as in scikit-learn.
const LEAST_DISTANCE: f64 = 1e-10;
/// A factor above it is strange, unless a share of the rows is asked for.
const USUAL_THRESHOLD: f64 = 1.5;

hyperparams! {
    /// Parameters of `local_outlier_factor`.
    pub struct LocalOutlierFactorParams {
        /// How many neighbours a row is compared with.
        n_neighbors: u32 = 20, range: at_least(1.0);
        /// The share of training rows that are anomalies, above 0 and at most 0.5; "auto" takes those of a factor above 1.5.
        contamination: Value = Value::from("auto");
        /// Whether training rows are scored as new ones, which then are their own neighbours. Otherwise a row equal to one of training has the score of that one, found among the others.
        novelty: bool = false;
        /// What distance is; minkowski is euclidean unless p says otherwise.
        metric: String = "minkowski".to_owned(), choices: ["minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev", "cosine"];
        /// Power of the minkowski metric: 1 is manhattan, 2 euclidean.
        p: f64 = 2.0, range: above(0.0);
        /// Accepted for compatibility: every search finds the same rows.
        algorithm: String = "auto".to_owned(), choices: ["auto", "ball_tree", "kd_tree", "brute"], no_effect: true;
        /// Accepted for compatibility: every search finds the same rows.
        leaf_size: u32 = 30, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// Local outlier factor.
pub struct LocalOutlierFactor;

impl Estimator for LocalOutlierFactor {
    const NAME: &'static str = "local_outlier_factor";
    const DESCRIPTION: &'static str = "Finds rows that lie more sparsely than their neighbours do, where clusters differ in density; scale the features.";
    const SOURCE: &'static str = "Breunig, Kriegel, Ng, Sander 2000; scikit-learn 1.9 LocalOutlierFactor";
    const TASKS: &'static [Task] = &[Task::AnomalyDetection];
    const VERSION: u32 = 1;
    type Params = LocalOutlierFactorParams;
    type Model = LocalOutlierFactorModel;

    fn fit(params: &LocalOutlierFactorParams, data: &Dataset, _: Task, run: &Run) -> Result<LocalOutlierFactorModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "local_outlier_factor knows no weights of rows");
        }
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "local_outlier_factor compares rows with each other: one row has no neighbour");
        }
        let contamination = Contamination::read(&params.contamination)?;
        let Some(metric) = Metric::named(&params.metric, params.p) else {
            bail!(InvalidParameter, "local_outlier_factor has no metric \"{}\" with p = {}", params.metric, params.p);
        };
        let k = (params.n_neighbors as usize).min(n - 1);
        let _rows = run.reserve(8 * (n * d) as u64, "the matrix of features")?;
        let _found = run.reserve((n * (k + 3) * size_of::<Neighbour>()) as u64, "the neighbours of all rows")?;
        let rows = data.to_rows();
        let neighbours = Neighbours::new(&rows, d, metric, run)?;
        let found = neighbours_of_all(&neighbours, &rows, k, run)?;
        let reach: Vec<f64> = found.chunks_exact(k).map(|found| found[k - 1].distance).collect();
        let density: Vec<f64> = found.chunks_exact(k).map(|found| density(found, &reach)).collect();
        let factor: Vec<f64> =
            found.chunks_exact(k).zip(&density).map(|(found, own)| factor(found, &density, *own)).collect();
        if factor.iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "distances overflow: features are too large, scale them in preprocess");
        }
        let threshold = contamination.threshold(USUAL_THRESHOLD, factor.clone());
        Ok(LocalOutlierFactorModel {
            neighbours,
            k,
            reach: reach.into(),
            density: density.into(),
            factor: factor.into(),
            threshold,
            novelty: params.novelty,
        })
    }

    fn decode(parts: &Parts) -> Result<LocalOutlierFactorModel> {
        let neighbours = Neighbours::decode(parts)?;
        let n = neighbours.n_rows();
        let numbers = |name: &str| parts.shared_of::<f64>(name, n);
        let (k, threshold): (usize, f64) = (parts.meta("n_neighbors")?, parts.meta("threshold")?);
        let (reach, density, factor) = (numbers("reach")?, numbers("density")?, numbers("factor")?);
        let finite = reach.iter().chain(&density).chain(&factor).all(|x| x.is_finite()) && threshold.is_finite();
        if k == 0 || k >= n || !finite {
            bail!(Corrupted, "stored local_outlier_factor asks for {k} of {n} rows, or is not finite");
        }
        let novelty = parts.meta("novelty")?;
        Ok(LocalOutlierFactorModel { neighbours, k, reach, density, factor, threshold, novelty })
    }
}

/// The `k` nearest of the other rows for each row, nearest first.
fn neighbours_of_all(neighbours: &Neighbours, rows: &[f64], k: usize, run: &Run) -> Result<Vec<Neighbour>> {
    let d = neighbours.n_features();
    let pieces: Vec<&[f64]> = rows.chunks(ROWS_AT_A_TIME * d).collect();
    let found = parallel::map(pieces.len(), run, |piece| {
        run.check()?;
        let queries = MatrixRef::new(pieces[piece], d)?;
        run.progress("training", (piece * ROWS_AT_A_TIME) as u64, neighbours.n_rows() as u64);
        let mut found = vec![Neighbour::NONE; queries.n_rows() * (k + 1)];
        neighbours.k_nearest(queries, k + 1, &mut found);
        let own = (piece * ROWS_AT_A_TIME) as u32..;
        Ok(found.chunks_exact(k + 1).zip(own).flat_map(|(found, own)| others(found, own)).collect::<Vec<_>>())
    })?;
    Ok(found.concat())
}

/// All but the row itself; all but the farthest where many rows are equal and it is not among the nearest.
fn others(found: &[Neighbour], own: u32) -> impl Iterator<Item = Neighbour> {
    let place = found.iter().position(|n| n.index == own).unwrap_or(found.len() - 1);
    found[..place].iter().chain(&found[place + 1..]).copied()
}

/// The inverse of the mean distance at which a row is reached from its neighbours.
fn density(found: &[Neighbour], reach: &[f64]) -> f64 {
    let total: f64 = found.iter().map(|n| n.distance.max(reach[n.index as usize])).sum();
    1.0 / (total / found.len() as f64 + LEAST_DISTANCE)
}

/// How many times as densely the neighbours lie.
fn factor(found: &[Neighbour], density: &[f64], own: f64) -> f64 {
    found.iter().map(|n| density[n.index as usize] / own).sum::<f64>() / found.len() as f64
}

/// The training rows, and how densely they lie.
pub struct LocalOutlierFactorModel {
    neighbours: Neighbours,
    k: usize,
    /// The distance of each training row to its k-th neighbour.
    reach: Shared<f64>,
    density: Shared<f64>,
    factor: Shared<f64>,
    /// The factor above which a row is an anomaly.
    threshold: f64,
    novelty: bool,
}

impl LocalOutlierFactorModel {
    fn score(&self, found: &[Neighbour]) -> f64 {
        let nearest = found[0];
        if !self.novelty && nearest.distance == 0.0 {
            return self.factor[nearest.index as usize];
        }
        factor(found, &self.density, density(found, &self.reach))
    }
}

impl Model for LocalOutlierFactorModel {
    fn n_features(&self) -> usize {
        self.neighbours.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.anomaly_score_into(rows, out)?;
        label(out);
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let shape = || vec![self.neighbours.n_rows()];
        let parts = Parts::new()
            .with_shared("reach", shape(), self.reach.clone())
            .with_shared("density", shape(), self.density.clone())
            .with_shared("factor", shape(), self.factor.clone());
        self.neighbours
            .encode(parts)?
            .with_meta("n_neighbors", &self.k)?
            .with_meta("threshold", &self.threshold)?
            .with_meta("novelty", &self.novelty)
    }

    fn bytes(&self) -> usize {
        let numbers = self.reach.private_bytes() + self.density.private_bytes() + self.factor.private_bytes();
        size_of::<Self>() + self.neighbours.bytes() + numbers
    }

    fn anomaly_detector(&self) -> Option<&dyn AnomalyDetector> {
        Some(self)
    }
}

impl AnomalyDetector for LocalOutlierFactorModel {
    fn anomaly_score_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        require_finite(&rows)?;
        let mut found = vec![Neighbour::NONE; self.k * ROWS_AT_A_TIME.min(rows.n_rows())];
        let chunks = rows.as_slice().chunks(ROWS_AT_A_TIME * self.n_features());
        for (rows, out) in chunks.zip(out.chunks_mut(ROWS_AT_A_TIME)) {
            let found = &mut found[..out.len() * self.k];
            self.neighbours.k_nearest(MatrixRef::new(rows, self.n_features())?, self.k, found);
            for (found, out) in found.chunks_exact(self.k).zip(out) {
                // Rows at an infinite distance have no density: nothing is stranger.
                let score = self.score(found) - self.threshold;
                *out = if score.is_nan() { f64::MAX } else { score.min(f64::MAX) };
            }
        }
        Ok(())
    }
}
