//! Triangular systems with many right-hand sides, which lie side by side: every step is one for several of them.

use std::ops::Range;

use pgml_core::{Result, Run};

use super::kernels::{axpy, for_each_cpu};
use super::product::{Left, Panels, add_product};

/// Unknowns that are found one by one before what they add to all others is subtracted as one product.
pub const BLOCK: usize = 64;
/// Right-hand sides that are solved for at once: as many as there are registers for.
const LANES: usize = 32;

/// Solves `L X = B` in place: `x` is row-major with `width` columns, and the rows of `l`, of which there are as many, lie
/// `stride` apart.
///
/// # Errors
/// When the run was cancelled.
pub fn forward_block(l: &[f64], stride: usize, x: &mut [f64], width: usize, run: &Run) -> Result<()> {
    let n = x.len().checked_div(width).unwrap_or(0);
    for first in (0..n).step_by(BLOCK) {
        run.check()?;
        let last = (first + BLOCK).min(n);
        let (found, rest) = x[first * width..].split_at_mut((last - first) * width);
        forward_corner(&l[first * stride + first..], stride, found, width);
        if last < n {
            let panels = Panels::pack(&found.iter().map(|x| -x).collect::<Vec<f64>>(), width);
            add_product(Left::within(&l[last * stride + first..], stride, n - last), &panels, rest);
        }
    }
    Ok(())
}

/// Solves `Lᵀ X = B` in place, of the shapes of [`forward_block`].
///
/// # Errors
/// When the run was cancelled.
pub fn backward_block(l: &[f64], stride: usize, x: &mut [f64], width: usize, run: &Run) -> Result<()> {
    let n = x.len().checked_div(width).unwrap_or(0);
    for first in (0..n).step_by(BLOCK).rev() {
        run.check()?;
        let last = (first + BLOCK).min(n);
        let (rest, found) = x[..last * width].split_at_mut(first * width);
        backward_corner(&l[first * stride + first..], stride, found, width);
        if first > 0 {
            let panels = Panels::pack(&found.iter().map(|x| -x).collect::<Vec<f64>>(), width);
            add_product(Left::transposed_within(&l[first * stride..], stride, first), &panels, rest);
        }
    }
    Ok(())
}

/// Solves `Lᵀ X = B` in place for a few unknowns.
fn backward_corner(l: &[f64], stride: usize, x: &mut [f64], width: usize) {
    for i in (0..x.len() / width).rev() {
        let (rest, own) = x.split_at_mut(i * width);
        let own = &mut own[..width];
        own.iter_mut().for_each(|x| *x /= l[i * stride + i]);
        for (factor, row) in l[i * stride..i * stride + i].iter().zip(rest.chunks_exact_mut(width)) {
            axpy(-factor, own, row);
        }
    }
}

/// Solves `X Lᵀ = B` in place for those `columns` of `rows`, which lie `stride` apart like those of `l`.
pub fn divide_rows(l: &[f64], stride: usize, rows: &mut [f64], columns: Range<usize>) {
    let mut lanes = [[0.0; LANES]; BLOCK];
    let lanes = &mut lanes[..columns.len()];
    for rows in rows.chunks_mut(LANES * stride) {
        for (lane, row) in rows.chunks_exact(stride).enumerate() {
            lanes.iter_mut().zip(&row[columns.clone()]).for_each(|(cells, x)| cells[lane] = *x);
        }
        forward_lanes(l, stride, lanes);
        for (lane, row) in rows.chunks_exact_mut(stride).enumerate() {
            lanes.iter().zip(&mut row[columns.clone()]).for_each(|(cells, x)| *x = cells[lane]);
        }
    }
}

/// Solves `L X = B` in place for at most [`BLOCK`] unknowns.
fn forward_corner(l: &[f64], stride: usize, x: &mut [f64], width: usize) {
    let mut lanes = [[0.0; LANES]; BLOCK];
    let lanes = &mut lanes[..x.len() / width];
    for first in (0..width).step_by(LANES) {
        let columns = first..width.min(first + LANES);
        for (cells, row) in lanes.iter_mut().zip(x.chunks_exact(width)) {
            cells[..columns.len()].copy_from_slice(&row[columns.clone()]);
        }
        forward_lanes(l, stride, lanes);
        for (cells, row) in lanes.iter().zip(x.chunks_exact_mut(width)) {
            row[columns.clone()].copy_from_slice(&cells[..columns.len()]);
        }
    }
}

for_each_cpu! { up to avx512
    /// Solves `L X = B` in place for the unknowns of all lanes.
    fn forward_lanes(l: &[f64], stride: usize, x: &mut [[f64; LANES]]) {
        for i in 0..x.len() {
            let (found, rest) = x.split_at_mut(i);
            let (factors, pivot) = (&l[i * stride..i * stride + i], l[i * stride + i]);
            let mut sums = rest[0];
            for (factor, found) in factors.iter().zip(found) {
                for lane in 0..LANES {
                    sums[lane] -= factor * found[lane];
                }
            }
            rest[0] = sums.map(|sum| sum / pivot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_right_hand_sides_are_solved_as_each_alone() {
        let mut rng = fastrand::Rng::with_seed(4);
        for (n, width) in [(1, 1), (5, 40), (64, 33), (150, 7)] {
            let l: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n)) + 0.1 * rng.f64()).collect();
            let b: Vec<f64> = (0..n * width).map(|_| rng.f64() - 0.5).collect();
            let mut x = b.clone();
            assert_eq!(forward_block(&l, n, &mut x, width, &Run::new()), Ok(()));
            for (at, b) in b.iter().enumerate() {
                let (i, j) = (at / width, at % width);
                let product: f64 = (0..=i).map(|k| l[i * n + k] * x[k * width + j]).sum();
                assert!((product - b).abs() < 1e-12, "{n} × {width}: {i}, {j}");
            }
            let mut y = b.clone();
            assert_eq!(backward_block(&l, n, &mut y, width, &Run::new()), Ok(()));
            for (at, b) in b.iter().enumerate() {
                let (i, j) = (at / width, at % width);
                let product: f64 = (i..n).map(|k| l[k * n + i] * y[k * width + j]).sum();
                assert!((product - b).abs() < 1e-12, "{n} × {width}, transposed: {i}, {j}");
            }
            if n > BLOCK {
                continue;
            }
            // The same systems as rows instead of columns.
            let mut rows = vec![0.0; width * n];
            (0..n * width).for_each(|at| rows[at % width * n + at / width] = b[at]);
            divide_rows(&l, n, &mut rows, 0..n);
            (0..n * width).for_each(|at| assert_eq!(rows[at % width * n + at / width], x[at]));
        }
    }
}
