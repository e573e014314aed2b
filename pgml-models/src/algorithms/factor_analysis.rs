//! Factor analysis.

use pgml_core::{Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, Transform, bail, hyperparams};
use serde_json::Value;

use crate::projection::{Projection, fix_sign};
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::least_squares::Compressed;
use crate::solvers::rotation::{Criterion, rotate};
use crate::solvers::row_space::right_vectors;
use crate::solvers::svd::{Svd, svd};

/// Noise variances are at least this.
const SMALLEST: f64 = 1e-12;

hyperparams! {
    /// Parameters of `factor_analysis`.
    pub struct FactorAnalysisParams {
        /// How many factors; null means as many as there are features.
        n_components: Option<u32> = None, range: at_least(1.0);
        /// Growth of the log likelihood at which to stop.
        tol: f64 = 1e-2, range: at_least(0.0);
        /// Most iterations.
        max_iter: u32 = 1000, range: at_least(1.0);
        /// First guess of the noise variance of each feature, an array; null means 1 for all.
        noise_variance_init: Value = Value::Null;
        /// Accepted for compatibility: the decomposition is exact.
        svd_method: String = "randomized".to_owned(), choices: ["lapack", "randomized"], no_effect: true;
        /// Accepted for compatibility: the decomposition is exact.
        iterated_power: u32 = 3, no_effect: true;
        /// Rotates the factors towards a simple structure; null leaves them.
        rotation: Option<String> = None, choices: ["varimax", "quartimax"];
        /// Accepted for compatibility: nothing is random.
        random_state: Option<u64> = Some(0), no_effect: true;
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
    }
}

/// Factor analysis.
pub struct FactorAnalysis;

impl Estimator for FactorAnalysis {
    const NAME: &'static str = "factor_analysis";
    const DESCRIPTION: &'static str =
        "A few hidden factors that explain how features vary together, apart from noise of each feature's own.";
    const SOURCE: &'static str = "Barber 2012, algorithm 21.1; Bishop 2006, 12.2.4; scikit-learn 1.9 FactorAnalysis";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = FactorAnalysisParams;
    type Model = FactorModel;

    fn fit(params: &FactorAnalysisParams, data: &Dataset, _: Task, run: &Run) -> Result<FactorModel> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "factor_analysis needs at least 2 rows, not {n}");
        }
        let k = params.n_components.map_or(d, |k| (k as usize).min(d));
        if params.n_components.is_some_and(|given| given as usize > d) {
            run.warn(&format!("factor_analysis finds at most as many factors as there are features: {d}"));
        }
        let noise = read_noise(&params.noise_variance_init, d)?;
        let rows = Compressed::new(data, &[], None, true, run)?;
        let mut found = maximise(&rows, n, k, noise, params, run)?;
        if let Some(name) = &params.rotation {
            let criterion = if name == "varimax" { Criterion::Varimax } else { Criterion::Quartimax };
            found.loadings = rotated(&found.loadings, k, d, criterion, run)?;
        }
        found.loadings.chunks_exact_mut(d).for_each(fix_sign);
        FactorModel::new(rows.feature_means, found.loadings, found.noise, found.log_likelihood / n as f64)
    }

    fn decode(parts: &Parts) -> Result<FactorModel> {
        FactorModel::decode(parts)
    }
}

fn read_noise(json: &Value, d: usize) -> Result<Vec<f64>> {
    if json.is_null() {
        return Ok(vec![1.0; d]);
    }
    let values: Option<Vec<f64>> =
        json.as_array().and_then(|list| list.iter().map(|x| x.as_f64().filter(|x| *x >= 0.0)).collect());
    match values {
        Some(values) if values.len() == d => Ok(values),
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"noise_variance_init\" of factor_analysis must be null or an array of {d} numbers of at \
             least 0, one per feature"
        ),
    }
}

