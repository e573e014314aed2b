//! Newton's method for penalised logistic regression. With an L1 penalty each step's quadratic model is minimised by
//! coordinate descent (Lee, Sun, Saunders 2014; Yuan, Ho, Lin 2012).

use pgml_core::{Result, Run};

use super::cholesky;
use super::kernels::{axpy, dot};
use super::logistic::Objective;

/// Minimises `objective` from `params` on; true when its slope fell to `tol` within `max_iter` steps.
///
/// Convergence is quadratic, so one more step follows once the tolerance is met: it costs little and squares the error.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn minimise(objective: &Objective, params: &mut Vec<f64>, tol: f64, max_iter: usize, run: &Run) -> Result<bool> {
    let n = objective.n_params();
    let _memory = run.reserve(16 * (n * n) as u64, "the matrix of second derivatives")?;
    let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
    let mut smooth = objective.evaluate(params, &mut gradient, Some(&mut hessian), run)?;
    let mut converged = false;
    for iteration in 0..max_iter {
        run.progress("training", iteration as u64, max_iter as u64);
        let last = objective.slope(params, &gradient) <= tol;
        converged |= last;
        let direction = direction(objective, params, &gradient, &hessian, run)?;
        match search(objective, params, smooth, &gradient, &direction, (&mut hessian, run))? {
            Some((at, value, slope)) => (*params, smooth, gradient) = (at, value, slope),
            // No step improves the value any more: this is the optimum in floating point.
            None => return Ok(true),
        }
        if last {
            break;
        }
    }
    Ok(converged || objective.slope(params, &gradient) <= tol)
}

fn direction(objective: &Objective, params: &[f64], gradient: &[f64], hessian: &[f64], run: &Run) -> Result<Vec<f64>> {
    if objective.l1.iter().any(|l1| *l1 > 0.0) {
        return coordinate_descent(params, gradient, hessian, &objective.l1, run);
    }
    let n = gradient.len();
    let largest = (0..n).map(|j| hessian[j * n + j]).fold(f64::MIN_POSITIVE, f64::max);
    let mut damping = 0.0;
    loop {
        let mut factor = hessian.to_vec();
        (0..n).for_each(|j| factor[j * n + j] += damping * largest);
        if cholesky::factor(&mut factor, n, run)? {
            let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
            cholesky::solve(&factor, n, &mut direction);
            return Ok(direction);
        }
        if damping > 1.0 {
            // Not even a dominant diagonal helps: numbers overflowed. Downhill is all that is left.
            return Ok(gradient.iter().map(|g| -g / largest).collect());
        }
        damping = if damping == 0.0 { 1e-12 } else { damping * 100.0 };
    }
}

/// Minimises `gᵀ δ + ½ δᵀ H δ + Σ l1 |w + δ|` one coordinate at a time.
pub(super) fn coordinate_descent(
    params: &[f64],
    gradient: &[f64],
    hessian: &[f64],
    l1: &[f64],
    run: &Run,
) -> Result<Vec<f64>> {
    let n = gradient.len();
    let mut delta = vec![0.0; n];
    let mut slope = gradient.to_vec();
    let mut first = 0.0_f64;
    for sweep in 0..10_000 {
        run.check()?;
        let mut moved = 0.0_f64;
        for j in 0..n {
            let curvature = hessian[j * n + j];
            if curvature <= 0.0 {
                continue;
            }
            let (at, l1) = (params[j] + delta[j], l1[j]);
            let wanted = at - slope[j] / curvature;
            let next = wanted.signum() * (wanted.abs() - l1 / curvature).max(0.0);
            let step = next - at;
            if step != 0.0 {
                // At zero exactly: the sum of the old value and the step may miss it by rounding.
                delta[j] = if next == 0.0 { -params[j] } else { delta[j] + step };
                axpy(step, &hessian[j * n..(j + 1) * n], &mut slope);
                moved = moved.max(step * step * curvature);
            }
        }
        first = if sweep == 0 { moved } else { first };
        if moved <= 1e-20 * first || moved < 1e-300 {
            break;
        }
    }
    Ok(delta)
}

type Point = (Vec<f64>, f64, Vec<f64>);

/// The first of the steps 1, ½, ¼, … that lowers the value enough (Armijo), with its value and gradient.
fn search(
    objective: &Objective,
    params: &[f64],
    smooth: f64,
    gradient: &[f64],
    direction: &[f64],
    (hessian, run): (&mut [f64], &Run),
) -> Result<Option<Point>> {
    let penalty = objective.absolute_penalty(params);
    let full: Vec<f64> = params.iter().zip(direction).map(|(w, d)| w + d).collect();
    let promised = dot(gradient, direction) + objective.absolute_penalty(&full) - penalty;
    // Differences below this are rounding in the value.
    let noise = 1e-15 * (smooth + penalty).abs();
    let mut slope = vec![0.0; params.len()];
    let mut step = 1.0;
    for _ in 0..40 {
        let at: Vec<f64> = params.iter().zip(direction).map(|(w, d)| w + step * d).collect();
        let value = objective.evaluate(&at, &mut slope, Some(hessian), run)?;
        let change = value + objective.absolute_penalty(&at) - smooth - penalty;
        if change <= 1e-4 * step * promised + noise {
            let stuck = promised.abs() <= noise && objective.slope(&at, &slope) >= objective.slope(params, gradient);
            return Ok((!stuck).then_some((at, value, slope)));
        }
        step *= 0.5;
    }
    Ok(None)
}
