//! Partial least squares.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::kernels::{axpy, dot, norm};
use crate::solvers::least_squares::Compressed;
use crate::solvers::small_least_squares::SmallLeastSquares;

hyperparams! {
    /// Parameters of `pls`.
    pub struct PlsParams {
        /// How many components; of fewer rows or features, as many as those.
        n_components: u32 = 2, range: at_least(1.0);
        /// Whether to divide features and targets by their standard deviations first.
        scale: bool = true;
        /// Most iterations per component, where there are several targets.
        max_iter: u32 = 500, range: at_least(1.0), aliases: ["max_iterations"];
        /// Squared movement of a component's weights at which to stop, where there are several targets.
        tol: f64 = 1e-6, range: at_least(0.0), aliases: ["tolerance"];
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
    }
}

/// Partial least squares regression.
pub struct Pls;

impl Estimator for Pls {
    const NAME: &'static str = "pls";
    const DESCRIPTION: &'static str =
        "Regression on a few components that vary together with the targets: for many correlated features.";
    const SOURCE: &'static str = "Wold 1966; Wegelin 2000; scikit-learn 1.9 PLSRegression";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = PlsParams;
    type Model = LinearModel;

    fn fit(params: &PlsParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "{} cannot weight rows", Self::NAME);
        }
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "{} needs at least two rows", Self::NAME);
        }
        let k = (params.n_components as usize).min(n.min(d));
        if k < params.n_components as usize {
            run.warn(&format!("pls takes {k} components: there are no more in {n} rows of {d} features"));
        }
        let targets = regression_targets(data)?;
        let problem = Compressed::new(data, &targets, None, true, run)?;
        let _memory = run.reserve(8 * (2 * problem.m * d + 4 * d * k) as u64, "the components")?;
        let coef = Deflation::new(&problem, params.scale, n).components(k, params, run)?.coef(run)?;
        let intercept = coef.iter().enumerate().map(|(t, coef)| problem.intercept(t, coef)).collect();
        LinearModel::new(coef.concat(), intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// What is left of features and targets, and the components taken out of them. All of it happens in the space of the
/// condensed rows: sums over rows are the same there.
struct Deflation<'a> {
    problem: &'a Compressed,
    /// `m × d` and `m × targets`, column after column.
    x: Vec<f64>,
    y: Vec<f64>,
    x_scale: Vec<f64>,
    y_scale: Vec<f64>,
    /// Per component: how features make the score, how the score gives back features, and targets.
    weights: Vec<Vec<f64>>,
    x_loadings: Vec<Vec<f64>>,
    y_loadings: Vec<Vec<f64>>,
}

impl<'a> Deflation<'a> {
    fn new(problem: &'a Compressed, scale: bool, n_rows: usize) -> Self {
        let freedom = (n_rows - 1) as f64;
        // What is left of a constant column after centring is rounding, not a deviation.
        let deviation = |squares: f64, mean: f64| match (squares / freedom).sqrt() {
            deviation if scale && deviation > 1e-13 * mean.abs() => deviation,
            _ => 1.0,
        };
        let m = problem.m;
        let x_squares = (0..problem.d).map(|j| dot(problem.column(j), problem.column(j)));
        let x_scale = x_squares.zip(&problem.feature_means).map(|(squares, mean)| deviation(squares, *mean)).collect();
        let y_squares = problem.b.iter().zip(&problem.rest).map(|(b, rest)| dot(b, b) + rest);
        let y_scale = y_squares.zip(&problem.target_means).map(|(squares, mean)| deviation(squares, *mean)).collect();
        let (x_scale, y_scale): (Vec<f64>, Vec<f64>) = (x_scale, y_scale);
        let mut x = problem.a.clone();
        x.chunks_exact_mut(m).zip(&x_scale).for_each(|(column, s)| column.iter_mut().for_each(|x| *x /= s));
        let mut y = problem.b.concat();
        y.chunks_exact_mut(m).zip(&y_scale).for_each(|(column, s)| column.iter_mut().for_each(|y| *y /= s));
        let none = Vec::new;
        Self { problem, x, y, x_scale, y_scale, weights: none(), x_loadings: none(), y_loadings: none() }
    }