struct Found {
    /// One row per factor.
    loadings: Vec<f64>,
    noise: Vec<f64>,
    log_likelihood: f64,
}

/// Maximises the likelihood by turns: given the noise, the best loadings are singular vectors of the rows in units of
/// their noise; given the loadings, noise is the variance that they leave.
fn maximise(
    rows: &Compressed,
    n: usize,
    k: usize,
    mut noise: Vec<f64>,
    params: &FactorAnalysisParams,
    run: &Run,
) -> Result<Found> {
    let d = rows.d;
    let variance: Vec<f64> = (0..d).map(|j| dot(rows.column(j), rows.column(j)) / n as f64).collect();
    let constant = d as f64 * (2.0 * std::f64::consts::PI).ln() + k as f64;
    let (mut before, mut found) = (f64::NEG_INFINITY, None);
    for iteration in 0..params.max_iter {
        run.check()?;
        run.progress("training", u64::from(iteration), u64::from(params.max_iter));
        let deviation: Vec<f64> = noise.iter().map(|v| v.sqrt() + SMALLEST).collect();
        let (s, mut loadings) = in_units_of_noise(rows, &deviation, n, run)?;
        let unexplained: f64 = s.iter().skip(k).map(|s| s * s).sum();
        let squares = s.iter().chain(std::iter::repeat(&0.0)).take(k).map(|s| s * s);
        // Fewer rows than factors leave values of zero, whose logarithm would hide all others.
        let logs: f64 = squares.clone().map(|s| s.max(f64::MIN_POSITIVE).ln()).sum();
        loadings.resize(k * d, 0.0);
        for (row, square) in loadings.chunks_exact_mut(d).zip(squares) {
            let length = (square - 1.0).max(0.0).sqrt();
            row.iter_mut().zip(&deviation).for_each(|(x, deviation)| *x *= length * deviation);
        }
        let noise_logs: f64 = noise.iter().map(|v| v.ln()).sum();
        let log_likelihood = -0.5 * n as f64 * (constant + logs + unexplained + noise_logs);
        if log_likelihood - before < params.tol {
            return Ok(Found { loadings, noise, log_likelihood });
        }
        before = log_likelihood;
        noise.copy_from_slice(&variance);
        for row in loadings.chunks_exact(d) {
            noise.iter_mut().zip(row).for_each(|(left, x)| *left -= x * x);
        }
        noise.iter_mut().for_each(|left| *left = left.max(SMALLEST));
        found = Some(loadings);
    }
    run.warn("factor_analysis did not converge: raise max_iter or tol");
    Ok(Found { loadings: found.unwrap_or_default(), noise, log_likelihood: before })
}

/// Singular values, descending, and right vectors (one row each) of `rows / (deviation · √n)`.
fn in_units_of_noise(rows: &Compressed, deviation: &[f64], n: usize, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (m, d, root) = (rows.m, rows.d, (n as f64).sqrt());
    let mut scaled = rows.a.clone();
    for (column, deviation) in scaled.chunks_exact_mut(m).zip(deviation) {
        column.iter_mut().for_each(|x| *x /= deviation * root);
    }
    if scaled.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the factors overflow: features are too large, scale them in preprocess");
    }
    if m < d {
        return right_vectors(&scaled, m, d, run);
    }
    // Rotating columns, not rows, stays accurate when their units differ by orders of magnitude.
    let Svd { s, v, .. } = svd(scaled, m, d, run)?;
    Ok((s, v))
}

/// Rotates loadings, one row per factor.
fn rotated(loadings: &[f64], k: usize, d: usize, criterion: Criterion, run: &Run) -> Result<Vec<f64>> {
    let transpose = |a: &[f64], rows: usize, columns: usize| -> Vec<f64> {
        (0..columns).flat_map(|j| (0..rows).map(move |i| a[i * columns + j])).collect()
    };
    Ok(transpose(&rotate(&transpose(loadings, k, d), k, criterion, run)?, d, k))
}

