//! Least squares on the rows that most agree: random sample consensus.

use pgml_core::{Dataset, Error, ErrorKind, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::blocks::{block_rows, copy_columns, ranges};
use crate::solvers::kernels::axpy;
use crate::solvers::least_squares::Compressed;

/// Singular values up to this share of the largest count as zero, as in `linear` by default.
const CUTOFF: f64 = 1e-6;

hyperparams! {
    /// Parameters of `ransac`.
    pub struct RansacParams {
        /// Rows per sample: a number, or a share of the rows below 1; null means one more than there are features, or all rows.
        min_samples: Option<f64> = None, range: above(0.0);
        /// Largest loss of a row that agrees; null means the median absolute deviation of the target.
        residual_threshold: Option<f64> = None, range: at_least(0.0);
        /// Most samples to try.
        max_trials: u32 = 100, range: at_least(1.0);
        /// Most samples to skip because too few rows agree; null means any number.
        max_skips: Option<u32> = None;
        /// Number of agreeing rows at which to stop; null means never.
        stop_n_inliers: Option<u32> = None;
        /// Score (r2 of the agreeing rows) at which to stop; null means never.
        stop_score: Option<f64> = None;
        /// Confidence that a sample without outliers was tried, at which to stop.
        stop_probability: f64 = 0.99, range: between(0.0, 1.0);
        /// How far a row is from the line: the absolute or the squared error, summed over targets.
        loss: String = "absolute_error".to_owned(), choices: ["absolute_error", "squared_error"];
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: samples are fitted by least squares.
        estimator: Value = Value::Null, no_effect: true;
    }
}

/// RANSAC regression.
pub struct Ransac;

impl Estimator for Ransac {
    const NAME: &'static str = "ransac";
    const DESCRIPTION: &'static str = "Least squares that ignores outliers: fits small random samples and keeps the line that most rows are close to.";
    const SOURCE: &'static str = "Fischler, Bolles 1981; scikit-learn 1.9 RANSACRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = RansacParams;
    type Model = LinearModel;

    fn fit(params: &RansacParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        let targets = regression_targets(data)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let inliers = Search::new(params, data, &targets, run)?.best()?;
        let _memory = run.reserve(data.bytes(), "the rows that agree")?;
        let (coef, intercept) = least_squares(data, &inliers, run)?;
        LinearModel::new(coef.concat(), intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// The trials, and what they work on.
struct Search<'a> {
    params: &'a RansacParams,
    data: &'a Dataset,
    targets: &'a [&'a [f64]],
    sample_size: usize,
    threshold: f64,
    run: &'a Run,
}

/// Rows that agree with a sample, and how well they are explained.
struct Consensus {
    rows: Vec<u32>,
    score: f64,
}

impl<'a> Search<'a> {
    fn new(params: &'a RansacParams, data: &'a Dataset, targets: &'a [&'a [f64]], run: &'a Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let sample_size = match params.min_samples {
            None => (d + 1).min(n),
            Some(share) if share < 1.0 => (share * n as f64).ceil() as usize,
            Some(count) if count.fract() == 0.0 => count as usize,
            Some(other) => bail!(InvalidParameter, "min_samples of ransac is {other}, but must be whole or below 1"),
        };
        if sample_size > n {
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("a sample of ransac has {sample_size} rows, but there are {n}"),
            )
            .with_hint("lower min_samples, by default one more than there are features"));
        }
        let threshold = params.residual_threshold.unwrap_or_else(|| median_absolute_deviation(targets));
        Ok(Self { params, data, targets, sample_size, threshold, run })
    }

    /// The rows of the largest consensus; of equal ones the better explained.
    fn best(&self) -> Result<Vec<u32>> {
        let n = self.data.n_rows();
        let bytes = 8 * (self.targets.len() * n + n + self.sample_size * (self.data.n_features() + 1)) as u64;
        let _memory = self.run.reserve(bytes, "the trials")?;
        let mut rng = self.run.rng(0);
        let mut order: Vec<u32> = (0..n as u32).collect();
        let mut best = Consensus { rows: Vec::new(), score: f64::NEG_INFINITY };
        let (mut trials, mut skips, mut most) = (0_u32, 0_u32, f64::from(self.params.max_trials));
        while f64::from(trials) < most && self.params.max_skips.is_none_or(|most| skips <= most) {
            self.run.check()?;
            self.run.progress("training", u64::from(trials), most as u64);
            trials += 1;
            for k in 0..self.sample_size {
                order.swap(k, rng.usize(k..n));
            }
            let found = self.consensus(&order[..self.sample_size])?;
            if found.rows.len() < best.rows.len().max(1) {
                skips += 1;
                continue;
            }
            if found.rows.len() == best.rows.len() && found.score < best.score {
                continue;
            }
            best = found;
            most = most.min(self.enough_trials(best.rows.len()));
            let enough = self.params.stop_n_inliers.is_some_and(|enough| best.rows.len() >= enough as usize);
            if enough || self.params.stop_score.is_some_and(|enough| best.score >= enough) {
                break;
            }
        }
        if best.rows.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("ransac found no row that agrees in {trials} trials"),
            )
            .with_hint("raise residual_threshold, max_trials or max_skips"));
        }
        Ok(best.rows)
    }

    /// Trials after which a sample without outliers was drawn with the wanted probability.
    fn enough_trials(&self, n_inliers: usize) -> f64 {
        let share = n_inliers as f64 / self.data.n_rows() as f64;
        let missed = (1.0 - self.params.stop_probability).max(f64::EPSILON);
        let spoiled = (1.0 - share.powf(self.sample_size as f64)).max(f64::EPSILON);
        if missed == 1.0 {
            return 0.0;
        }
        if spoiled == 1.0 { f64::INFINITY } else { (missed.ln() / spoiled.ln()).ceil().abs() }
    }

    /// Fits the sample and gathers the rows that are close.
    fn consensus(&self, sample: &[u32]) -> Result<Consensus> {
        let n = self.data.n_rows();
        let mut losses = vec![0.0; n];
        let mut predictions = Vec::with_capacity(self.targets.len());
        let (coef, intercept) = least_squares(self.data, sample, self.run)?;
        for ((target, coef), intercept) in self.targets.iter().zip(&coef).zip(intercept) {
            let predicted = self.predict(coef, intercept)?;
            for ((loss, y), p) in losses.iter_mut().zip(*target).zip(&predicted) {
                let error = (y - p).abs();
                *loss += if self.params.loss == "squared_error" { error * error } else { error };
            }
            predictions.push(predicted);
        }
        let rows: Vec<u32> = (0..n as u32).filter(|row| losses[*row as usize] <= self.threshold).collect();
        let scores = self.targets.iter().zip(&predictions).map(|(y, p)| self.r2(&rows, y, p));
        let score = scores.sum::<f64>() / self.targets.len() as f64;
        Ok(Consensus { rows, score })
    }

    fn predict(&self, coef: &[f64], intercept: f64) -> Result<Vec<f64>> {
        let (n, d) = (self.data.n_rows(), self.data.n_features());
        let mut out = vec![intercept; n];
        let size = block_rows(d);
        let mut scratch = vec![0.0; size * d];
        for rows in ranges(n, size) {
            self.run.check()?;
            let block = &mut scratch[..d * rows.len()];
            copy_columns(self.data, &rows, block);
            for (w, column) in coef.iter().zip(block.chunks_exact(rows.len())) {
                axpy(*w, column, &mut out[rows.clone()]);
            }
        }
        Ok(out)
    }

    /// Share of the rows' weighted variance that predictions explain.
    fn r2(&self, rows: &[u32], target: &[f64], predicted: &[f64]) -> f64 {
        let of_row = |row: usize| self.data.weight().map_or(1.0, |w| w[row]);
        let sum =
            |f: &dyn Fn(usize) -> f64| rows.iter().map(|row| of_row(*row as usize) * f(*row as usize)).sum::<f64>();
        let mean = sum(&|row| target[row]) / sum(&|_| 1.0);
        let rest = sum(&|row| (target[row] - predicted[row]).powi(2));
        let all = sum(&|row| (target[row] - mean).powi(2));
        match (all > 0.0, rest > 0.0) {
            (true, _) => 1.0 - rest / all,
            (false, true) => 0.0,
            (false, false) => 1.0,
        }
    }
}

/// Coefficients and intercept per target of the line through these rows, as `linear` fits it.
fn least_squares(data: &Dataset, rows: &[u32], run: &Run) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
    let chosen = data.select(rows);
    let targets: Vec<&[f64]> = chosen.targets().iter().map(Vec::as_slice).collect();
    let problem = Compressed::new(&chosen, &targets, chosen.weight(), true, run)?;
    let coef = problem.solve(CUTOFF, run)?;
    let intercept = coef.iter().enumerate().map(|(t, coef)| problem.intercept(t, coef)).collect();
    Ok((coef, intercept))
}

/// The median distance to the median, over all targets as one, as scikit-learn takes it.
fn median_absolute_deviation(targets: &[&[f64]]) -> f64 {
    let mut values = targets.concat();
    let centre = median(&mut values);
    values.iter_mut().for_each(|y| *y = (*y - centre).abs());
    median(&mut values)
}

/// The median; the mean of the middle two of an even number. Reorders `values`.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let (half, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    if values.is_empty() {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    if is_odd {
        return upper;
    }
    0.5 * (below.iter().copied().fold(f64::NEG_INFINITY, f64::max) + upper)
}
