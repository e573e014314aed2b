//! Least squares on a handful of rows, again and again: Householder QR in place, and the singular values where that meets
//! dependent columns.

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot, norm};
use super::svd::{Svd, svd};

/// Space for problems of one shape.
#[derive(Debug, Clone)]
pub struct SmallLeastSquares {
    m: usize,
    n: usize,
    /// `m × n`, column after column; to be written before each solve.
    pub a: Vec<f64>,
    /// The right side of `m`; to be written before each solve.
    pub b: Vec<f64>,
    work: Vec<f64>,
    right: Vec<f64>,
    diagonal: Vec<f64>,
}

impl SmallLeastSquares {
    /// Space for `m` rows and `n` columns.
    #[must_use]
    pub fn new(m: usize, n: usize) -> Self {
        let zeros = |len: usize| vec![0.0; len];
        Self { m, n, a: zeros(m * n), b: zeros(m), work: zeros(m * n), right: zeros(m), diagonal: zeros(n) }
    }

    /// Writes the solution of minimum norm into `x`.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn solve(&mut self, x: &mut [f64], run: &Run) -> Result<()> {
        if self.m >= self.n && self.factor() {
            for j in (0..self.n).rev() {
                x[j] = self.right[j] / self.diagonal[j];
                axpy(-x[j], &self.work[j * self.m..j * self.m + j], &mut self.right[..j]);
            }
            return Ok(());
        }
        self.minimum_norm(x, run)
    }

    /// Reflects the columns into a triangle and the right side along; false when a column depends on those before.
    fn factor(&mut self) -> bool {
        let (m, n) = (self.m, self.n);
        self.work.copy_from_slice(&self.a);
        self.right.copy_from_slice(&self.b);
        for j in 0..n {
            let (left, rest) = self.work.split_at_mut((j + 1) * m);
            let whole = norm(&left[j * m..]);
            let v = &mut left[j * m + j..];
            let length = norm(v);
            if length <= 1e-11 * whole || length == 0.0 {
                return false;
            }
            let beta = -v[0].signum() * length;
            let tau = (beta - v[0]) / beta;
            let scale = 1.0 / (v[0] - beta);
            v[0] = 1.0;
            v[1..].iter_mut().for_each(|x| *x *= scale);
            for column in rest.chunks_exact_mut(m).chain([&mut self.right[..]]) {
                let projection = tau * dot(v, &column[j..]);
                axpy(-projection, v, &mut column[j..]);
            }
            self.diagonal[j] = beta;
        }
        true
    }

    fn minimum_norm(&self, x: &mut [f64], run: &Run) -> Result<()> {
        let (m, n) = (self.m, self.n);
        let wide = m < n;
        let Svd { us, s, v } = if wide {
            svd((0..m).flat_map(|i| (0..n).map(move |j| self.a[j * m + i])).collect(), n, m, run)?
        } else {
            svd(self.a.clone(), m, n, run)?
        };
        let cutoff = f64::EPSILON * m.max(n) as f64 * s.first().copied().unwrap_or(0.0);
        x.fill(0.0);
        for (k, s) in s.iter().enumerate().take_while(|(_, s)| **s > cutoff) {
            let long = &us[k * m.max(n)..(k + 1) * m.max(n)];
            let short = &v[k * m.min(n)..(k + 1) * m.min(n)];
            let (left, right) = if wide { (short, long) } else { (long, short) };
            axpy(dot(left, &self.b) / (s * s), right, x);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solved(m: usize, n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
        let mut problem = SmallLeastSquares::new(m, n);
        problem.a.copy_from_slice(a);
        problem.b.copy_from_slice(b);
        let mut x = vec![0.0; n];
        problem.solve(&mut x, &Run::new()).expect("not cancelled");
        x
    }

    #[test]
    fn square_tall_wide_and_dependent_systems_are_solved() {
        let close = |x: &[f64], expected: &[f64]| x.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(close(&solved(2, 2, &[2.0, 1.0, 1.0, 3.0], &[4.0, 7.0]), &[1.0, 2.0]));
        assert!(close(&solved(3, 1, &[1.0, 1.0, 1.0], &[1.0, 2.0, 6.0]), &[3.0]));
        assert!(close(&solved(1, 2, &[3.0, 4.0], &[25.0]), &[3.0, 4.0]));
        assert!(close(&solved(2, 2, &[1.0, 1.0, 1.0, 1.0], &[2.0, 4.0]), &[1.5, 1.5]));
    }
}