/// Factors and noise.
pub struct FactorModel {
    mean: Vec<f64>,
    /// One row per factor.
    loadings: Vec<f64>,
    noise: Vec<f64>,
    /// Mean log likelihood of a training row.
    log_likelihood: f64,
    projection: Projection,
}

impl FactorModel {
    fn new(mean: Vec<f64>, loadings: Vec<f64>, noise: Vec<f64>, log_likelihood: f64) -> Result<Self> {
        let all = mean.iter().chain(&loadings).chain(&noise).chain([&log_likelihood]);
        // The product of loading and deviation is squared below.
        if all.into_iter().any(|x| x.abs() > 1e150 || x.is_nan()) || noise.iter().any(|v| *v <= 0.0) {
            bail!(InvalidData, "the factors overflow: features are too large, scale them in preprocess");
        }
        let projection = Projection::new(&expected_factors(&loadings, &noise)?, &mean);
        Ok(Self { mean, loadings, noise, log_likelihood, projection })
    }

    fn decode(parts: &Parts) -> Result<Self> {
        let mean = parts.array::<f64>("mean")?.to_vec();
        let loadings = parts.array::<f64>("components")?.to_vec();
        let d = mean.len();
        if d == 0 || loadings.is_empty() || !loadings.len().is_multiple_of(d) || loadings.len() / d > d {
            bail!(Corrupted, "stored factor_analysis has {} loadings of {d} features", loadings.len());
        }
        let noise = parts.array_of("noise_variance", d)?.to_vec();
        let log_likelihood = parts.array_of::<f64>("log_likelihood", 1)?[0];
        Self::new(mean, loadings, noise, log_likelihood)
            .or_else(|_| bail!(Corrupted, "stored factor_analysis has a value out of range"))
    }
}

/// What multiplies a centred row to give its expected factors: `(I + W Ψ⁻¹ Wᵀ)⁻¹ W Ψ⁻¹`, one row per factor. With
/// `Ψ^(−½) Wᵀ = U S Vᵀ` that is `V (S / (S² + I)) Uᵀ Ψ^(−½)`, which stays accurate where noise vanishes.
fn expected_factors(loadings: &[f64], noise: &[f64]) -> Result<Vec<f64>> {
    let d = noise.len();
    let k = loadings.len() / d;
    let precise = loadings.chunks_exact(d).flat_map(|row| row.iter().zip(noise).map(|(w, v)| w / v.sqrt())).collect();
    let Svd { us, s, v } = svd(precise, d, k, &Run::new())?;
    let mut out = vec![0.0; k * d];
    for ((left, right), s) in us.chunks_exact(d).zip(v.chunks_exact(k)).zip(&s) {
        for (row, x) in out.chunks_exact_mut(d).zip(right) {
            axpy(x / (s * s + 1.0), left, row);
        }
    }
    for row in out.chunks_exact_mut(d) {
        row.iter_mut().zip(noise).for_each(|(x, v)| *x /= v.sqrt());
    }
    if out.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the factors overflow: features are too large, scale them in preprocess");
    }
    Ok(out)
}

impl Model for FactorModel {
    fn n_features(&self) -> usize {
        self.mean.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.projection.first_into(rows, out)
    }

    fn encode(&self) -> Result<Parts> {
        let d = self.mean.len();
        Ok(Parts::new()
            .with("mean", self.mean.clone())
            .with_shape("components", vec![self.loadings.len() / d, d], self.loadings.clone())
            .with("noise_variance", self.noise.clone())
            .with("log_likelihood", vec![self.log_likelihood]))
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.loadings.len() + 2 * self.mean.len()) + self.projection.bytes()
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("log_likelihood", self.log_likelihood)]
    }
}

impl Transform for FactorModel {
    fn n_components(&self) -> usize {
        self.projection.n_components()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.projection.all_into(rows, out)
    }
}
