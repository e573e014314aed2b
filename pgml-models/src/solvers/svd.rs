//! Singular values by one-sided Jacobi rotations (Hestenes 1958): short, and accurate for small singular values too.

use pgml_core::{Result, Run};

use super::kernels::{dot, norm, rotate};

/// `A = U · diag(s) · Vᵀ` of an `m × n` matrix with `m ≥ n`, singular values descending.
#[derive(Debug, Clone)]
pub struct Svd {
    /// Left vectors times their singular value, column after column: `m × n`.
    pub us: Vec<f64>,
    /// Singular values, descending.
    pub s: Vec<f64>,
    /// Right vectors, column after column: `n × n`.
    pub v: Vec<f64>,
}

/// Decomposes the column-major `m × n` matrix `a`, `m ≥ n`.
///
/// # Errors
/// When the run was cancelled.
pub fn svd(mut a: Vec<f64>, m: usize, n: usize, run: &Run) -> Result<Svd> {
    debug_assert!(m >= n && a.len() == m * n, "{m} × {n} matrix in {} values", a.len());
    let mut v = vec![0.0; n * n];
    for j in 0..n {
        v[j * n + j] = 1.0;
    }
    // Quadratic convergence takes 5–10 sweeps; 60 is far beyond any matrix of finite numbers.
    for _ in 0..60 {
        if !sweep(&mut a, &mut v, m, n, run)? {
            break;
        }
    }
    Ok(sorted(&a, &v, m, n))
}

/// Turns every pair of columns until orthogonal; false when all were already.
fn sweep(a: &mut [f64], v: &mut [f64], m: usize, n: usize, run: &Run) -> Result<bool> {
    let mut turned = false;
    let mut squares: Vec<f64> = a.chunks_exact(m.max(1)).map(|c| dot(c, c)).collect();
    for p in 0..n {
        run.check()?;
        for q in p + 1..n {
            let (left, right) = a.split_at_mut(q * m);
            let (ap, aq) = (&mut left[p * m..(p + 1) * m], &mut right[..m]);
            let pq = dot(ap, aq);
            if pq == 0.0 || pq.abs() <= 4.0 * f64::EPSILON * (squares[p] * squares[q]).sqrt() {
                continue;
            }
            turned = true;
            let (c, s) = rotation(squares[p], squares[q], pq);
            rotate(ap, aq, c, s);
            // Updating the squares by `± t · pq` would drift for columns that shrink to nothing.
            squares[p] = dot(ap, ap);
            squares[q] = dot(aq, aq);
            let (left, right) = v.split_at_mut(q * n);
            rotate(&mut left[p * n..(p + 1) * n], &mut right[..n], c, s);
        }
    }
    Ok(turned)
}

/// Cosine and sine of the rotation that makes two columns orthogonal (Golub and Van Loan, 8.5.2).
fn rotation(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    let zeta = (qq - pp) / (2.0 * pq);
    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    (c, c * t)
}

fn sorted(a: &[f64], v: &[f64], m: usize, n: usize) -> Svd {
    let norms: Vec<f64> = a.chunks_exact(m.max(1)).map(norm).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| norms[j].total_cmp(&norms[i]));
    let gather = |from: &[f64], len: usize| -> Vec<f64> {
        order.iter().flat_map(|&j| from[j * len..(j + 1) * len].iter().copied()).collect()
    };
    Svd { us: gather(a, m), s: order.iter().map(|&j| norms[j]).collect(), v: gather(v, n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_multiply_back_and_are_orthogonal() {
        let (m, n) = (5, 3);
        let mut rng = Run::new().with_seed(1).rng(0);
        let mut a: Vec<f64> = (0..m * n).map(|_| rng.f64() - 0.5).collect();
        // The third column repeats the first: rank 2.
        let first = a[..m].to_vec();
        a[2 * m..].copy_from_slice(&first);
        let Svd { us, s, v } = svd(a.clone(), m, n, &Run::new()).expect("not cancelled");
        assert!(s[0] >= s[1] && s[1] > 0.1 && s[2] < 1e-15, "{s:?}");
        for i in 0..m {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| us[k * m + i] * v[k * n + j]).sum();
                assert!((product - a[j * m + i]).abs() < 1e-14);
            }
        }
        for j in 0..n {
            for k in 0..n {
                let expected = f64::from(u8::from(j == k));
                assert!((dot(&v[j * n..(j + 1) * n], &v[k * n..(k + 1) * n]) - expected).abs() < 1e-14);
            }
        }
    }
}
