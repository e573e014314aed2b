//! Bayesian regression with a penalty of its own for each feature.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use super::bayesian_ridge::variance;
use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::cholesky;
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::least_squares::Compressed;
use crate::solvers::symmetric_eigen::symmetric_eigen;

hyperparams! {
    /// Parameters of `automatic_relevance_determination`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct ArdParams {
        /// Most iterations.
        max_iter: u32 = 300, range: at_least(1.0), aliases: ["n_iter", "max_iterations"];
        /// Change of the coefficients (sum of absolute values) below which to stop.
        tol: f64 = 1e-3, range: at_least(0.0), aliases: ["tolerance"];
        /// Shape of the gamma distribution that the noise's precision is expected to have.
        alpha_1: f64 = 1e-6, range: at_least(0.0);
        /// Rate of the gamma distribution that the noise's precision is expected to have.
        alpha_2: f64 = 1e-6, range: at_least(0.0);
        /// Shape of the gamma distribution that the coefficients' precisions are expected to have.
        lambda_1: f64 = 1e-6, range: at_least(0.0);
        /// Rate of the gamma distribution that the coefficients' precisions are expected to have.
        lambda_2: f64 = 1e-6, range: at_least(0.0);
        /// Precision of a coefficient from which on it is dropped.
        threshold_lambda: f64 = 1e4, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Accepted for compatibility: models keep no scores of their iterations.
        compute_score: bool = false, no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// Automatic relevance determination.
pub struct AutomaticRelevanceDetermination;

impl Estimator for AutomaticRelevanceDetermination {
    const NAME: &'static str = "automatic_relevance_determination";
    const DESCRIPTION: &'static str =
        "Bayesian regression that finds a penalty for each feature itself, and drops those that do not matter.";
    const SOURCE: &'static str = "MacKay 1994; Tipping 2001; scikit-learn 1.9 ARDRegression";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = ArdParams;
    type Model = LinearModel;

    fn fit(params: &ArdParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "{} cannot weight rows", Self::NAME);
        }
        if data.n_rows() < 2 {
            bail!(InvalidData, "{} needs at least two rows", Self::NAME);
        }
        let targets = regression_targets(data)?;
        let problem = Compressed::new(data, &targets, None, params.fit_intercept, run)?;
        let _memory = run.reserve(24 * (problem.d * problem.d.max(problem.m)) as u64, "the matrix of covariances")?;
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for (target, values) in targets.iter().enumerate() {
            let one = determine(params, &problem, target, data.n_rows(), variance(values, None), run)?;
            intercept.push(problem.intercept(target, &one));
            coef.extend(one);
        }
        LinearModel::new(coef, intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Alternates between coefficients and precisions until the coefficients rest, dropping features on the way.
fn determine(
    params: &ArdParams,
    problem: &Compressed,
    target: usize,
    n_rows: usize,
    variance: f64,
    run: &Run,
) -> Result<Vec<f64>> {
    let d = problem.d;
    let posterior = Posterior::new(problem, target, n_rows, run)?;
    let mut noise = 1.0 / (variance + f64::EPSILON);
    let mut precision = vec![1.0; d];
    let mut kept: Vec<usize> = (0..d).collect();
    let mut previous: Option<Vec<f64>> = None;
    let mut coef = vec![0.0; d];
    for iteration in 0..params.max_iter {
        run.check()?;
        run.progress("training", u64::from(iteration), u64::from(params.max_iter));
        let (means, variances) = posterior.moments(&kept, &precision, noise, run)?;
        coef.fill(0.0);
        kept.iter().zip(&means).for_each(|(j, w)| coef[*j] = *w);
        let residual = posterior.squared_residual(&coef);
        let mut determined = 0.0;
        for (&j, variance) in kept.iter().zip(&variances) {
            let gamma = 1.0 - precision[j] * variance;
            determined += gamma;
            precision[j] = (gamma + 2.0 * params.lambda_1) / (coef[j] * coef[j] + 2.0 * params.lambda_2);
        }
        noise = (n_rows as f64 - determined + 2.0 * params.alpha_1) / (residual + 2.0 * params.alpha_2);
        kept.retain(|j| precision[*j] < params.threshold_lambda);
        (0..d).filter(|j| precision[*j] >= params.threshold_lambda).for_each(|j| coef[j] = 0.0);
        let change = previous.map(|old| old.iter().zip(&coef).map(|(a, b)| (a - b).abs()).sum::<f64>());
        if kept.is_empty() || change.is_some_and(|change| change < params.tol) {
            break;
        }
        previous = Some(coef.clone());
    }
    let (means, _) = posterior.moments(&kept, &precision, noise, run)?;
    coef.fill(0.0);
    kept.iter().zip(&means).for_each(|(j, w)| coef[*j] = *w);
    Ok(coef)
}

/// The normal distribution of the coefficients, given the precisions.
struct Posterior<'a> {
    problem: &'a Compressed,
    target: usize,
    /// Products of the columns with each other, where there are fewer columns than rows.
    gram: Option<Vec<f64>>,
    /// Products of the columns with the target.
    pulls: Vec<f64>,
}

impl<'a> Posterior<'a> {
    fn new(problem: &'a Compressed, target: usize, n_rows: usize, run: &Run) -> Result<Self> {
        let d = problem.d;
        let pulls = (0..d).map(|j| dot(problem.column(j), &problem.b[target])).collect();
        let mut gram = vec![0.0; if n_rows >= d { d * d } else { 0 }];
        for (i, row) in gram.chunks_exact_mut(d).enumerate() {
            run.check()?;
            row.iter_mut().enumerate().for_each(|(j, cell)| *cell = dot(problem.column(i), problem.column(j)));
        }
        Ok(Self { problem, target, gram: (n_rows >= d).then_some(gram), pulls })
    }

    fn squared_residual(&self, coef: &[f64]) -> f64 {
        let mut residual = self.problem.b[self.target].clone();
        coef.iter().enumerate().filter(|(_, w)| **w != 0.0).for_each(|(j, w)| {
            axpy(-w, self.problem.column(j), &mut residual);
        });
        dot(&residual, &residual) + self.problem.rest[self.target]
    }

    /// Means and variances of the kept coefficients.
    fn moments(&self, kept: &[usize], precision: &[f64], noise: f64, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
        match &self.gram {
            Some(gram) => self.by_features(gram, kept, precision, noise, run),
            None => self.by_rows(kept, precision, noise, run),
        }
    }

    /// From the inverse of `diag(precision) + noise · XᵀX`.
    fn by_features(
        &self,
        gram: &[f64],
        kept: &[usize],
        precision: &[f64],
        noise: f64,
        run: &Run,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let (d, k) = (self.problem.d, kept.len());
        let mut matrix = Vec::with_capacity(k * k);
        for &i in kept {
            matrix.extend(kept.iter().map(|&j| noise * gram[i * d + j] + if i == j { precision[i] } else { 0.0 }));
        }
        let inverse = inverse(matrix, k, run)?;
        let pulls: Vec<f64> = kept.iter().map(|j| noise * self.pulls[*j]).collect();
        let means = inverse.chunks_exact(k.max(1)).map(|row| dot(row, &pulls)).collect();
        Ok((means, (0..k).map(|i| inverse[i * k + i]).collect()))
    }

    /// From the inverse of a matrix of rows (Woodbury), where there are fewer rows than features.
    fn by_rows(&self, kept: &[usize], precision: &[f64], noise: f64, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
        let m = self.problem.m;
        let mut matrix = vec![0.0; m * m];
        (0..m).for_each(|i| matrix[i * m + i] = 1.0 / noise);
        for &j in kept {
            let column = self.problem.column(j);
            for (row, x) in matrix.chunks_exact_mut(m).zip(column) {
                axpy(x / precision[j], column, row);
            }
        }
        let inverse = inverse(matrix, m, run)?;
        let times = |v: &[f64]| inverse.chunks_exact(m).map(|row| dot(row, v)).collect::<Vec<f64>>();
        let solved = times(&self.problem.b[self.target]);
        let means = kept.iter().map(|&j| dot(self.problem.column(j), &solved) / precision[j]).collect();
        let spread = |j: usize| dot(self.problem.column(j), &times(self.problem.column(j)));
        let variances = kept.iter().map(|&j| (1.0 - spread(j) / precision[j]) / precision[j]).collect();
        Ok((means, variances))
    }
}

/// The inverse of a symmetric matrix; the pseudo-inverse where rounding makes it singular, as in scikit-learn.
fn inverse(matrix: Vec<f64>, n: usize, run: &Run) -> Result<Vec<f64>> {
    let mut factor = matrix.clone();
    let mut inverse = vec![0.0; n * n];
    if cholesky::factor(&mut factor, n, run)? {
        for (i, row) in inverse.chunks_exact_mut(n.max(1)).enumerate() {
            run.check()?;
            row[i] = 1.0;
            cholesky::solve(&factor, n, row);
        }
        return Ok(inverse);
    }
    let eigen = symmetric_eigen(matrix, n, run)?;
    let largest = eigen.values.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    let cutoff = f64::EPSILON * n as f64 * largest;
    for (value, vector) in eigen.values.iter().zip(eigen.vectors.chunks_exact(n.max(1))) {
        if value.abs() > cutoff {
            for (row, x) in inverse.chunks_exact_mut(n).zip(vector) {
                axpy(x / value, vector, row);
            }
        }
    }
    Ok(inverse)
}