    /// Takes out one component after the other, until nothing varies together any more.
    fn components(mut self, k: usize, params: &PlsParams, run: &Run) -> Result<Self> {
        let m = self.problem.m;
        let strength = norm(&self.x) * norm(&self.y);
        for component in 0..k {
            run.check()?;
            run.progress("training", component as u64, k as u64);
            let Some(weights) = self.first_weights(params, strength, run)? else {
                run.warn(&format!("pls found {component} components: the others explain nothing"));
                break;
            };
            let score = product(&self.x, &weights, m);
            let square = dot(&score, &score);
            let x_loading: Vec<f64> = self.x.chunks_exact(m).map(|column| dot(column, &score) / square).collect();
            let y_loading: Vec<f64> = self.y.chunks_exact(m).map(|column| dot(column, &score) / square).collect();
            self.x.chunks_exact_mut(m).zip(&x_loading).for_each(|(column, p)| axpy(-p, &score, column));
            self.y.chunks_exact_mut(m).zip(&y_loading).for_each(|(column, q)| axpy(-q, &score, column));
            self.weights.push(weights);
            self.x_loadings.push(x_loading);
            self.y_loadings.push(y_loading);
        }
        Ok(self)
    }

    /// Weights of the score that varies most together with the targets: the power method, as scikit-learn stops it.
    fn first_weights(&self, params: &PlsParams, strength: f64, run: &Run) -> Result<Option<Vec<f64>>> {
        let m = self.problem.m;
        let targets = self.y.chunks_exact(m);
        let Some(mut y_score) = targets.clone().map(<[f64]>::to_vec).find(|y| norm(y) > 1e-15 * norm(&self.y)) else {
            return Ok(None);
        };
        let mut previous: Option<Vec<f64>> = None;
        for _ in 0..params.max_iter {
            run.check()?;
            let mut weights: Vec<f64> = self.x.chunks_exact(m).map(|column| dot(column, &y_score)).collect();
            let length = norm(&weights);
            if length <= 1e-14 * strength {
                return Ok(None);
            }
            weights.iter_mut().for_each(|w| *w /= length);
            let score = product(&self.x, &weights, m);
            let y_weights: Vec<f64> = targets.clone().map(|y| dot(y, &score)).collect();
            y_score = product(&self.y, &y_weights, m);
            let length = norm(&y_score);
            y_score.iter_mut().for_each(|y| *y /= length);
            let moved = previous.map(|old| old.iter().zip(&weights).map(|(a, b)| (a - b).powi(2)).sum::<f64>());
            if targets.len() == 1 || moved.is_some_and(|moved| moved < params.tol) {
                return Ok(Some(weights));
            }
            previous = Some(weights);
        }
        Ok(previous)
    }

    /// Coefficients per target, in the features' own units.
    fn coef(&self, run: &Run) -> Result<Vec<Vec<f64>>> {
        let (k, d) = (self.weights.len(), self.problem.d);
        // The loadings' products with the weights turn scores of deflated features into scores of the features.
        let mut turn = SmallLeastSquares::new(k, k);
        for (column, weights) in turn.a.chunks_exact_mut(k.max(1)).zip(&self.weights) {
            column.iter_mut().zip(&self.x_loadings).for_each(|(cell, loading)| *cell = dot(loading, weights));
        }
        let mut all = Vec::new();
        for (t, scale) in self.y_scale.iter().enumerate() {
            turn.b.iter_mut().zip(&self.y_loadings).for_each(|(b, loading)| *b = loading[t]);
            let mut shares = vec![0.0; k];
            turn.solve(&mut shares, run)?;
            let mut coef = vec![0.0; d];
            shares.iter().zip(&self.weights).for_each(|(share, weights)| axpy(*share, weights, &mut coef));
            coef.iter_mut().zip(&self.x_scale).for_each(|(w, s)| *w *= scale / s);
            all.push(coef);
        }
        Ok(all)
    }
}

/// `A v` of a matrix of columns of `m`.
fn product(columns: &[f64], v: &[f64], m: usize) -> Vec<f64> {
    let mut out = vec![0.0; m];
    columns.chunks_exact(m).zip(v).for_each(|(column, v)| axpy(*v, column, &mut out));
    out
}
