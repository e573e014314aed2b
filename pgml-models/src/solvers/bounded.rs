//! Minimises smooth functions of few variables between bounds: BFGS on the variables that no bound holds (Bertsekas 1982).

use pgml_core::{Result, Run};

use super::kernels::dot;

/// The value and the gradient at a point; `None` where the function has no value.
pub type Value = Option<(f64, Vec<f64>)>;

/// Decrease of the value, relative to it, below which it is rounding.
const NOISE: f64 = 1e-14;
/// Difference of two values, relative to them, that rounding may make.
const ROUNDING: f64 = 1e-12;

/// The best point found from `start` on and its value, where every variable stays within its bounds; `None` when there is no
/// value at the start. It ends when no free slope exceeds `tol`, or nothing better is found.
///
/// # Errors
/// Those of `evaluate`, and when the run was cancelled.
pub fn minimise(
    start: &[f64],
    bounds: &[(f64, f64)],
    tol: f64,
    max_iter: usize,
    run: &Run,
    mut evaluate: impl FnMut(&[f64]) -> Result<Value>,
) -> Result<Option<(Vec<f64>, f64)>> {
    let n = start.len();
    let inside = |x: Vec<f64>| x.iter().zip(bounds).map(|(x, (low, high))| x.clamp(*low, *high)).collect::<Vec<f64>>();
    let mut at = inside(start.to_vec());
    let Some((mut value, mut gradient)) = evaluate(&at)? else { return Ok(None) };
    let mut inverse = identity(n);
    let mut free_before: Vec<bool> = Vec::new();
    let mut fresh = true;
    for _ in 0..max_iter {
        run.check()?;
        let held = |j: usize| {
            let (low, high) = bounds[j];
            (at[j] <= low && gradient[j] > 0.0) || (at[j] >= high && gradient[j] < 0.0)
        };
        let free: Vec<bool> = (0..n).map(|j| !held(j)).collect();
        let steepest = steepness(&gradient, &free);
        if steepest <= tol {
            break;
        }
        if free != free_before {
            (inverse, fresh) = (identity(n), true);
            free_before.clone_from(&free);
        }
        let masked: Vec<f64> = (0..n).map(|j| if free[j] { gradient[j] } else { 0.0 }).collect();
        let mut direction: Vec<f64> =
            (0..n).map(|j| if free[j] { -dot(&inverse[j * n..(j + 1) * n], &masked) } else { 0.0 }).collect();
        if dot(&direction, &masked) >= 0.0 {
            (inverse, fresh) = (identity(n), true);
            direction = masked.iter().map(|g| -g).collect();
        }
        // Without curvature the first step is at most 1 long.
        let mut step = if fresh { 1.0 / dot(&masked, &masked).sqrt().max(1.0) } else { 1.0 };
        let mut found = None;
        for _ in 0..40 {
            let next = inside(at.iter().zip(&direction).map(|(x, d)| x + step * d).collect());
            let slope: f64 = next.iter().zip(&at).zip(&gradient).map(|((a, b), g)| (a - b) * g).sum();
            if let Some((next_value, next_gradient)) = evaluate(&next)? {
                let is_lower = next_value <= value + 1e-4 * slope && next_value < value;
                // Where values differ by their rounding, slopes tell which point is nearer to the minimum.
                let is_flatter = (next_value - value).abs() <= ROUNDING * value.abs()
                    && steepness(&next_gradient, &free) < 0.5 * steepest;
                if is_lower || is_flatter {
                    found = Some((next, next_value, next_gradient, is_flatter));
                    break;
                }
            }
            if slope.abs() <= NOISE * value.abs() {
                break;
            }
            step *= 0.5;
        }
        let Some((next, next_value, next_gradient, is_flatter)) = found else {
            if fresh {
                break;
            }
            (inverse, fresh) = (identity(n), true);
            continue;
        };
        let moved: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = (0..n).map(|j| if free[j] { next_gradient[j] - gradient[j] } else { 0.0 }).collect();
        update(&mut inverse, &moved, &turned, fresh);
        fresh = false;
        let gain = value - next_value;
        (at, value, gradient) = (next, next_value, next_gradient);
        if gain <= NOISE * value.abs() && !is_flatter {
            break;
        }
    }
    Ok(Some((at, value)))
}

/// The largest slope along a variable that is free.
fn steepness(gradient: &[f64], free: &[bool]) -> f64 {
    gradient.iter().zip(free).filter(|(_, free)| **free).fold(0.0, |most, (g, _)| most.max(g.abs()))
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|i| f64::from(u8::from(i % (n + 1) == 0))).collect()
}

/// The BFGS update of the inverse Hessian; the first one sets its scale.
fn update(inverse: &mut [f64], moved: &[f64], turned: &[f64], first: bool) {
    let n = moved.len();
    let curvature = dot(moved, turned);
    if curvature <= f64::EPSILON * dot(turned, turned) {
        return;
    }
    if first {
        let scale = curvature / dot(turned, turned);
        inverse.iter_mut().for_each(|x| *x *= scale);
    }
    let product: Vec<f64> = inverse.chunks_exact(n).map(|row| dot(row, turned)).collect();
    let factor = (1.0 + dot(turned, &product) / curvature) / curvature;
    for ((row, moved_i), product_i) in inverse.chunks_exact_mut(n).zip(moved).zip(&product) {
        for ((cell, moved_j), product_j) in row.iter_mut().zip(moved).zip(&product) {
            *cell += factor * moved_i * moved_j - (product_i * moved_j + moved_i * product_j) / curvature;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(at: &[f64]) -> Result<Value> {
        let (x, y) = (at[0], at[1]);
        let gradient = vec![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
        Ok(Some(((1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2), gradient)))
    }

    #[test]
    fn the_curved_valley_is_followed_to_its_end_or_to_the_bound() {
        let run = Run::new();
        let free = minimise(&[-1.2, 1.0], &[(-9.0, 9.0); 2], 1e-9, 500, &run, rosenbrock).expect("not cancelled");
        let (at, _) = free.expect("a value at the start");
        assert!((at[0] - 1.0).abs() < 1e-7 && (at[1] - 1.0).abs() < 1e-7, "{at:?}");
        let held = minimise(&[-1.2, 1.0], &[(-9.0, 0.5), (-9.0, 9.0)], 1e-9, 500, &run, rosenbrock);
        let (at, value) = held.expect("not cancelled").expect("a value at the start");
        assert!(at[0] == 0.5 && (at[1] - 0.25).abs() < 1e-9 && (value - 0.25).abs() < 1e-12, "{at:?}");
    }
}
