//! Cholesky factorisation of a symmetric positive definite matrix, and its solves.

use std::ops::Range;

use pgml_core::{Result, Run};

use super::kernel_matrix::mirror;
use super::kernels::{axpy, dot};
use super::product::{Left, Panels, add_product};
use super::triangular::{BLOCK, divide_rows, forward_block};

/// Rows between two looks at the run.
const ROWS: usize = 64;
/// Terms of the inverse's sums that are added at once.
const TERMS: usize = 256;

/// Factors the row-major `n × n` matrix `a` in place into `L Lᵀ` (lower triangle); false when it is not positive
/// definite in floating point. The upper triangle is left as it is.
///
/// # Errors
/// When the run was cancelled.
pub fn factor(a: &mut [f64], n: usize, run: &Run) -> Result<bool> {
    // The diagonal as it was, in comparison with which a pivot may be lost to rounding.
    let diagonal: Vec<f64> = a.iter().step_by(n + 1).copied().collect();
    for first in (0..n).step_by(BLOCK) {
        run.check()?;
        let last = (first + BLOCK).min(n);
        subtract_products(a, n, first..last, run)?;
        if !factor_corner(&mut a[first * n + first..], n, &diagonal[first..last]) {
            return Ok(false);
        }
        let (corner, below) = a.split_at_mut(last * n);
        for rows in below.chunks_mut(ROWS * n) {
            run.check()?;
            divide_rows(&corner[first * n + first..], n, rows, first..last);
        }
    }
    Ok(true)
}

/// Subtracts from some columns, on and below the diagonal, the products of what lies left of them.
fn subtract_products(a: &mut [f64], n: usize, columns: Range<usize>, run: &Run) -> Result<()> {
    let (first, width) = (columns.start, columns.len());
    if first == 0 {
        return Ok(());
    }
    let left = a[first * n..columns.end * n].chunks_exact(n).flat_map(|row| &row[..first]);
    let panels = Panels::pack_transposed(&left.copied().collect::<Vec<f64>>(), first);
    let mut products = Vec::new();
    for row in (first..n).step_by(ROWS) {
        run.check()?;
        let rows = row..n.min(row + ROWS);
        products.clear();
        products.resize(rows.len() * width, 0.0);
        add_product(Left::within(&a[row * n..], n, rows.len()), &panels, &mut products);
        for (i, products) in rows.zip(products.chunks_exact(width)) {
            let cells = &mut a[i * n + first..i * n + columns.end.min(i + 1)];
            cells.iter_mut().zip(products).for_each(|(cell, product)| *cell -= product);
        }
    }
    Ok(())
}

/// Factors the upper left corner of a matrix whose rows lie `stride` apart: as many rows as `diagonal` is long, which is
/// what the pivots are compared with.
fn factor_corner(a: &mut [f64], stride: usize, diagonal: &[f64]) -> bool {
    for (i, whole) in diagonal.iter().enumerate() {
        let (above, row) = a.split_at_mut(i * stride);
        for j in 0..i {
            let other = &above[j * stride..=j * stride + j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        // A pivot lost to rounding is no pivot.
        if pivot.is_nan() || pivot <= whole.abs() * f64::EPSILON * 4.0 {
            return false;
        }
        row[i] = pivot.sqrt();
    }
    true
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

/// The inverse of `L Lᵀ`, row-major.
///
/// # Errors
/// When the run was cancelled.
pub fn inverse(l: &[f64], n: usize, run: &Run) -> Result<Vec<f64>> {
    let root = inverse_root(l, n, run)?;
    let mut out = vec![0.0; n * n];
    for first in (0..n).step_by(BLOCK) {
        let last = (first + BLOCK).min(n);
        let mut sums = vec![0.0; (last - first) * last];
        for row in (first..n).step_by(TERMS) {
            run.check()?;
            let panels = Panels::pack_within(&root[row * n..], n, TERMS.min(n - row), last);
            add_product(Left::transposed_within(&root[row * n + first..], n, last - first), &panels, &mut sums);
        }
        for (to, from) in out[first * n..].chunks_exact_mut(n).zip(sums.chunks_exact(last)) {
            to[..last].copy_from_slice(from);
        }
    }
    mirror(&mut out, n, run)?;
    Ok(out)
}

/// `L⁻¹`, row-major.
fn inverse_root(l: &[f64], n: usize, run: &Run) -> Result<Vec<f64>> {
    let mut root = vec![0.0; n * n];
    let mut columns = Vec::new();
    for first in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - first);
        columns.clear();
        columns.resize((n - first) * width, 0.0);
        columns.iter_mut().step_by(width + 1).take(width).for_each(|x| *x = 1.0);
        forward_block(&l[first * n + first..], n, &mut columns, width, run)?;
        for (to, from) in root[first * n..].chunks_exact_mut(n).zip(columns.chunks_exact(width)) {
            to[first..first + width].copy_from_slice(from);
        }
    }
    Ok(root)
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
        let inverse = inverse(&a, 2, &run).expect("not cancelled");
        let expected = [5.0 / 16.0, -0.125, -0.125, 0.25];
        assert!(inverse.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-15), "{inverse:?}");
        assert_eq!(factor(&mut [1.0, 1.0, 1.0, 1.0], 2, &run), Ok(false));
    }

    #[test]
    fn large_matrices_are_factored_and_inverted_by_blocks_and_keep_their_upper_triangle() {
        let run = Run::new().with_seed(2);
        let mut rng = run.rng(0);
        for n in [31, 64, 65, 173] {
            let root: Vec<f64> = (0..n * n).map(|_| rng.f64() - 0.5).collect();
            let cell = |i: usize, j: usize| {
                dot(&root[i * n..(i + 1) * n], &root[j * n..(j + 1) * n]) + f64::from(u8::from(i == j))
            };
            let a: Vec<f64> = (0..n * n).map(|at| cell(at / n, at % n)).collect();
            let mut l = a.clone();
            assert_eq!(factor(&mut l, n, &run), Ok(true));
            for i in 0..n {
                for j in 0..n {
                    let product = dot(&l[i * n..=i * n + i.min(j)], &l[j * n..=j * n + i.min(j)]);
                    assert!((product - a[i * n + j]).abs() < 1e-12, "{n}: {i}, {j}");
                    assert!(j <= i || l[i * n + j] == a[i * n + j], "{n}: {i}, {j}");
                }
            }
            let inverse = inverse(&l, n, &run).expect("not cancelled");
            for i in 0..n {
                for j in 0..n {
                    let product = dot(&inverse[i * n..(i + 1) * n], &a[j * n..(j + 1) * n]);
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-11, "{n}: {i}, {j}");
                }
            }
        }
    }
}
