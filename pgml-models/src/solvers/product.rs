//! Products of dense matrices: one tile of four rows by eight columns, kept in registers.

use pgml_core::{Result, Run};

use super::kernels::for_each_cpu;

/// Columns of a panel.
const WIDTH: usize = 8;
/// Rows of a tile.
const HEIGHT: usize = 4;
/// Terms summed before they are added to the result: that much of a panel stays in the first-level cache.
const DEPTH: usize = 256;

/// A matrix as the left factor: element `(i, l)` lies at `i · row + l · step`.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    data: &'a [f64],
    row: usize,
    step: usize,
    n_rows: usize,
}

impl<'a> Left<'a> {
    /// Row-major `n_rows × inner`.
    #[must_use]
    pub fn rows(data: &'a [f64], inner: usize) -> Self {
        Self { data, row: inner, step: 1, n_rows: data.len().checked_div(inner).unwrap_or(0) }
    }

    /// The transpose of the row-major `inner × n_rows` matrix.
    #[must_use]
    pub fn transposed(data: &'a [f64], n_rows: usize) -> Self {
        Self { data, row: 1, step: n_rows, n_rows }
    }
}

/// A right factor of `inner × n` packed into panels of eight columns, the last filled up with zeros.
#[derive(Debug, Clone)]
pub struct Panels {
    values: Vec<f64>,
    inner: usize,
    n: usize,
}

impl Panels {
    /// Packs the row-major `inner × n` matrix `b`.
    #[must_use]
    pub fn pack(b: &[f64], n: usize) -> Self {
        Self::gather(b.len().checked_div(n).unwrap_or(0), n, |l, j| b[l * n + j])
    }

    /// Packs the transpose of the row-major `n × inner` matrix `b`.
    #[must_use]
    pub fn pack_transposed(b: &[f64], inner: usize) -> Self {
        Self::gather(inner, b.len().checked_div(inner).unwrap_or(0), |l, j| b[j * inner + l])
    }

    fn gather(inner: usize, n: usize, at: impl Fn(usize, usize) -> f64) -> Self {
        let mut values = vec![0.0; n.div_ceil(WIDTH) * inner * WIDTH];
        if inner > 0 {
            for (p, panel) in values.chunks_exact_mut(inner * WIDTH).enumerate() {
                let first = p * WIDTH;
                let width = WIDTH.min(n - first);
                for (l, cells) in panel.chunks_exact_mut(WIDTH).enumerate() {
                    cells[..width].iter_mut().enumerate().for_each(|(j, cell)| *cell = at(l, first + j));
                }
            }
        }
        Self { values, inner, n }
    }

    /// Columns.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.n
    }

    /// Bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }
}

/// `C ← C + A B`, `C` row-major. Each element's sum has the same order whatever rows are computed with it.
pub fn add_product(a: Left<'_>, b: &Panels, c: &mut [f64]) {
    debug_assert_eq!(c.len(), a.n_rows * b.n, "the result is {} × {}", a.n_rows, b.n);
    tiles(a, b, c, false);
}

/// `C ← C + A B` on and below the diagonal of the square `C`; what lies above is left undefined.
pub fn add_lower_product(a: Left<'_>, b: &Panels, c: &mut [f64]) {
    debug_assert_eq!(c.len(), a.n_rows * a.n_rows, "the result is square");
    tiles(a, b, c, true);
}

/// `A B` of row-major matrices, `A` with `inner` columns and `B` with `n`.
///
/// # Errors
/// When the run was cancelled.
pub fn product(a: &[f64], b: &[f64], inner: usize, n: usize, run: &Run) -> Result<Vec<f64>> {
    packed_product(a, &Panels::pack(b, n), inner, run)
}

/// `A Bᵀ` of row-major matrices with `inner` columns each.
///
/// # Errors
/// When the run was cancelled.
pub fn product_transposed(a: &[f64], b: &[f64], inner: usize, run: &Run) -> Result<Vec<f64>> {
    packed_product(a, &Panels::pack_transposed(b, inner), inner, run)
}

/// `A B` of a row-major matrix of `inner` columns and a packed one.
///
/// # Errors
/// When the run was cancelled.
pub fn packed_product(a: &[f64], b: &Panels, inner: usize, run: &Run) -> Result<Vec<f64>> {
    let mut c = vec![0.0; a.len().checked_div(inner).unwrap_or(0) * b.n];
    // A piece takes a millisecond at most.
    let rows = (1 << 20) / (inner * b.n).max(1) + HEIGHT;
    for (a, c) in a.chunks(rows * inner.max(1)).zip(c.chunks_mut((rows * b.n).max(1))) {
        run.check()?;
        add_product(Left::rows(a, inner), b, c);
    }
    Ok(c)
}

