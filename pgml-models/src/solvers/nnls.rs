//! Least squares with non-negative coefficients (Lawson and Hanson 1974, chapter 23).

use pgml_core::{Result, Run};

use super::cholesky;
use super::kernels::{axpy, dot};

/// The `x ≥ 0` that minimises `‖A x − b‖²` for the column-major `m × n` matrix `a`. The active set only needs normal
/// equations of the columns in use.
///
/// # Errors
/// When the run was cancelled.
pub fn nnls(a: &[f64], m: usize, n: usize, b: &[f64], run: &Run) -> Result<Vec<f64>> {
    let column = |j: usize| &a[j * m..(j + 1) * m];
    let mut x = vec![0.0; n];
    let mut passive = vec![false; n];
    let mut residual = b.to_vec();
    // Each pass moves one coefficient off its bound; 3 n passes are the customary limit.
    for _ in 0..3 * n {
        run.check()?;
        let tolerance = 10.0 * f64::EPSILON * dot(b, b).sqrt();
        let gain = |j: usize| dot(column(j), &residual) / dot(column(j), column(j)).sqrt().max(f64::MIN_POSITIVE);
        let best = (0..n).filter(|j| !passive[*j]).map(|j| (gain(j), j)).max_by(|p, q| p.0.total_cmp(&q.0));
        let Some((_, entering)) = best.filter(|(gain, _)| *gain > tolerance) else { break };
        passive[entering] = true;
        let dependent = !settle(a, m, b, &mut x, &mut passive, entering, run)?;
        residual.copy_from_slice(b);
        (0..n).for_each(|j| axpy(-x[j], column(j), &mut residual));
        if dependent {
            break;
        }
    }
    Ok(x)
}

/// Moves to the least squares solution over the passive columns, dropping those that would turn negative; false when
/// the `entering` column depends on the others and cannot improve the fit.
fn settle(
    a: &[f64],
    m: usize,
    b: &[f64],
    x: &mut [f64],
    passive: &mut [bool],
    entering: usize,
    run: &Run,
) -> Result<bool> {
    loop {
        let used: Vec<usize> = (0..x.len()).filter(|j| passive[*j]).collect();
        let Some(target) = solve_columns(a, m, b, &used, run)? else {
            passive[entering] = false;
            return Ok(false);
        };
        let blocked = used.iter().zip(&target).filter(|(_, t)| **t <= 0.0);
        let step = blocked.map(|(&j, t)| x[j] / (x[j] - t)).fold(f64::INFINITY, f64::min);
        if step == f64::INFINITY {
            used.iter().zip(&target).for_each(|(&j, t)| x[j] = *t);
            return Ok(true);
        }
        let step = if step.is_finite() { step } else { 0.0 };
        for (&j, t) in used.iter().zip(&target) {
            let at_bound = *t <= 0.0 && x[j] / (x[j] - t) <= step;
            x[j] += step * (t - x[j]);
            if at_bound || x[j] <= 0.0 {
                x[j] = 0.0;
                passive[j] = false;
            }
        }
        if !passive.contains(&true) {
            return Ok(true);
        }
    }
}

/// Least squares over the columns `used`, with one step of iterative refinement; `None` when they are dependent.
fn solve_columns(a: &[f64], m: usize, b: &[f64], used: &[usize], run: &Run) -> Result<Option<Vec<f64>>> {
    let column = |j: usize| &a[j * m..(j + 1) * m];
    let k = used.len();
    let mut gram: Vec<f64> = Vec::with_capacity(k * k);
    for &i in used {
        gram.extend(used.iter().map(|&j| dot(column(i), column(j))));
    }
    if !cholesky::factor(&mut gram, k, run)? {
        return Ok(None);
    }
    let mut x = vec![0.0; k];
    for _ in 0..2 {
        let mut residual = b.to_vec();
        used.iter().zip(&x).for_each(|(&j, x)| axpy(-x, column(j), &mut residual));
        let mut correction: Vec<f64> = used.iter().map(|&j| dot(column(j), &residual)).collect();
        cholesky::solve(&gram, k, &mut correction);
        axpy(1.0, &correction, &mut x);
    }
    Ok(Some(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coefficient_that_would_be_negative_stays_at_zero() {
        // Unconstrained solution of the identity is b itself.
        let x = nnls(&[1.0, 0.0, 0.0, 1.0], 2, 2, &[2.0, -3.0], &Run::new()).expect("not cancelled");
        assert_eq!(x, [2.0, 0.0]);
    }

    #[test]
    fn the_solution_meets_the_optimality_conditions() {
        let (m, n) = (30, 8);
        let mut rng = Run::new().with_seed(3).rng(0);
        let a: Vec<f64> = (0..m * n).map(|_| rng.f64() - 0.3).collect();
        let b: Vec<f64> = (0..m).map(|_| rng.f64() - 0.5).collect();
        let x = nnls(&a, m, n, &b, &Run::new()).expect("not cancelled");
        let mut residual = b;
        (0..n).for_each(|j| axpy(-x[j], &a[j * m..(j + 1) * m], &mut residual));
        for j in 0..n {
            let gradient = dot(&a[j * m..(j + 1) * m], &residual);
            assert!(x[j] >= 0.0);
            assert!(if x[j] > 0.0 { gradient.abs() < 1e-12 } else { gradient < 1e-12 }, "{j}: {} {gradient}", x[j]);
        }
    }
}
