//! Predictions from the nearest training rows.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{
    Classifier, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Shared, Task, bail, hyperparams,
};

use super::task_params::regression_targets;
use crate::solvers::neighbours::{Metric, Neighbour, Neighbours};

/// Rows that are searched at once.
const ROWS_AT_A_TIME: usize = 32;

hyperparams! {
    /// Parameters of `knn`.
    pub struct KnnParams {
        /// How many training rows decide.
        n_neighbors: u32 = 5, range: at_least(1.0);
        /// How much they count: all the same, or by the inverse of their distance.
        weights: String = "uniform".to_owned(), choices: ["uniform", "distance"];
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

/// k nearest neighbours.
pub struct Knn;

impl Estimator for Knn {
    const NAME: &'static str = "knn";
    const DESCRIPTION: &'static str =
        "Answers with the mean or the most frequent class of the nearest training rows; scale the features.";
    const SOURCE: &'static str =
        "Fix, Hodges 1951; Cover, Hart 1967; scikit-learn 1.9 KNeighborsRegressor and KNeighborsClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = KnnParams;
    type Model = KnnModel;

    fn fit(params: &KnnParams, data: &Dataset, task: Task, run: &Run) -> Result<KnnModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "knn knows no weights of rows: its neighbours count the same, or by distance");
        }
        let k = params.n_neighbors as usize;
        if data.n_rows() < k {
            bail!(InvalidData, "{k} neighbours (n_neighbors) need at least {k} rows, not {}", data.n_rows());
        }
        let Some(metric) = Metric::named(&params.metric, params.p) else {
            bail!(InvalidParameter, "knn has no metric \"{}\" with p = {}", params.metric, params.p);
        };
        let targets = match task {
            Task::Regression => regression_targets(data)?,
            _ => vec![data.target()?],
        };
        let values: Vec<f64> = (0..data.n_rows()).flat_map(|row| targets.iter().map(move |t| t[row])).collect();
        let _memory = run.reserve(8 * (data.n_rows() * data.n_features()) as u64, "the matrix of features")?;
        Ok(KnnModel {
            neighbours: Neighbours::new(&data.to_rows(), data.n_features(), metric, run)?,
            n_targets: targets.len(),
            values: values.into(),
            k,
            by_distance: params.weights == "distance",
            n_classes: data.n_classes(),
        })
    }

    fn decode(parts: &Parts) -> Result<KnnModel> {
        let (n_targets, n_classes): (usize, usize) = (parts.meta("n_targets")?, parts.meta("n_classes")?);
        let (k, neighbours): (usize, _) = (parts.meta("n_neighbors")?, Neighbours::decode(parts)?);
        let n = neighbours.n_rows();
        let Some(n_values) = n.checked_mul(n_targets).filter(|_| (1..=n).contains(&k) && n_targets > 0) else {
            bail!(Corrupted, "stored knn asks for {k} of {n} rows with {n_targets} targets");
        };
        let values = parts.shared_of::<f64>("targets", n_values)?;
        let is_class = |y: &f64| y.fract() == 0.0 && (0.0..n_classes as f64).contains(y);
        if n_classes > 0 && (n_targets != 1 || !values.iter().all(is_class)) || values.iter().any(|y| !y.is_finite()) {
            bail!(Corrupted, "stored knn has a target that is no class below {n_classes}, or not finite");
        }
        Ok(KnnModel { neighbours, n_targets, values, k, by_distance: parts.meta("by_distance")?, n_classes })
    }
}

/// The training rows and their targets.
pub struct KnnModel {
    neighbours: Neighbours,
    n_targets: usize,
    /// `n_rows × n_targets`; class indices for classification.
    values: Shared<f64>,
    k: usize,
    by_distance: bool,
    /// 0 for regression.
    n_classes: usize,
}