/// `Aᵀ B` of row-major matrices of equally many rows, `A` with `m` columns and `B` with `n`.
///
/// # Errors
/// When the run was cancelled.
pub fn transposed_product(a: &[f64], m: usize, b: &[f64], n: usize, run: &Run) -> Result<Vec<f64>> {
    let mut c = vec![0.0; m * n];
    for (a, b) in a.chunks(DEPTH * m.max(1)).zip(b.chunks(DEPTH * n.max(1))) {
        run.check()?;
        add_product(Left::transposed(a, m), &Panels::pack(b, n), &mut c);
    }
    Ok(c)
}

/// Copies what lies below the diagonal of the square `c` above it.
pub fn mirror_lower(c: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            c[j * n + i] = c[i * n + j];
        }
    }
}

fn tiles(a: Left<'_>, b: &Panels, c: &mut [f64], lower: bool) {
    if a.n_rows == 0 || b.inner == 0 {
        return;
    }
    for first in (0..b.inner).step_by(DEPTH) {
        let depth = DEPTH.min(b.inner - first);
        let data = &a.data[first * a.step..];
        for (p, panel) in b.values.chunks_exact(b.inner * WIDTH).enumerate() {
            let panel = &panel[first * WIDTH..(first + depth) * WIDTH];
            let above = if lower { p * WIDTH } else { 0 };
            add_panel(data, a.row, a.step, above, a.n_rows, panel, c, p * WIDTH, b.n);
        }
    }
}

for_each_cpu! {
    #[allow(clippy::too_many_arguments)] // where the tile lies in three matrices
    fn add_panel(
        a: &[f64], row: usize, step: usize, first: usize, n_rows: usize, panel: &[f64], c: &mut [f64], column: usize,
        n: usize,
    ) {
        let mut i = first;
        while i + HEIGHT <= n_rows {
            tile::<HEIGHT>(&a[i * row..], row, step, panel, &mut c[i * n..], column, n);
            i += HEIGHT;
        }
        while i < n_rows {
            tile::<1>(&a[i * row..], row, step, panel, &mut c[i * n..], column, n);
            i += 1;
        }
    }
}

#[inline(always)]
fn tile<const ROWS: usize>(a: &[f64], row: usize, step: usize, panel: &[f64], c: &mut [f64], column: usize, n: usize) {
    let mut sums = [[0.0; WIDTH]; ROWS];
    let (cells, _) = panel.as_chunks::<WIDTH>();
    for (l, b) in cells.iter().enumerate() {
        for r in 0..ROWS {
            let x = a[r * row + l * step];
            for j in 0..WIDTH {
                sums[r][j] += x * b[j];
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let from = r * n + column;
        let to = (r * n + n).min(from + WIDTH);
        for (c, sum) in c[from..to].iter_mut().zip(sums) {
            *c += sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, seed: usize) -> Vec<f64> {
        (0..rows * columns).map(|i| ((i * 7 + seed) % 11) as f64 - 5.0).collect()
    }

    #[test]
    fn all_forms_of_the_product_agree_with_the_definition() {
        let run = Run::new();
        for (m, k, n) in [(1, 1, 1), (5, 3, 9), (9, 300, 17), (4, 8, 8), (3, 0, 2)] {
            let (a, b) = (matrix(m, k, 1), matrix(k, n, 2));
            let at: Vec<f64> = (0..k * m).map(|i| a[(i % m) * k + i / m]).collect();
            let bt: Vec<f64> = (0..n * k).map(|i| b[(i % k.max(1)) * n + i / k.max(1)]).collect();
            let expected: Vec<f64> =
                (0..m * n).map(|i| (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum()).collect();
            if k > 0 {
                assert_eq!(product(&a, &b, k, n, &run), Ok(expected.clone()), "{m} × {k} × {n}");
                assert_eq!(product_transposed(&a, &bt, k, &run), Ok(expected.clone()), "{m} × {k} × {n}");
            }
            assert_eq!(transposed_product(&at, m, &b, n, &run), Ok(expected), "{m} × {k} × {n}");
        }
    }

    #[test]
    fn the_lower_half_of_a_gram_matrix_mirrors_into_the_upper() {
        let (n, k) = (19, 5);
        let a = matrix(n, k, 3);
        let mut c = vec![0.0; n * n];
        add_lower_product(Left::rows(&a, k), &Panels::pack_transposed(&a, k), &mut c);
        mirror_lower(&mut c, n);
        assert_eq!(Ok(c), product_transposed(&a, &a, k, &Run::new()));
    }
}
