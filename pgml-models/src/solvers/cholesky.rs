//! Cholesky factorisation of a symmetric positive definite matrix, and its solves.

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot, for_each_cpu};

/// Columns that are factored at once, and terms of their sums between two looks at memory: what both need stays in the
/// first-level cache.
const COLUMNS: usize = 32;
const TERMS: usize = 128;

/// Factors the row-major `n × n` matrix `a` in place into `L Lᵀ` (lower triangle); false when it is not positive
/// definite in floating point. The upper triangle is left as it is.
///
/// # Errors
/// When the run was cancelled.
pub fn factor(a: &mut [f64], n: usize, run: &Run) -> Result<bool> {
    // The diagonal as it was, in comparison with which a pivot may be lost to rounding.
    let diagonal: Vec<f64> = a.iter().step_by(n + 1).copied().collect();
    let mut panel = Vec::new();
    for first in (0..n).step_by(COLUMNS) {
        let last = (first + COLUMNS).min(n);
        if n > COLUMNS {
            panel.clear();
            panel.extend(a[first * n..last * n].chunks_exact(n).flat_map(|row| &row[..first]).copied());
            for four in (first..n).step_by(4) {
                if four % 64 == 0 {
                    run.check()?;
                }
                subtract_products(&mut a[four * n..(four + 4).min(n) * n], n, four, &panel, first);
            }
        }
        for i in first..n {
            if i % 64 == 0 {
                run.check()?;
            }
            let (above, row) = a.split_at_mut(i * n);
            let row = &mut row[..n];
            for j in first..last.min(i) {
                let other = &above[j * n..j * n + j + 1];
                row[j] = (row[j] - dot(&row[first..j], &other[first..j])) / other[j];
            }
            if i < last {
                let pivot = row[i] - dot(&row[first..i], &row[first..i]);
                // A pivot lost to rounding is no pivot.
                if pivot.is_nan() || pivot <= diagonal[i].abs() * f64::EPSILON * 4.0 {
                    return Ok(false);
                }
                row[i] = pivot.sqrt();
            }
        }
    }
    Ok(true)
}

/// Subtracts from the up to four rows of the matrix from `row` on, in columns from `first` to the diagonal, the products of
/// what lies before with each row of the `panel` (of `first` columns).
fn subtract_products(rows: &mut [f64], n: usize, row: usize, panel: &[f64], first: usize) {
    for terms in (0..first).step_by(TERMS) {
        let terms = terms..(terms + TERMS).min(first);
        for (two, panel) in panel.chunks(2 * first).enumerate() {
            let column = first + 2 * two;
            let right = |k: usize| panel.get(k * first..(k + 1) * first).map_or(&[][..], |row| &row[terms.clone()]);
            let left = |k: usize| rows.get(k * n..(k + 1) * n).map_or(&[][..], |row| &row[terms.clone()]);
            let sums = products([left(0), left(1), left(2), left(3)], [right(0), right(1)]);
            for (i, (cells, sums)) in (row..).zip(rows.chunks_exact_mut(n).zip(sums)) {
                let end = (column + panel.len() / first).min(i + 1).max(column);
                cells[column..end].iter_mut().zip(sums).for_each(|(cell, sum)| *cell -= sum);
            }
        }
    }
}

for_each_cpu! {
    /// The scalar products of four rows with two; an empty row stands for one that is not there.
    fn products(left: [&[f64]; 4], right: [&[f64]; 2]) -> [[f64; 2]; 4] {
        const LANES: usize = 4;
        let n = left[0].len();
        // A row of its own length for each that is not there keeps the loop free of questions.
        let left = left.map(|row| if row.len() == n { row } else { left[0] });
        let right = right.map(|row| if row.len() == n { row } else { right[0] });
        let mut lanes = [[[0.0; LANES]; 2]; 4];
        for at in (0..n / LANES * LANES).step_by(LANES) {
            for i in 0..4 {
                for j in 0..2 {
                    let (x, y) = (&left[i][at..at + LANES], &right[j][at..at + LANES]);
                    for l in 0..LANES {
                        lanes[i][j][l] += x[l] * y[l];
                    }
                }
            }
        }
        let mut sums = [[0.0; 2]; 4];
        for i in 0..4 {
            for j in 0..2 {
                let tail = n / LANES * LANES..n;
                let rest: f64 = left[i][tail.clone()].iter().zip(&right[j][tail]).map(|(x, y)| x * y).sum();
                let l = lanes[i][j];
                sums[i][j] = (l[0] + l[1]) + (l[2] + l[3]) + rest;
            }
        }
        sums
    }
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
    // Row j holds column j of L⁻¹, which begins at its diagonal.
    let mut columns = vec![0.0; n * n];
    for (j, column) in columns.chunks_exact_mut(n).enumerate() {
        run.check()?;
        column[j] = 1.0 / l[j * n + j];
        for i in j + 1..n {
            column[i] = -dot(&l[i * n + j..i * n + i], &column[j..i]) / l[i * n + i];
        }
    }
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        run.check()?;
        for j in 0..=i {
            let value = dot(&columns[i * n + i..(i + 1) * n], &columns[j * n + i..(j + 1) * n]);
            (out[i * n + j], out[j * n + i]) = (value, value);
        }
    }
    Ok(out)
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
    fn large_matrices_are_factored_by_blocks_and_keep_their_upper_triangle() {
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
        }
    }
}
