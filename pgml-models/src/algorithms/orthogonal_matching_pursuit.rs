//! Orthogonal matching pursuit.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::kernels::{axpy, dot, norm};
use crate::solvers::least_squares::Compressed;

hyperparams! {
    /// Parameters of `orthogonal_matching_pursuit`.
    pub struct OrthogonalMatchingPursuitParams {
        /// How many coefficients are not zero; null means a tenth of the features, at least one.
        n_nonzero_coefs: Option<u32> = None, range: at_least(1.0);
        /// Sum of squared residuals at which to stop, instead of a number of coefficients.
        tol: Option<f64> = None, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Accepted for compatibility: rows are always condensed first.
        precompute: serde_json::Value = serde_json::Value::from("auto"), no_effect: true;
    }
}

/// Orthogonal matching pursuit.
pub struct OrthogonalMatchingPursuit;

impl Estimator for OrthogonalMatchingPursuit {
    const NAME: &'static str = "orthogonal_matching_pursuit";
    const DESCRIPTION: &'static str =
        "Least squares on a fixed number of features, chosen one by one as they explain most of what is left.";
    const SOURCE: &'static str = "Pati, Rezaiifar, Krishnaprasad 1993; scikit-learn 1.9 OrthogonalMatchingPursuit";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = OrthogonalMatchingPursuitParams;
    type Model = LinearModel;

    fn fit(params: &OrthogonalMatchingPursuitParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "{} cannot weight rows", Self::NAME);
        }
        let d = data.n_features();
        let most = match (params.tol, params.n_nonzero_coefs) {
            (Some(_), _) => d,
            (None, None) => (d / 10).max(1),
            (None, Some(most)) if most as usize > d => {
                bail!(InvalidParameter, "n_nonzero_coefs of {} is {most}, but there are {d} features", Self::NAME)
            }
            (None, Some(most)) => most as usize,
        };
        let targets = regression_targets(data)?;
        let problem = Compressed::new(data, &targets, None, params.fit_intercept, run)?;
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for target in 0..targets.len() {
            let one = pursue(&problem, target, most, params.tol, run)?;
            intercept.push(problem.intercept(target, &one));
            coef.extend(one);
        }
        LinearModel::new(coef, intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Takes in the feature that correlates most with the residual, `most` times or until the squared residual is `tol`.
///
/// The columns taken in are made orthonormal (Gram and Schmidt, twice), so that each step costs one projection.
fn pursue(problem: &Compressed, target: usize, most: usize, tol: Option<f64>, run: &Run) -> Result<Vec<f64>> {
    let b = &problem.b[target];
    let scale = norm(b);
    let mut residual = b.clone();
    let mut chosen: Vec<usize> = Vec::new();
    // Column k of the triangle holds the products with the basis of the k-th column chosen.
    let (mut basis, mut triangle, mut projections) = (Vec::<Vec<f64>>::new(), Vec::<Vec<f64>>::new(), Vec::new());
    while chosen.len() < most {
        run.check()?;
        run.progress("training", chosen.len() as u64, most as u64);
        let pulls = (0..problem.d).map(|j| (j, dot(problem.column(j), &residual).abs()));
        let (j, strongest) = pulls.fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        let length = norm(problem.column(j));
        if strongest <= 1e-13 * length * scale || chosen.contains(&j) {
            break;
        }
        let mut column = problem.column(j).to_vec();
        let mut products = vec![0.0; basis.len()];
        for _ in 0..2 {
            for (unit, product) in basis.iter().zip(&mut products) {
                let along = dot(unit, &column);
                axpy(-along, unit, &mut column);
                *product += along;
            }
        }
        let own = norm(&column);
        if own <= 1e-8 * length {
            break;
        }
        column.iter_mut().for_each(|x| *x /= own);
        let along = dot(&column, &residual);
        axpy(-along, &column, &mut residual);
        products.push(own);
        triangle.push(products);
        projections.push(along);
        basis.push(column);
        chosen.push(j);
        if tol.is_some_and(|tol| dot(&residual, &residual) + problem.rest[target] <= tol) {
            break;
        }
    }
    if tol.is_none() && chosen.len() < most {
        run.warn(&format!(
            "orthogonal_matching_pursuit stopped at {} of {most} features: the others add nothing",
            chosen.len()
        ));
    }
    let mut coef = vec![0.0; problem.d];
    for k in (0..chosen.len()).rev() {
        let value = projections[k] / triangle[k][k];
        coef[chosen[k]] = value;
        axpy(-value, &triangle[k][..k], &mut projections[..k]);
    }
    Ok(coef)
}