impl KnnModel {
    /// Calls `answer` with each row's weighted neighbours (their distances replaced by weights) and its `width` outputs.
    fn each_row(
        &self,
        rows: MatrixRef<'_>,
        out: &mut [f64],
        width: usize,
        answer: impl Fn(&[Neighbour], &mut [f64]),
    ) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, width)?;
        require_finite(&rows)?;
        let mut found = vec![Neighbour::NONE; self.k * ROWS_AT_A_TIME.min(rows.n_rows())];
        let chunks = rows.as_slice().chunks(ROWS_AT_A_TIME * self.n_features());
        for (rows, out) in chunks.zip(out.chunks_mut(ROWS_AT_A_TIME * width)) {
            let rows = MatrixRef::new(rows, self.n_features())?;
            let found = &mut found[..rows.n_rows() * self.k];
            self.neighbours.k_nearest(rows, self.k, found);
            for (found, out) in found.chunks_exact_mut(self.k).zip(out.chunks_exact_mut(width)) {
                weigh(found, self.by_distance);
                answer(found, out);
            }
        }
        Ok(())
    }

    /// The weighted mean of the targets.
    fn mean(&self, found: &[Neighbour], out: &mut [f64]) {
        out.fill(0.0);
        for Neighbour { distance: weight, index } in found {
            let targets = &self.values[*index as usize * self.n_targets..][..self.n_targets];
            out.iter_mut().zip(targets).for_each(|(out, y)| *out += weight * y);
        }
        let total = total_weight(found);
        out.iter_mut().for_each(|out| *out /= total);
    }

    /// The share of the weight that each class has.
    fn shares(&self, found: &[Neighbour], out: &mut [f64]) {
        out.fill(0.0);
        found.iter().for_each(|n| out[self.values[n.index as usize] as usize] += n.distance);
        let total = total_weight(found);
        out.iter_mut().for_each(|out| *out /= total);
    }

    /// The class of most weight, the first of equals.
    fn class(&self, found: &[Neighbour]) -> f64 {
        let class = |n: &Neighbour| self.values[n.index as usize];
        let weight = |c: f64| found.iter().filter(|n| class(n) == c).map(|n| n.distance).sum::<f64>();
        let mut best = (f64::INFINITY, f64::NEG_INFINITY);
        for candidate in found.iter().map(class) {
            let weight = weight(candidate);
            if weight > best.1 || (weight == best.1 && candidate < best.0) {
                best = (candidate, weight);
            }
        }
        best.0
    }
}

/// Replaces distances by weights. Rows at no distance decide alone, as in scikit-learn.
fn weigh(found: &mut [Neighbour], by_distance: bool) {
    let at_the_place = found.iter().any(|n| (1.0 / n.distance).is_infinite());
    for found in &mut *found {
        found.distance = match (by_distance, at_the_place) {
            (false, _) => 1.0,
            (true, false) => 1.0 / found.distance,
            (true, true) => f64::from(u8::from((1.0 / found.distance).is_infinite())),
        };
    }
    if total_weight(found) == 0.0 {
        // All are infinitely far.
        found.iter_mut().for_each(|found| found.distance = 1.0);
    }
}

fn total_weight(found: &[Neighbour]) -> f64 {
    found.iter().map(|n| n.distance).sum()
}

impl Model for KnnModel {
    fn n_features(&self) -> usize {
        self.neighbours.n_features()
    }

    fn n_outputs(&self) -> usize {
        self.n_targets
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        if self.n_classes > 0 {
            self.each_row(rows, out, 1, |found, out| out[0] = self.class(found))
        } else {
            self.each_row(rows, out, self.n_targets, |found, out| self.mean(found, out))
        }
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.neighbours.n_rows(), self.n_targets];
        self.neighbours
            .encode(Parts::new().with_shared("targets", shape, self.values.clone()))?
            .with_meta("n_targets", &self.n_targets)?
            .with_meta("n_classes", &self.n_classes)?
            .with_meta("n_neighbors", &self.k)?
            .with_meta("by_distance", &self.by_distance)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.neighbours.bytes() + self.values.private_bytes()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }
}

impl Classifier for KnnModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        if self.n_classes == 0 {
            bail!(NotSupported, "this model has no class probabilities");
        }
        self.each_row(rows, out, self.n_classes, |found, out| self.shares(found, out))
    }
}
