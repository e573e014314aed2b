//! Coordinate descent for the elastic net (Friedman, Hastie, Tibshirani 2010), stopped by the duality gap as in
//! scikit-learn (Kim, Koh, Lustig, Boyd, Gorinevsky 2007).

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot};
use super::least_squares::Compressed;

/// What to minimise: `½ ‖y − X w‖² + l1 Σ|w| + l2/2 Σ w²`, and how well.
#[derive(Debug, Clone, Copy)]
pub struct Net {
    /// Strength of the L1 penalty.
    pub l1: f64,
    /// Strength of the L2 penalty.
    pub l2: f64,
    /// Whether `w ≥ 0`.
    pub positive: bool,
    /// Largest duality gap, relative to `‖y‖²`; also the relative step below which the gap is looked at.
    pub tol: f64,
    /// Most passes.
    pub max_iter: usize,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The coefficients.
    pub coef: Vec<f64>,
    /// The duality gap: an upper bound of how far the value is from the optimum.
    pub gap: f64,
    /// The gap to reach.
    pub tolerance: f64,
    /// Whether it was reached.
    pub converged: bool,
}

/// Minimises over the condensed rows of `problem`; visits coefficients at random with an `rng`, else in turn.
///
/// # Errors
/// When the run was cancelled.
pub fn minimise(
    problem: &Compressed,
    target: usize,
    net: &Net,
    mut rng: Option<&mut fastrand::Rng>,
    run: &Run,
) -> Result<Found> {
    let d = problem.d;
    let squares: Vec<f64> = (0..d).map(|j| dot(problem.column(j), problem.column(j))).collect();
    let mut coef = vec![0.0; d];
    let mut residual = problem.b[target].clone();
    let tolerance = net.tol * (dot(&residual, &residual) + problem.rest[target]);
    let mut gap = f64::INFINITY;
    let mut smallest = f64::INFINITY;
    let mut without_progress = 0;
    for iteration in 0..net.max_iter {
        run.check()?;
        let (mut largest, mut largest_step) = (0.0_f64, 0.0_f64);
        for visit in 0..d {
            let j = rng.as_mut().map_or(visit, |rng| rng.usize(0..d));
            let column = problem.column(j);
            if squares[j] == 0.0 {
                continue;
            }
            let old = coef[j];
            let pull = dot(column, &residual) + squares[j] * old;
            let pull = if net.positive { pull.max(0.0) } else { pull };
            let new = pull.signum() * (pull.abs() - net.l1).max(0.0) / (squares[j] + net.l2);
            if new != old {
                axpy(old - new, column, &mut residual);
                coef[j] = new;
            }
            largest = largest.max(new.abs());
            largest_step = largest_step.max((new - old).abs());
        }
        let settled = largest == 0.0 || largest_step <= net.tol * largest || iteration + 1 == net.max_iter;
        // Below its rounding error the gap cannot fall: it counts as zero once it has stopped falling there.
        let at_rest = largest_step <= 1e-14 * largest;
        if settled || at_rest {
            gap = duality_gap(problem, target, net, &coef, &residual);
            without_progress = if gap < 0.5 * smallest { 0 } else { without_progress + 1 };
            smallest = smallest.min(gap);
            if gap <= tolerance || (at_rest && without_progress > 2) {
                return Ok(Found { coef, gap, tolerance, converged: true });
            }
        }
    }
    Ok(Found { coef, gap, tolerance, converged: false })
}

/// Primal minus dual value at `coef`.
fn duality_gap(problem: &Compressed, target: usize, net: &Net, coef: &[f64], residual: &[f64]) -> f64 {
    let slopes = (0..problem.d).map(|j| dot(problem.column(j), residual) - net.l2 * coef[j]);
    let steepest = slopes.map(|g| if net.positive { g } else { g.abs() }).fold(0.0, f64::max);
    let rest = problem.rest[target];
    let residual_square = dot(residual, residual) + rest;
    let coef_square = dot(coef, coef);
    // The dual point is the residual, shrunk until it is feasible.
    let shrink = if steepest > net.l1 { net.l1 / steepest } else { 1.0 };
    let against = dot(residual, &problem.b[target]) + rest;
    0.5 * (1.0 + shrink * shrink) * residual_square + net.l1 * coef.iter().map(|w| w.abs()).sum::<f64>()
        - shrink * against
        + 0.5 * net.l2 * (1.0 + shrink * shrink) * coef_square
}
