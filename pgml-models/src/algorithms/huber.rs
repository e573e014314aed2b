//! Linear regression with Huber's loss, which grows linearly for outliers, and its scale.

use std::ops::Range;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, hyperparams};

use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::cholesky;
use crate::solvers::damped_newton::{self, Curved};
use crate::solvers::design::Design;

/// Least scale of the residuals, as in scikit-learn.
const LEAST_SCALE: f64 = 10.0 * f64::EPSILON;

hyperparams! {
    /// Parameters of `huber`.
    pub struct HuberParams {
        /// Residuals beyond this many scales are outliers: their loss is linear.
        epsilon: f64 = 1.35, range: at_least(1.0);
        /// Most iterations of the solver.
        max_iter: u32 = 100, aliases: ["max_iterations"];
        /// Strength of the L2 penalty.
        alpha: f64 = 1e-4, range: at_least(0.0);
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Largest slope at which the solver stops.
        tol: f64 = 1e-5, range: at_least(0.0), aliases: ["tolerance"];
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// Huber regression.
pub struct Huber;

impl Estimator for Huber {
    const NAME: &'static str = "huber";
    const DESCRIPTION: &'static str = "Linear regression that outliers in the target pull only a little.";
    const SOURCE: &'static str = "Huber, Ronchetti 1981; Owen 2007; scikit-learn 1.9 HuberRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = HuberParams;
    type Model = LinearModel;

    fn fit(params: &HuberParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        let targets = regression_targets(data)?;
        let design = Design::new(data, params.fit_intercept, run)?;
        let ones = vec![1.0; if data.weight().is_some() { 0 } else { data.n_rows() }];
        let weight = data.weight().unwrap_or(&ones);
        let total = weight.iter().sum();
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for target in targets {
            // The penalty is α ‖w‖², twice the half that a design's penalty means.
            let penalty = design.penalty(2.0 * params.alpha);
            let floor = LEAST_SCALE;
            let loss = Loss { design: &design, target, weight, total, epsilon: params.epsilon, penalty, floor, run };
            let (at, converged) = loss.minimise(params)?;
            if !converged {
                run.warn(&format!(
                    "huber did not converge in {} iterations; raise max_iter, or scale the features in preprocess",
                    params.max_iter
                ));
            }
            let (own, constant) = design.own_units(&at);
            coef.extend(own);
            intercept.push(constant);
        }
        LinearModel::new(coef, intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// `Σ weight · (σ + σ H(residual / σ)) + penalty`, with `H(z) = z²` up to epsilon and `2 ε |z| − ε²` beyond. Its last
/// parameter is the scale σ; it is convex in all of them together.
struct Loss<'a> {
    design: &'a Design,
    target: &'a [f64],
    weight: &'a [f64],
    total: f64,
    epsilon: f64,
    penalty: Vec<f64>,
    /// Least scale.
    floor: f64,
    run: &'a Run,
}

/// Per row of a block: first and second derivative in the score, and how many scales the residual has.
struct Rows {
    slopes: Vec<f64>,
    curvatures: Vec<f64>,
    residuals: Vec<f64>,
}

impl Loss<'_> {
    /// The optimum, and whether it was reached. Where many rows lie on one plane, or epsilon is 1, the scale falls towards
    /// zero and the loss becomes the absolute one: a floor that sinks step by step lets the coefficients follow.
    fn minimise(mut self, params: &HuberParams) -> Result<(Vec<f64>, bool)> {
        let mut at = self.start()?;
        let lowest = (1e-12 * at[self.design.width]).max(LEAST_SCALE);
        self.floor = (0.1 * at[self.design.width]).max(lowest);
        loop {
            let converged = damped_newton::minimise(&self, &mut at, params.tol, params.max_iter as usize, self.run)?;
            if at[self.design.width] > 1.5 * self.floor || self.floor <= lowest {
                return Ok((at, converged));
            }
            self.floor = (0.1 * self.floor).max(lowest);
        }
    }

    /// Ridge regression, and the root of its mean squared residual.
    fn start(&self) -> Result<Vec<f64>> {
        let n = self.n_params();
        let width = n - 1;
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        // At a scale beyond all residuals the loss is the squared one, divided by the scale.
        let largest = self.target.iter().fold(LEAST_SCALE, |a, y| a.max(y.abs()));
        let mut at = vec![0.0; n];
        at[width] = largest;
        self.evaluate(&at, &mut gradient, &mut hessian)?;
        // The penalty would weigh more at that scale.
        self.penalty.iter().enumerate().for_each(|(j, l2)| hessian[j * n + j] -= l2);
        let mut square: Vec<f64> = hessian.chunks_exact(n).take(width).flat_map(|row| row[..width].to_vec()).collect();
        let diagonal = (0..width).map(|j| square[j * width + j]).fold(f64::MIN_POSITIVE, f64::max);
        (0..width).for_each(|j| square[j * width + j] += 1e-10 * diagonal);
        if cholesky::factor(&mut square, width, self.run)? {
            let mut step: Vec<f64> = gradient[..width].iter().map(|g| -g).collect();
            cholesky::solve(&square, width, &mut step);
            at[..width].copy_from_slice(&step);
        }
        let mut scores = vec![0.0; self.design.size];
        let mut squares = 0.0;
        for rows in self.design.blocks() {
            self.design.score(&rows, &at[..width], &mut scores[..rows.len()]);
            let residuals = self.target[rows.clone()].iter().zip(&scores);
            squares += residuals.zip(&self.weight[rows]).map(|((y, s), w)| w * (y - s).powi(2)).sum::<f64>();
        }
        at[width] = (squares / self.total).sqrt().max(LEAST_SCALE);
        Ok(at)
    }

    /// Value and slope in the scale of one block.
    fn rows(&self, rows: &Range<usize>, scores: &[f64], scale: f64, out: &mut Rows) -> (f64, f64) {
        let (mut value, mut slope) = (0.0, 0.0);
        let data = self.target[rows.clone()].iter().zip(&self.weight[rows.clone()]);
        for (i, ((y, weight), score)) in data.zip(scores).enumerate() {
            let z = (y - score) / scale;
            let (loss, first, second) = if z.abs() > self.epsilon {
                (self.epsilon * (2.0 * z.abs() - self.epsilon), 2.0 * self.epsilon * z.signum(), 0.0)
            } else {
                (z * z, 2.0 * z, 2.0)
            };
            value += weight * scale * (1.0 + loss);
            slope += weight * (1.0 + loss - z * first);
            out.slopes[i] = -weight * first;
            out.curvatures[i] = weight * second / scale;
            out.residuals[i] = z;
        }
        (value, slope)
    }
}

impl Curved for Loss<'_> {
    fn n_params(&self) -> usize {
        self.design.width + 1
    }

    fn evaluate(&self, at: &[f64], gradient: &mut [f64], hessian: &mut [f64]) -> Result<f64> {
        let (design, n, width) = (self.design, at.len(), self.design.width);
        let scale = at[width];
        gradient.fill(0.0);
        hessian.fill(0.0);
        let empty = || vec![0.0; design.size];
        let mut scores = empty();
        let mut out = Rows { slopes: empty(), curvatures: empty(), residuals: empty() };
        let mut value = 0.0;
        for rows in design.blocks() {
            self.run.check()?;
            let len = rows.len();
            design.score(&rows, &at[..width], &mut scores[..len]);
            let (loss, slope) = self.rows(&rows, &scores, scale, &mut out);
            value += loss;
            gradient[width] += slope;
            design.add_gradient(&rows, &out.slopes[..len], &mut gradient[..width]);
            design.add_hessian(&rows, &out.curvatures[..len], Some(&out.residuals[..len]), hessian, n);
        }
        for (j, (w, l2)) in at.iter().zip(&self.penalty).enumerate() {
            value += 0.5 * l2 * w * w;
            gradient[j] += l2 * w;
            hessian[j * n + j] += l2;
        }
        if scale <= 1.000_001 * self.floor && gradient[width] > 0.0 {
            // The scale stays at its floor.
            gradient[width] = 0.0;
            hessian[width * n..].fill(0.0);
            hessian[width * n + width] = 1.0;
        }
        Ok(if value.is_nan() { f64::INFINITY } else { value })
    }

    fn slope(&self, _: &[f64], gradient: &[f64]) -> f64 {
        let width = self.design.width;
        self.design.largest_slope(&gradient[..width]).max(gradient[width].abs())
    }

    /// Down to the floor of the scale.
    fn longest_step(&self, at: &[f64], direction: &[f64]) -> f64 {
        let width = self.design.width;
        let least = self.floor.min(at[width]);
        if direction[width] < 0.0 { (at[width] - least) / -direction[width] } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's solver stops short of these: its values are 3.7553 and 4.0220, the optima's 3.7538 and 4.0122.
    #[test]
    fn where_the_scale_falls_to_zero_the_absolute_loss_is_minimised() {
        let rows = [1.0, 2.0, 2.0, 1.0, 3.0, 5.0, 4.0, 3.0, 5.0, 8.0];
        let data = Dataset::from_rows(&rows, 2).and_then(|d| d.with_target(vec![8.0, 7.0, 19.0, 17.0, 31.0]));
        let data = data.expect("five rows");
        for (epsilon, expected) in
            [(1.0, [32.0 / 13.0, 30.0 / 13.0, 3.0 / 13.0]), (1.1, [18.0 / 7.0, 16.0 / 7.0, -1.0 / 7.0])]
        {
            let params = HuberParams { epsilon, alpha: 0.1, ..HuberParams::default() };
            let model = Huber::fit(&params, &data, Task::Regression, &Run::new()).expect("fits");
            let found = [model.coef(), model.intercept()].concat();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-8), "{epsilon}: {found:?}");
        }
    }
}
