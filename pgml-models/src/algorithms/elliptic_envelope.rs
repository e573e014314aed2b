//! An ellipse around most rows, whatever the others are.

mod mcd;

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{AnomalyDetector, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};

use self::mcd::Sample;
use crate::solvers::chi_squared;
use crate::solvers::contamination::{Contamination, label};
use crate::solvers::mahalanobis::Whitening;

/// The share of normal rows that reweighting leaves out.
const LEFT_OUT: f64 = 0.025;

hyperparams! {
    /// Parameters of `elliptic_envelope`.
    pub struct EllipticEnvelopeParams {
        /// The share of training rows that are anomalies.
        contamination: f64 = 0.1, range: above_up_to(0.0, 0.5);
        /// The share of rows that the first estimate is made of; null is a little more than half, which withstands most.
        support_fraction: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// Whether the centre is 0.
        assume_centered: bool = false;
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility.
        store_precision: bool = true, no_effect: true;
    }
}

/// Robust covariance as an anomaly detector.
pub struct EllipticEnvelope;

impl Estimator for EllipticEnvelope {
    const NAME: &'static str = "elliptic_envelope";
    const DESCRIPTION: &'static str =
        "Finds rows far outside an ellipse that holds most of the others: for features that are roughly normal.";
    const SOURCE: &'static str = "Rousseeuw, Van Driessen 1999 (FastMCD); scikit-learn 1.9 EllipticEnvelope";
    const TASKS: &'static [Task] = &[Task::AnomalyDetection];
    const VERSION: u32 = 1;
    type Params = EllipticEnvelopeParams;
    type Model = EllipticEnvelopeModel;

    fn fit(params: &EllipticEnvelopeParams, data: &Dataset, _: Task, run: &Run) -> Result<EllipticEnvelopeModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "elliptic_envelope knows no weights of rows");
        }
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "elliptic_envelope needs at least 2 rows, not {n}");
        }
        let n_support = match params.support_fraction {
            None => (n + d + 1).div_ceil(2).min(n),
            Some(share) => (share * n as f64) as usize,
        };
        if n_support == 0 {
            bail!(InvalidParameter, "support_fraction of elliptic_envelope keeps none of {n} rows");
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let _memory = run.reserve(16 * (n * d) as u64 + 24 * n as u64, "the matrix of features")?;
        let rows = data.to_rows();
        let sample = Sample { rows: &rows, d, run };
        let whitening = reweighted(&sample, n_support, params.assume_centered)?;
        if !whitening.is_finite() {
            bail!(InvalidData, "the covariance overflows: features are too large, scale them in preprocess");
        }
        let distances = sample.distances(&whitening)?;
        let threshold = Contamination::Share(params.contamination).threshold(0.0, distances);
        Ok(EllipticEnvelopeModel { whitening, threshold })
    }

    fn decode(parts: &Parts) -> Result<EllipticEnvelopeModel> {
        let centre = parts.array::<f64>("location")?.to_vec();
        let Some(cells) = centre.len().checked_mul(centre.len()).filter(|cells| *cells > 0) else {
            bail!(Corrupted, "stored elliptic_envelope has {} features", centre.len());
        };
        let columns = parts.array_of::<f64>("whitening", cells)?.to_vec();
        let model =
            EllipticEnvelopeModel { whitening: Whitening { centre, columns }, threshold: parts.meta("threshold")? };
        if !model.whitening.is_finite() || !model.threshold.is_finite() {
            bail!(Corrupted, "stored elliptic_envelope has a value that is not finite");
        }
        Ok(model)
    }
}

/// The covariance of the rows that the first estimate calls normal, scaled to be that of all normal rows.
fn reweighted(sample: &Sample<'_>, n_support: usize, assume_centered: bool) -> Result<Whitening> {
    let (n, d) = (sample.n_rows(), sample.d);
    let mut first = sample.smallest(n_support)?;
    if assume_centered {
        first = sample.scatter(&first.rows, Some(&vec![0.0; d]))?;
    }
    if n_support < n && first.covariance.iter().all(|x| x.abs() <= 1e-8) {
        bail!(InvalidData, "most rows are equal: nothing scatters; raise support_fraction, or scale the features");
    }
    let scale = consistency(d, n_support as f64 / n as f64);
    let limit = chi_squared::quantile(1.0 - LEFT_OUT, d);
    let distances = sample.distances(&first.whitening(1.0, sample.run)?)?;
    let kept: Vec<u32> = (0..).zip(&distances).filter(|(_, x)| **x / scale < limit).map(|(row, _)| row).collect();
    if kept.is_empty() {
        bail!(InvalidData, "no row is near the centre: scale the features");
    }
    let centre = assume_centered.then(|| vec![0.0; d]);
    sample.scatter(&kept, centre.as_deref())?.whitening(consistency(d, 1.0 - LEFT_OUT), sample.run)
}

/// What the covariance of the `share` of normal rows that lie nearest must be multiplied with (Croux, Haesbroeck 1999).
fn consistency(d: usize, share: f64) -> f64 {
    share / chi_squared::cdf(chi_squared::quantile(share, d), d + 2)
}

/// A centre, and distances from it.
pub struct EllipticEnvelopeModel {
    whitening: Whitening,
    /// The squared distance beyond which a row is an anomaly.
    threshold: f64,
}

impl Model for EllipticEnvelopeModel {
    fn n_features(&self) -> usize {
        self.whitening.centre.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.anomaly_score_into(rows, out)?;
        label(out);
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let d = self.whitening.centre.len();
        Parts::new()
            .with("location", self.whitening.centre.clone())
            .with_shape("whitening", vec![d, d], self.whitening.columns.clone())
            .with_meta("threshold", &self.threshold)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.whitening.centre.len() + self.whitening.columns.len())
    }

    fn anomaly_detector(&self) -> Option<&dyn AnomalyDetector> {
        Some(self)
    }
}

impl AnomalyDetector for EllipticEnvelopeModel {
    fn anomaly_score_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        require_finite(&rows)?;
        let mut room = vec![0.0; self.n_features()];
        for (row, out) in rows.rows().zip(out) {
            // Beyond the largest number nothing is stranger.
            *out = (self.whitening.squared_distance(row, &mut room) - self.threshold).min(f64::MAX);
        }
        Ok(())
    }
}
