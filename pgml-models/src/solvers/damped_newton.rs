//! Newton's method for a function that curves upwards, with damping where it is flat.

use pgml_core::{Result, Run};

use super::cholesky;
use super::kernels::dot;

/// A function with first and second derivatives.
pub trait Curved {
    /// How many parameters it has.
    fn n_params(&self) -> usize;
    /// The value at `at`, with the gradient and the lower triangle of the second derivatives (row-major). Infinite where
    /// there is none.
    ///
    /// # Errors
    /// When the run was cancelled.
    fn evaluate(&self, at: &[f64], gradient: &mut [f64], hessian: &mut [f64]) -> Result<f64>;
    /// The measure of optimality that must fall to the tolerance.
    fn slope(&self, at: &[f64], gradient: &[f64]) -> f64;
    /// The longest step in `direction` that stays where there are values.
    fn longest_step(&self, _at: &[f64], _direction: &[f64]) -> f64 {
        1.0
    }
}

/// Value, gradient and second derivatives at a point.
struct Point {
    at: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl Point {
    fn new(function: &impl Curved, at: Vec<f64>) -> Result<Self> {
        let n = at.len();
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let value = function.evaluate(&at, &mut gradient, &mut hessian)?;
        Ok(Self { at, value, gradient, hessian })
    }
}

/// Minimises `function` from `at` on; true when its slope fell to `tol` within `max_iter` steps, or when floating point
/// allows no better value. One more step follows then: convergence is quadratic.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn minimise(function: &impl Curved, at: &mut Vec<f64>, tol: f64, max_iter: usize, run: &Run) -> Result<bool> {
    let n = function.n_params();
    let _memory = run.reserve(32 * (n * n) as u64, "the matrix of second derivatives")?;
    let mut here = Point::new(function, std::mem::take(at))?;
    let mut converged = false;
    for iteration in 0..max_iter {
        run.check()?;
        run.progress("training", iteration as u64, max_iter as u64);
        let last = function.slope(&here.at, &here.gradient) <= tol;
        match advance(function, &here, run)? {
            Some(next) => here = next,
            None => {
                converged = true;
                break;
            }
        }
        if last {
            converged = true;
            break;
        }
    }
    converged |= function.slope(&here.at, &here.gradient) <= tol;
    *at = here.at;
    Ok(converged)
}

/// Shares of the largest curvature that are added to all, until a step gets on: Newton's method first, and almost steepest
/// descent last, where second derivatives change too quickly to be followed.
const DAMPINGS: [f64; 5] = [0.0, 1e-6, 1e-3, 1.0, 1e3];

/// A better point, if there is one.
fn advance(function: &impl Curved, here: &Point, run: &Run) -> Result<Option<Point>> {
    for damping in DAMPINGS {
        let direction = direction(here, damping, run)?;
        if dot(&here.gradient, &direction).abs() <= noise(here) {
            return step(function, here, &direction);
        }
        if let Some(next) = step(function, here, &direction)? {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// Differences of values below this are rounding.
fn noise(here: &Point) -> f64 {
    1e-15 * here.value.abs()
}

/// `−H⁻¹ g`, the diagonal raised until `H` is positive definite.
fn direction(here: &Point, mut damping: f64, run: &Run) -> Result<Vec<f64>> {
    let n = here.gradient.len();
    let largest = (0..n).map(|j| here.hessian[j * n + j]).fold(f64::MIN_POSITIVE, f64::max);
    loop {
        let mut factor = here.hessian.clone();
        (0..n).for_each(|j| factor[j * n + j] += damping * largest);
        let mut direction: Vec<f64> = here.gradient.iter().map(|g| -g).collect();
        if cholesky::factor(&mut factor, n, run)? {
            cholesky::solve(&factor, n, &mut direction);
            return Ok(direction);
        }
        if damping > 1e3 {
            return Ok(direction.iter().map(|g| g / largest).collect());
        }
        damping = if damping == 0.0 { 1e-12 } else { damping * 100.0 };
    }
}

/// The first of the halved steps that lowers the value enough (Armijo); none where none does, or rounding hides the gain.
fn step(function: &impl Curved, here: &Point, direction: &[f64]) -> Result<Option<Point>> {
    let promised = dot(&here.gradient, direction);
    let mut length = function.longest_step(&here.at, direction).min(1.0);
    if length <= 0.0 {
        return Ok(None);
    }
    for _ in 0..20 {
        let at = here.at.iter().zip(direction).map(|(w, d)| w + length * d).collect();
        let next = Point::new(function, at)?;
        if next.value - here.value <= 1e-4 * length * promised + noise(here) {
            let flatter = function.slope(&next.at, &next.gradient) < function.slope(&here.at, &here.gradient);
            return Ok((flatter || promised.abs() > noise(here)).then_some(next));
        }
        length *= 0.5;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x⁴ + (y − 1)² + ln cosh z`: flat at its minimum, and far from quadratic away from it.
    struct Bowl;

    impl Curved for Bowl {
        fn n_params(&self) -> usize {
            3
        }
        fn evaluate(&self, at: &[f64], gradient: &mut [f64], hessian: &mut [f64]) -> Result<f64> {
            let (x, y, z) = (at[0], at[1] - 1.0, at[2]);
            gradient.copy_from_slice(&[4.0 * x.powi(3), 2.0 * y, z.tanh()]);
            hessian.fill(0.0);
            (hessian[0], hessian[4], hessian[8]) = (12.0 * x * x, 2.0, 1.0 - z.tanh().powi(2));
            Ok(x.powi(4) + y * y + z.cosh().ln())
        }
        fn slope(&self, _: &[f64], gradient: &[f64]) -> f64 {
            gradient.iter().fold(0.0, |a, g| a.max(g.abs()))
        }
    }

    #[test]
    fn the_bottom_is_reached_from_afar() {
        let mut at = vec![3.0, -20.0, 4.0];
        assert_eq!(minimise(&Bowl, &mut at, 1e-10, 100, &Run::new()), Ok(true));
        assert!(at[0].abs() < 1e-3 && (at[1] - 1.0).abs() < 1e-12 && at[2].abs() < 1e-9, "{at:?}");
    }
}
