//! Truncated singular value decomposition, also known as latent semantic analysis.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::principal_axes::PrincipalAxes;
use crate::solvers::covariance::covariance;
use crate::solvers::kernels::dot;
use crate::solvers::row_space::RowSpace;

hyperparams! {
    /// Parameters of `truncated_svd`.
    pub struct TruncatedSvdParams {
        /// How many components to keep; where there are fewer features, as many as those.
        n_components: u32 = 2, range: at_least(1.0);
        /// Accepted for compatibility: the solution is exact.
        algorithm: String = "randomized".to_owned(), choices: ["arpack", "randomized"], no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        n_iter: u32 = 5, no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        n_oversamples: u32 = 10, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        power_iteration_normalizer: String = "auto".to_owned(), choices: ["auto", "QR", "LU", "none"], no_effect: true;
        /// Accepted for compatibility: the solution is exact.
        tol: f64 = 0.0, range: at_least(0.0), no_effect: true;
        /// Accepted for compatibility: the solver draws no random numbers.
        random_state: Option<u64> = None, no_effect: true;
    }
}

/// Truncated singular value decomposition.
pub struct TruncatedSvd;

impl Estimator for TruncatedSvd {
    const NAME: &'static str = "truncated_svd";
    const DESCRIPTION: &'static str = "Fewer numbers per row that keep most of its length: principal components without centring, for counts and texts.";
    const SOURCE: &'static str =
        "Eckart, Young 1936; Deerwester, Dumais, Furnas, Landauer, Harshman 1990; scikit-learn 1.9 TruncatedSVD";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = TruncatedSvdParams;
    type Model = PrincipalAxes;

    fn fit(params: &TruncatedSvdParams, data: &Dataset, _: Task, run: &Run) -> Result<PrincipalAxes> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "truncated_svd needs at least 2 rows, not {n}");
        }
        let k = (params.n_components as usize).min(n.min(d));
        if k < params.n_components as usize {
            run.warn(&format!(
                "truncated_svd keeps {k} components of {n} rows and {d} features, not {}",
                params.n_components
            ));
        }
        let space = RowSpace::leading(data, false, k, run)?;
        let (variances, ratios) = explained(&space.vectors, data, run)?;
        PrincipalAxes::new(vec![0.0; d], space.vectors, variances, ratios, false)
    }

    fn decode(parts: &Parts) -> Result<PrincipalAxes> {
        PrincipalAxes::decode(parts)
    }
}

/// The variance of rows along each axis, and its share of the whole. The axes are those of the second moments, not of
/// the covariances: only these tell how rows vary.
fn explained(axes: &[f64], data: &Dataset, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let _memory = run.reserve(8 * (d * d) as u64, "the covariance matrix")?;
    let (_, covariance) = covariance(data, run)?;
    // scikit-learn divides by the number of rows here.
    let per_row = (n - 1) as f64 / n as f64;
    let total: f64 = (0..d).map(|j| covariance[j * d + j]).sum::<f64>() * per_row;
    let along = |axis: &[f64]| -> f64 {
        covariance.chunks_exact(d).zip(axis).map(|(row, x)| x * dot(row, axis)).sum::<f64>().max(0.0) * per_row
    };
    let variances: Vec<f64> = axes.chunks_exact(d).map(along).collect();
    let ratios = variances.iter().map(|v| if total > 0.0 { v / total } else { 0.0 }).collect();
    Ok((variances, ratios))
}
