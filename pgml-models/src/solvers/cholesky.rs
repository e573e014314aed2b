//! Cholesky factorisation of a symmetric positive definite matrix, and its solves.

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot};

/// Factors the row-major `n × n` matrix `a` in place into `L Lᵀ` (lower triangle); false when it is not positive
/// definite in floating point.
///
/// # Errors
/// When the run was cancelled.
pub fn factor(a: &mut [f64], n: usize, run: &Run) -> Result<bool> {
    for i in 0..n {
        run.check()?;
        let (above, row) = a.split_at_mut(i * n);
        let row = &mut row[..n];
        for j in 0..i {
            let other = &above[j * n..j * n + j + 1];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        // A pivot lost to rounding is no pivot.
        if pivot.is_nan() || pivot <= row[i].abs() * f64::EPSILON * 4.0 {
            return Ok(false);
        }
        row[i] = pivot.sqrt();
    }
    Ok(true)
}

/// Solves `L Lᵀ x = b` in place.
pub fn solve(l: &[f64], n: usize, b: &mut [f64]) {
    forward(l, n, b);
    backward(l, n, b);
}

/// Solves `L x = b` in place.
pub fn forward(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i * n..i * n + i], &b[..i])) / l[i * n + i];
    }
}

/// Solves `Lᵀ x = b` in place.
pub fn backward(l: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..n).rev() {
        b[i] /= l[i * n + i];
        let x = b[i];
        axpy(-x, &l[i * n..i * n + i], &mut b[..i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definite_system_is_solved_and_a_singular_one_refused() {
        let run = Run::new();
        let mut a = vec![4.0, 2.0, 2.0, 5.0];
        assert_eq!(factor(&mut a, 2, &run), Ok(true));
        let mut b = [10.0, 13.0];
        solve(&a, 2, &mut b);
        assert!((b[0] - 1.5).abs() < 1e-15 && (b[1] - 2.0).abs() < 1e-15, "{b:?}");
        assert_eq!(factor(&mut [1.0, 1.0, 1.0, 1.0], 2, &run), Ok(false));
    }
}
