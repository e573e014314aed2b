//! Principal component analysis.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::principal_axes::PrincipalAxes;
use crate::solvers::covariance::covariance;
use crate::solvers::row_space::RowSpace;
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

hyperparams! {
    /// Parameters of `pca`.
    pub struct PcaParams {
        /// How many components to keep; a number between 0 and 1 keeps as many as explain that share of the variance, "mle" the likeliest number; null keeps all.
        n_components: Value = Value::Null;
        /// Whether components are divided by their standard deviation.
        whiten: bool = false;
        /// How to solve: covariance_eigh is quickest for many rows, full most accurate; auto chooses by shape. The others solve exactly too.
        svd_solver: String = "auto".to_owned(), choices: ["auto", "full", "covariance_eigh", "arpack", "randomized"];
        /// Accepted for compatibility: the solution is exact.
        tol: f64 = 0.0, range: at_least(0.0), no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        iterated_power: Value = Value::from("auto"), no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        n_oversamples: u32 = 10, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        power_iteration_normalizer: String = "auto".to_owned(), choices: ["auto", "QR", "LU", "none"], no_effect: true;
        /// Accepted for compatibility: the solver draws no random numbers.
        random_state: Option<u64> = None, no_effect: true;
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
    }
}

/// Principal component analysis.
pub struct Pca;

impl Estimator for Pca {
    const NAME: &'static str = "pca";
    const DESCRIPTION: &'static str =
        "Principal components: fewer, uncorrelated numbers per row that keep most of the variance.";
    const SOURCE: &'static str = "Pearson 1901; Hotelling 1933; scikit-learn 1.9 PCA";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = PcaParams;
    type Model = PrincipalAxes;

    fn fit(params: &PcaParams, data: &Dataset, _: Task, run: &Run) -> Result<PrincipalAxes> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        let keep = Keep::read(&params.n_components, n, d)?;
        if n < 2 {
            bail!(InvalidData, "principal components need at least 2 rows, not {n}");
        }
        let spectrum = match params.svd_solver.as_str() {
            "covariance_eigh" => by_covariance(data, run)?,
            "auto" if d <= 1000 && n >= 10 * d => by_covariance(data, run)?,
            _ => by_svd(data, keep, &params.svd_solver, run)?,
        };
        spectrum.keep(keep, n, d, params.whiten)
    }

    fn decode(parts: &Parts) -> Result<PrincipalAxes> {
        PrincipalAxes::decode(parts)
    }
}

/// How many components to keep.
#[derive(Clone, Copy)]
enum Keep {
    Number(usize),
    Share(f64),
    Likeliest,
}

impl Keep {
    fn read(json: &Value, n: usize, d: usize) -> Result<Self> {
        let most = n.min(d);
        if json.is_null() {
            return Ok(Self::Number(most));
        }
        if json == "mle" {
            if n < d || d < 2 {
                bail!(
                    InvalidData,
                    "n_components \"mle\" of pca needs at least 2 features and as many rows as features"
                );
            }
            return Ok(Self::Likeliest);
        }
        match json.as_f64() {
            Some(share) if share > 0.0 && share < 1.0 => Ok(Self::Share(share)),
            Some(number) if number.fract() == 0.0 && number >= 1.0 && number <= most as f64 => {
                Ok(Self::Number(number as usize))
            }
            Some(number) if number.fract() == 0.0 => bail!(
                InvalidParameter,
                "hyperparameter \"n_components\" of pca is {number}, but must be from 1 to {most}, the smaller of the \
                 numbers of rows and features"
            ),
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"n_components\" of pca is {json}, but must be a whole number, a share between 0 and 1, \
                 \"mle\" or null"
            ),
        }
    }
}

/// Components with their variances, descending.
struct Spectrum {
    mean: Vec<f64>,
    variances: Vec<f64>,
    /// The sum of all variances, also of components that are not there.
    total: f64,
    /// One row per component.
    components: Vec<f64>,
}

fn by_covariance(data: &Dataset, run: &Run) -> Result<Spectrum> {
    let d = data.n_features();
    let _memory = run.reserve(32 * (d * d) as u64, "the covariance matrix")?;
    let (mean, matrix) = covariance(data, run)?;
    let Eigen { values, vectors } = symmetric_eigen(matrix, d, run)?;
    let variances: Vec<f64> = values.iter().map(|v| v.max(0.0)).collect();
    Ok(Spectrum { mean, total: variances.iter().sum(), variances, components: vectors })
}

