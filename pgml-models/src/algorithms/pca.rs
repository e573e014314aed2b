//! Principal component analysis.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, Transform, bail, hyperparams};
use serde_json::Value;

use crate::solvers::covariance::covariance;
use crate::solvers::kernels::dot;
use crate::solvers::least_squares::Compressed;
use crate::solvers::svd::{Svd, svd};
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

hyperparams! {
    /// Parameters of `pca`.
    pub struct PcaParams {
        /// How many components to keep; a number between 0 and 1 keeps as many as explain that share of the variance; null keeps all.
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
    type Model = PcaModel;

    fn fit(params: &PcaParams, data: &Dataset, _: Task, run: &Run) -> Result<PcaModel> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        let keep = Keep::read(&params.n_components, n.min(d))?;
        if n < 2 {
            bail!(InvalidData, "principal components need at least 2 rows, not {n}");
        }
        let spectrum = match params.svd_solver.as_str() {
            "covariance_eigh" => by_covariance(data, run)?,
            "auto" if d <= 1000 && n >= 10 * d => by_covariance(data, run)?,
            _ => by_svd(data, run)?,
        };
        spectrum.keep(keep, n, d, params.whiten)
    }

    fn decode(parts: &Parts) -> Result<PcaModel> {
        PcaModel::decode(parts)
    }
}

/// How many components to keep.
#[derive(Clone, Copy)]
enum Keep {
    Number(usize),
    Share(f64),
}

impl Keep {
    fn read(json: &Value, most: usize) -> Result<Self> {
        if json.is_null() {
            return Ok(Self::Number(most));
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
                 or null"
            ),
        }
    }
}

/// All components with their variances, descending.
struct Spectrum {
    mean: Vec<f64>,
    variances: Vec<f64>,
    /// One row per component.
    components: Vec<f64>,
}

fn by_covariance(data: &Dataset, run: &Run) -> Result<Spectrum> {
    let d = data.n_features();
    let _memory = run.reserve(32 * (d * d) as u64, "the covariance matrix")?;
    let (mean, matrix) = covariance(data, run)?;
    let Eigen { values, vectors } = symmetric_eigen(matrix, d, run)?;
    let variances = values.iter().map(|v| v.max(0.0)).collect();
    Ok(Spectrum { mean, variances, components: vectors })
}

fn by_svd(data: &Dataset, run: &Run) -> Result<Spectrum> {
    let (n, d) = (data.n_rows(), data.n_features());
    let problem = Compressed::new(data, &[], None, true, run)?;
    let m = problem.m;
    let _memory = run.reserve(24 * (d * m) as u64, "the singular vectors")?;
    // Columns of the transpose are rows; its left vectors are the components.
    let transposed = (0..m).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| problem.a[j * m + i]).collect();
    let Svd { us, s, .. } = svd(transposed, d, m, run)?;
    let unit = |(row, s): (&[f64], &f64)| row.iter().map(|x| if *s > 0.0 { x / s } else { 0.0 }).collect::<Vec<f64>>();
    Ok(Spectrum {
        components: us.chunks_exact(d).zip(&s).flat_map(unit).collect(),
        variances: s.iter().map(|s| s * s / (n - 1) as f64).collect(),
        mean: problem.feature_means,
    })
}

impl Spectrum {
    fn keep(mut self, keep: Keep, n: usize, d: usize, whiten: bool) -> Result<PcaModel> {
        let total: f64 = self.variances.iter().sum();
        self.variances.truncate(n.min(d));
        let ratios: Vec<f64> = self.variances.iter().map(|v| if total > 0.0 { v / total } else { 0.0 }).collect();
        let n_components = match keep {
            Keep::Number(number) => number,
            Keep::Share(share) => {
                let mut explained = 0.0;
                let enough = ratios.iter().position(|ratio| {
                    explained += ratio;
                    explained > share
                });
                enough.map_or(ratios.len(), |last| last + 1)
            }
        };
        let mut components = self.components[..n_components * d].to_vec();
        components.chunks_exact_mut(d).for_each(fix_sign);
        PcaModel {
            n_features: d,
            mean: self.mean,
            offset: Vec::new(),
            components,
            variances: self.variances[..n_components].to_vec(),
            ratios: ratios[..n_components].to_vec(),
            whiten,
        }
        .ready()
    }
}

/// The entry of largest size is positive, as in scikit-learn.
fn fix_sign(component: &mut [f64]) {
    let largest = component.iter().fold(0.0_f64, |a, b| if b.abs() > a.abs() { *b } else { a });
    if largest < 0.0 {
        component.iter_mut().for_each(|x| *x = -*x);
    }
}

/// Principal components of the training rows.
pub struct PcaModel {
    n_features: usize,
    mean: Vec<f64>,
    /// `−mean · component`, so that rows need no centring.
    offset: Vec<f64>,
    /// One row per component.
    components: Vec<f64>,
    variances: Vec<f64>,
    ratios: Vec<f64>,
    whiten: bool,
}

impl PcaModel {
    fn ready(mut self) -> Result<Self> {
        let all = self.mean.iter().chain(&self.components).chain(&self.variances).chain(&self.ratios);
        if all.into_iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        self.offset = self.components.chunks_exact(self.n_features).map(|c| -dot(c, &self.mean)).collect();
        Ok(self)
    }

    fn decode(parts: &Parts) -> Result<Self> {
        let mean = parts.array::<f64>("mean")?.to_vec();
        let variances = parts.array::<f64>("explained_variance")?.to_vec();
        let (d, k) = (mean.len(), variances.len());
        let Some(cells) = d.checked_mul(k).filter(|cells| *cells > 0) else {
            bail!(Corrupted, "stored pca has {k} components of {d} features");
        };
        let model = Self {
            n_features: d,
            offset: Vec::new(),
            components: parts.array_of("components", cells)?.to_vec(),
            ratios: parts.array_of("explained_variance_ratio", k)?.to_vec(),
            whiten: parts.meta("whiten")?,
            mean,
            variances,
        };
        match model.ready() {
            Ok(model) if model.variances.iter().all(|v| *v >= 0.0) => Ok(model),
            _ => bail!(Corrupted, "stored pca has a value that is not finite or a negative variance"),
        }
    }

    #[inline]
    fn component(&self, k: usize, row: &[f64]) -> f64 {
        let value = dot(&self.components[k * self.n_features..(k + 1) * self.n_features], row) + self.offset[k];
        if !self.whiten {
            return value;
        }
        // A component without variance has no standard deviation to divide by.
        value / self.variances[k].sqrt().max(f64::EPSILON)
    }
}

impl Model for PcaModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        require_finite(&rows)?;
        rows.rows().zip(out).for_each(|(row, out)| *out = self.component(0, row));
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        Parts::new()
            .with("mean", self.mean.clone())
            .with_shape("components", vec![self.variances.len(), self.n_features], self.components.clone())
            .with("explained_variance", self.variances.clone())
            .with("explained_variance_ratio", self.ratios.clone())
            .with_meta("whiten", &self.whiten)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.components.len() + self.mean.len() + 3 * self.variances.len())
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("cumulative_explained_variance", self.ratios.iter().sum())]
    }
}

impl Transform for PcaModel {
    fn n_components(&self) -> usize {
        self.variances.len()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_components())?;
        require_finite(&rows)?;
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(self.n_components())) {
            out.iter_mut().enumerate().for_each(|(k, out)| *out = self.component(k, row));
        }
        Ok(())
    }
}
