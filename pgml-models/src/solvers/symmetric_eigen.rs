//! Eigenvalues and eigenvectors of a symmetric matrix: Householder tridiagonalisation, then the implicit QL method
//! (Golub and Van Loan, 8.3; Bowdler, Martin, Reinsch, Wilkinson 1968).

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot, norm, rotate};

/// Eigenvalues, descending, and their vectors, one row of `n` each.
#[derive(Debug, Clone)]
pub struct Eigen {
    /// Eigenvalues, descending.
    pub values: Vec<f64>,
    /// Row `k` is the unit vector of value `k`.
    pub vectors: Vec<f64>,
}

/// Decomposes the symmetric row-major `n × n` matrix `a`.
///
/// # Errors
/// When the run was cancelled.
pub fn symmetric_eigen(a: Vec<f64>, n: usize, run: &Run) -> Result<Eigen> {
    let (mut diagonal, mut off, mut vectors) = tridiagonal(a, n, run)?;
    implicit_ql(&mut diagonal, &mut off, &mut vectors, n, run)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
    Ok(Eigen {
        values: order.iter().map(|&k| diagonal[k]).collect(),
        vectors: order.iter().flat_map(|&k| vectors[k * n..(k + 1) * n].iter().copied()).collect(),
    })
}

/// `A = Qᵀ T Q`: diagonal and off-diagonal of `T`, and `Q` row by row.
fn tridiagonal(mut a: Vec<f64>, n: usize, run: &Run) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let mut off = vec![0.0; n];
    let mut reflectors: Vec<(usize, f64)> = Vec::new();
    // Row k beyond the diagonal becomes its reflector's vector once the column is reduced.
    for k in 0..n.saturating_sub(2) {
        run.check()?;
        let x = &a[k * n + k + 1..(k + 1) * n];
        let length = norm(x);
        let tail = norm(&x[1..]);
        if tail == 0.0 {
            off[k] = x[0];
            continue;
        }
        let beta = -x[0].signum() * length;
        let mut v = x.to_vec();
        v[0] -= beta;
        let tau = 2.0 / dot(&v, &v);
        off[k] = beta;
        reflect_both_sides(&mut a, n, k + 1, &v, tau);
        a[k * n + k + 1..(k + 1) * n].copy_from_slice(&v);
        reflectors.push((k, tau));
    }
    if n > 1 {
        off[n - 2] = a[(n - 2) * n + n - 1];
    }
    let diagonal = (0..n).map(|k| a[k * n + k]).collect();
    Ok((diagonal, off, accumulate(&a, &reflectors, n, run)?))
}

/// `A ← H A H` on the square from `first` on, with `H = 1 − τ v vᵀ`.
fn reflect_both_sides(a: &mut [f64], n: usize, first: usize, v: &[f64], tau: f64) {
    let row = |i: usize| i * n + first..(i + 1) * n;
    let mut p: Vec<f64> = (first..n).map(|i| tau * dot(&a[row(i)], v)).collect();
    let half = 0.5 * tau * dot(&p, v);
    axpy(-half, v, &mut p);
    for (i, (vi, pi)) in (first..n).zip(v.iter().zip(&p.clone())) {
        let cells = &mut a[row(i)];
        axpy(-vi, &p, cells);
        axpy(-pi, v, cells);
    }
}

/// The product of the reflectors, transposed: its rows are what `T`'s basis vectors are in `A`'s space.
fn accumulate(a: &[f64], reflectors: &[(usize, f64)], n: usize, run: &Run) -> Result<Vec<f64>> {
    let mut q = vec![0.0; n * n];
    (0..n).for_each(|k| q[k * n + k] = 1.0);
    for &(k, tau) in reflectors.iter().rev() {
        run.check()?;
        let v = &a[k * n + k + 1..(k + 1) * n];
        // Rows before k + 1 are still those of the identity and have nothing there.
        for row in q.chunks_exact_mut(n).skip(k + 1) {
            let cells = &mut row[k + 1..];
            let projection = tau * dot(cells, v);
            axpy(-projection, v, cells);
        }
    }
    Ok(q)
}

/// Diagonalises the tridiagonal matrix by rotations, which turn `vectors`' rows along.
fn implicit_ql(diagonal: &mut [f64], off: &mut [f64], vectors: &mut [f64], n: usize, run: &Run) -> Result<()> {
    for low in 0..n {
        // QL needs fewer than two iterations per value on average; 100 is never reached by finite numbers.
        for _ in 0..100 {
            run.check()?;
            let small = |k: &usize| off[*k].abs() <= f64::EPSILON * (diagonal[*k].abs() + diagonal[*k + 1].abs());
            let high = (low..n - 1).find(small).unwrap_or(n - 1);
            if high == low {
                break;
            }
            chase(diagonal, off, vectors, n, low, high);
        }
    }
    Ok(())
}

/// One implicit QL step with Wilkinson's shift on rows `low..=high`.
fn chase(diagonal: &mut [f64], off: &mut [f64], vectors: &mut [f64], n: usize, low: usize, high: usize) {
    let half = (diagonal[low + 1] - diagonal[low]) / (2.0 * off[low]);
    let mut g = diagonal[high] - diagonal[low] + off[low] / (half + half.hypot(1.0).copysign(half));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (low..high).rev() {
        let (f, b) = (s * off[i], c * off[i]);
        let r = f.hypot(g);
        off[i + 1] = r;
        if r == 0.0 {
            diagonal[i + 1] -= p;
            off[high] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = diagonal[i + 1] - p;
        let r = (diagonal[i] - g) * s + 2.0 * c * b;
        p = s * r;
        diagonal[i + 1] = g + p;
        g = c * r - b;
        let (left, right) = vectors.split_at_mut((i + 1) * n);
        rotate(&mut left[i * n..], &mut right[..n], c, s);
    }
    diagonal[low] -= p;
    off[low] = g;
    off[high] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &[f64], n: usize) {
        let Eigen { values, vectors } = symmetric_eigen(a.to_vec(), n, &Run::new()).expect("not cancelled");
        let scale = norm(a).max(1e-300);
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        for k in 0..n {
            let v = &vectors[k * n..(k + 1) * n];
            for i in 0..n {
                let product = dot(&a[i * n..(i + 1) * n], v);
                assert!((product - values[k] * v[i]).abs() < 1e-13 * scale, "{n}: value {k}, row {i}");
            }
            for l in 0..n {
                let expected = f64::from(u8::from(k == l));
                assert!((dot(v, &vectors[l * n..(l + 1) * n]) - expected).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn vectors_are_orthonormal_and_only_stretched() {
        let mut rng = Run::new().with_seed(4).rng(0);
        for n in [1, 2, 3, 10, 40] {
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    a[i * n + j] = rng.f64() - 0.5;
                    a[j * n + i] = a[i * n + j];
                }
            }
            check(&a, n);
        }
    }

    #[test]
    fn zero_diagonal_and_equal_values_are_no_trouble() {
        check(&[0.0; 16], 4);
        check(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 5.0], 3);
        check(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 3);
    }
}
