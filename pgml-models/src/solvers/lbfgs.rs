//! Limited-memory BFGS (Nocedal 1980) with a bracketing line search for the weak Wolfe conditions (Lewis, Overton 2013).

use std::collections::VecDeque;

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot};

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 10;

/// Differences of values below this share of them are rounding.
const NOISE: f64 = 4.0 * f64::EPSILON;

/// A smooth function to minimise.
pub trait Smooth {
    /// The value at `at`, its gradient written into `gradient`.
    ///
    /// # Errors
    /// When the run was cancelled.
    fn evaluate(&self, at: &[f64], gradient: &mut [f64]) -> Result<f64>;
    /// The measure of optimality that must fall to the tolerance.
    fn slope(&self, at: &[f64], gradient: &[f64]) -> f64;
}

/// Minimises `function` from `at` on; true when its slope fell to `tol` within `max_iter` iterations, or when floating
/// point allows no better value.
///
/// # Errors
/// When the run was cancelled.
pub fn minimise(function: &impl Smooth, at: &mut Vec<f64>, tol: f64, max_iter: usize, run: &Run) -> Result<bool> {
    let mut gradient = vec![0.0; at.len()];
    let mut value = function.evaluate(at, &mut gradient)?;
    let mut history: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    let (mut flattest, mut without_progress) = (f64::INFINITY, 0);
    for iteration in 0..max_iter {
        let slope = function.slope(at, &gradient);
        if slope <= tol {
            return Ok(true);
        }
        without_progress = if slope < 0.9 * flattest { 0 } else { without_progress + 1 };
        flattest = flattest.min(slope);
        run.check()?;
        run.progress("training", iteration as u64, max_iter as u64);
        let mut direction = two_loops(&history, &gradient);
        if dot(&direction, &gradient) >= 0.0 {
            history.clear();
            direction = gradient.iter().map(|g| -g).collect();
        }
        let first = if history.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let Some((next, next_value, next_gradient)) = search(function, at, value, &gradient, &direction, first)? else {
            if history.is_empty() {
                return Ok(true);
            }
            history.clear();
            continue;
        };
        if value - next_value > NOISE * value.abs() {
            without_progress = 0;
        } else if without_progress > 20 {
            return Ok(true);
        }
        let step: Vec<f64> = next.iter().zip(at.iter()).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&step, &change) > f64::EPSILON * dot(&change, &change) {
            history.push_back((step, change));
            if history.len() > MEMORY {
                history.pop_front();
            }
        }
        (*at, value, gradient) = (next, next_value, next_gradient);
    }
    Ok(function.slope(at, &gradient) <= tol)
}

/// The remembered inverse Hessian times the negative gradient.
fn two_loops(history: &VecDeque<(Vec<f64>, Vec<f64>)>, gradient: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(history.len());
    for (s, y) in history.iter().rev() {
        let alpha = dot(s, &q) / dot(s, y);
        axpy(-alpha, y, &mut q);
        alphas.push(alpha);
    }
    if let Some((s, y)) = history.back() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|x| *x *= scale);
    }
    for ((s, y), alpha) in history.iter().zip(alphas.iter().rev()) {
        let beta = dot(y, &q) / dot(s, y);
        axpy(alpha - beta, s, &mut q);
    }
    q
}

type Point = (Vec<f64>, f64, Vec<f64>);

/// A step that lowers the value enough and flattens the slope enough; the best lower one when there is none.
fn search(
    function: &impl Smooth,
    at: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    first: f64,
) -> Result<Option<Point>> {
    let descent = dot(gradient, direction);
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, first);
    let mut best: Option<Point> = None;
    let mut slope = vec![0.0; at.len()];
    for _ in 0..50 {
        let next: Vec<f64> = at.iter().zip(direction).map(|(w, d)| w + step * d).collect();
        let next_value = function.evaluate(&next, &mut slope)?;
        let lower_enough = next_value <= value + 1e-4 * step * descent;
        let along = dot(&slope, direction);
        // Close to the optimum values differ by rounding alone, and only slopes tell (Hager, Zhang 2005).
        let flat_enough = next_value <= value + NOISE * value.abs() && along <= -0.9 * descent;
        if (lower_enough || flat_enough) && along >= 0.9 * descent {
            return Ok(Some((next, next_value, slope)));
        }
        if lower_enough {
            low = step;
            best = Some((next, next_value, slope.clone()));
        } else {
            high = step;
        }
        step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * step };
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rosenbrock;

    impl Smooth for Rosenbrock {
        fn evaluate(&self, at: &[f64], gradient: &mut [f64]) -> Result<f64> {
            let (x, y) = (at[0], at[1]);
            gradient[0] = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
            gradient[1] = 200.0 * (y - x * x);
            Ok((1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2))
        }
        fn slope(&self, _: &[f64], gradient: &[f64]) -> f64 {
            gradient[0].abs().max(gradient[1].abs())
        }
    }

    #[test]
    fn the_curved_valley_is_followed_to_its_end() {
        let mut at = vec![-1.2, 1.0];
        assert_eq!(minimise(&Rosenbrock, &mut at, 1e-10, 200, &Run::new()), Ok(true));
        assert!((at[0] - 1.0).abs() < 1e-9 && (at[1] - 1.0).abs() < 1e-9, "{at:?}");
    }
}