/// By singular vectors of the rows: those that are to be kept, if their number is known, and `full` does not ask for all.
fn by_svd(data: &Dataset, keep: Keep, solver: &str, run: &Run) -> Result<Spectrum> {
    let divisor = (data.n_rows() - 1) as f64;
    let RowSpace { mean, s, vectors, total } = match keep {
        Keep::Number(k) if solver != "full" => RowSpace::leading(data, true, k, run)?,
        _ => RowSpace::of(data, true, run)?,
    };
    let variances = s.iter().map(|s| s * s / divisor).collect();
    Ok(Spectrum { mean, variances, total: total / divisor, components: vectors })
}

impl Spectrum {
    fn keep(mut self, keep: Keep, n: usize, d: usize, whiten: bool) -> Result<PrincipalAxes> {
        let total = self.total;
        let likeliest = matches!(keep, Keep::Likeliest).then(|| likeliest_dimension(&self.variances, n));
        self.variances.truncate(n.min(d));
        let mut ratios: Vec<f64> = self.variances.iter().map(|v| if total > 0.0 { v / total } else { 0.0 }).collect();
        let n_components = match keep {
            Keep::Number(number) => number,
            Keep::Likeliest => likeliest.unwrap_or(1),
            Keep::Share(share) => {
                let mut explained = 0.0;
                let enough = ratios.iter().position(|ratio| {
                    explained += ratio;
                    explained > share
                });
                enough.map_or(ratios.len(), |last| last + 1)
            }
        };
        self.components.truncate(n_components * d);
        self.variances.truncate(n_components);
        ratios.truncate(n_components);
        PrincipalAxes::new(self.mean, self.components, self.variances, ratios, whiten)
    }
}

/// The number of components under which rows with this spectrum are likeliest (Minka, "Automatic choice of
/// dimensionality for PCA", 2000), from 1 to one less than there are features.
fn likeliest_dimension(spectrum: &[f64], n: usize) -> usize {
    let mut best = (f64::NEG_INFINITY, 1);
    let mut volume = 0.0;
    for rank in 1..spectrum.len() {
        let half = (spectrum.len() - rank + 1) as f64 / 2.0;
        volume += log_gamma(half) - half * std::f64::consts::PI.ln() - std::f64::consts::LN_2;
        let evidence = volume + log_evidence(spectrum, rank, n as f64);
        if evidence > best.0 {
            best = (evidence, rank);
        }
    }
    best.1
}

/// Laplace's approximation of the log evidence of `rank` components, but for the volume of their orientations.
fn log_evidence(spectrum: &[f64], rank: usize, n: f64) -> f64 {
    const SMALLEST: f64 = 1e-15;
    if spectrum[rank - 1] < SMALLEST {
        return f64::NEG_INFINITY;
    }
    let d = spectrum.len();
    let (kept, left) = spectrum.split_at(rank);
    let noise = (left.iter().sum::<f64>() / (d - rank) as f64).max(SMALLEST);
    let fit = -0.5 * n * (kept.iter().map(|v| v.ln()).sum::<f64>() + (d - rank) as f64 * noise.ln());
    let (d, k) = (d as f64, rank as f64);
    let n_parameters = d * k - k * (k + 1.0) / 2.0 + k;
    let hessian: f64 = kept
        .iter()
        .enumerate()
        .flat_map(|(i, a)| spectrum[i + 1..].iter().enumerate().map(move |(j, b)| (a, b, i + 1 + j < rank)))
        .map(|(a, b, b_is_kept)| ((a - b) * (1.0 / if b_is_kept { *b } else { noise } - 1.0 / a)).ln() + n.ln())
        .sum();
    fit + 0.5 * (n_parameters * (2.0 * std::f64::consts::PI).ln() - hessian - k * n.ln())
}

/// `ln Γ(x)` of a positive multiple of one half.
fn log_gamma(x: f64) -> f64 {
    let (mut at, mut value) = if x.fract() == 0.0 { (1.0, 0.0) } else { (0.5, 0.5 * std::f64::consts::PI.ln()) };
    while at < x {
        value += f64::ln(at);
        at += 1.0;
    }
    value
}
