//! Products of dense matrices: one tile of four rows by eight columns, kept in registers.
//!
//! No fused multiply-add: each element's sum has the same terms in the same order on every CPU.

use std::ops::Range;

use pgml_core::{Result, Run};

use super::kernels::for_each_cpu;

/// Columns of a panel.
const WIDTH: usize = 8;
/// Rows of a tile.
const HEIGHT: usize = 4;
/// Terms summed before they are added to the result: that much of a panel stays in the first-level cache.
const DEPTH: usize = 256;
/// Panels that one strip of rows is multiplied with before the next strip comes: they stay in the second-level cache.
const GROUP: usize = 32;

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

    /// `n_rows` rows of a matrix whose rows lie `stride` apart, from the beginning of `data` on.
    #[must_use]
    pub fn within(data: &'a [f64], stride: usize, n_rows: usize) -> Self {
        Self { data, row: stride, step: 1, n_rows }
    }

    /// The transpose of the row-major `inner × n_rows` matrix.
    #[must_use]
    pub fn transposed(data: &'a [f64], n_rows: usize) -> Self {
        Self { data, row: 1, step: n_rows, n_rows }
    }

    /// The transpose of `n_rows` columns of a matrix whose rows lie `stride` apart, from the beginning of `data` on.
    #[must_use]
    pub fn transposed_within(data: &'a [f64], stride: usize, n_rows: usize) -> Self {
        Self { data, row: 1, step: stride, n_rows }
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
        Self::pack_within(b, n, b.len().checked_div(n).unwrap_or(0), n)
    }

    /// Packs the `inner × n` matrix whose rows lie `stride` apart, from the beginning of `b` on.
    #[must_use]
    pub fn pack_within(b: &[f64], stride: usize, inner: usize, n: usize) -> Self {
        let mut values = vec![0.0; n.div_ceil(WIDTH) * inner * WIDTH];
        // A few rows at a time, so that each panel is written in stretches.
        for first in (0..inner).step_by(WIDTH) {
            let rows = first..inner.min(first + WIDTH);
            for (panel, column) in values.chunks_exact_mut(inner * WIDTH).zip((0..n).step_by(WIDTH)) {
                let (cells, _) = panel[first * WIDTH..].as_chunks_mut::<WIDTH>();
                for (cells, row) in cells.iter_mut().zip(rows.clone()) {
                    let row = &b[row * stride + column..row * stride + n];
                    match row.first_chunk() {
                        Some(row) => *cells = *row,
                        None => cells[..row.len()].copy_from_slice(row),
                    }
                }
            }
        }
        Self { values, inner, n }
    }

    /// Packs the transpose of the row-major `n × inner` matrix `b`.
    #[must_use]
    pub fn pack_transposed(b: &[f64], inner: usize) -> Self {
        let n = b.len().checked_div(inner).unwrap_or(0);
        let mut values = vec![0.0; n.div_ceil(WIDTH) * inner * WIDTH];
        let mut rows = b.chunks_exact(inner.max(1));
        for panel in values.chunks_exact_mut((inner * WIDTH).max(1)) {
            let (cells, _) = panel.as_chunks_mut::<WIDTH>();
            interleave(std::array::from_fn(|_| rows.next()), cells);
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
    add_product_of_first(a, b, b.n, c);
}

/// As [`add_product`], with the first `n` columns of `B` alone.
pub fn add_product_of_first(a: Left<'_>, b: &Panels, n: usize, c: &mut [f64]) {
    debug_assert_eq!(c.len(), a.n_rows * n, "the result is {} × {n}", a.n_rows);
    tiles(a, b, n, c, false);
}

/// `C ← C + A B` on and below the diagonal of the square `C`; what lies above is left undefined.
pub fn add_lower_product(a: Left<'_>, b: &Panels, c: &mut [f64]) {
    debug_assert_eq!(c.len(), a.n_rows * a.n_rows, "the result is square");
    tiles(a, b, b.n, c, true);
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

fn tiles(a: Left<'_>, b: &Panels, n: usize, c: &mut [f64], lower: bool) {
    if a.n_rows == 0 || b.inner == 0 {
        return;
    }
    for first in (0..b.inner).step_by(DEPTH) {
        let terms = first..b.inner.min(first + DEPTH);
        for column in (0..n).step_by(GROUP * WIDTH) {
            add_group(a, b, n, &terms, column, c, lower);
        }
    }
}

for_each_cpu! { up to avx512
    /// Adds the products of some terms of all rows with the panels of one group, which begins at a column, of the first `n`.
    fn add_group(a: Left<'_>, b: &Panels, n: usize, terms: &Range<usize>, begin: usize, c: &mut [f64], lower: bool) {
        let mut strip = [[0.0; HEIGHT]; DEPTH];
        let strip = &mut strip[..terms.len()];
        for row in (if lower { begin } else { 0 }..a.n_rows).step_by(HEIGHT) {
            let rows = HEIGHT.min(a.n_rows - row);
            // One panel is multiplied with rows as they lie, which more would have to gather again and again.
            let direct = if n <= WIDTH { a.four_rows(row, terms) } else { None };
            if direct.is_none() {
                a.strip_into(row, rows, terms, strip);
            }
            let end = if lower { n.min(row + HEIGHT) } else { n };
            for column in (begin..end.min(begin + GROUP * WIDTH)).step_by(WIDTH) {
                let panel = b.cells(column, terms);
                let sums = match direct {
                    Some([p, q, r, s]) => {
                        tile(p.iter().zip(q).zip(r).zip(s).map(|(((p, q), r), s)| [*p, *q, *r, *s]), panel)
                    }
                    None => tile(strip.iter().copied(), panel),
                };
                for (r, sums) in sums[..rows].iter().enumerate() {
                    let at = (row + r) * n;
                    let c = &mut c[at + column..at + n.min(column + WIDTH)];
                    match c.first_chunk_mut::<WIDTH>() {
                        Some(c) => (0..WIDTH).for_each(|j| c[j] += sums[j]),
                        None => c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum),
                    }
                }
            }
        }
    }
}

impl Left<'_> {
    /// Some terms of four rows, if they lie one after the other and are all there.
    #[inline(always)]
    fn four_rows(&self, row: usize, terms: &Range<usize>) -> Option<[&[f64]; HEIGHT]> {
        let at = |r: usize| &self.data[(row + r) * self.row + terms.start..(row + r) * self.row + terms.end];
        (self.step == 1 && row + HEIGHT <= self.n_rows).then(|| std::array::from_fn(at))
    }

    /// Copies some terms of `rows` rows.
    #[inline(always)]
    fn strip_into(&self, row: usize, rows: usize, terms: &Range<usize>, strip: &mut [[f64; HEIGHT]]) {
        let data = &self.data[row * self.row + terms.start * self.step..];
        if self.step == 1 {
            let row_at = |r: usize| (r < rows).then(|| &data[r * self.row..r * self.row + terms.len()]);
            return interleave(std::array::from_fn(row_at), strip);
        }
        for (cells, column) in strip.iter_mut().zip(data.chunks(self.step)) {
            match column.first_chunk() {
                Some(column) => *cells = *column,
                None => cells[..rows].copy_from_slice(&column[..rows]),
            }
        }
    }
}

impl Panels {
    /// Some terms of the panel that begins at `column`.
    #[inline(always)]
    fn cells(&self, column: usize, terms: &Range<usize>) -> &[[f64; WIDTH]] {
        let panel = column * self.inner;
        self.values[panel + terms.start * WIDTH..panel + terms.end * WIDTH].as_chunks().0
    }
}

/// The sums of products of a strip with a panel.
#[inline(always)]
fn tile(strip: impl Iterator<Item = [f64; HEIGHT]>, panel: &[[f64; WIDTH]]) -> [[f64; WIDTH]; HEIGHT] {
    let mut sums = [[0.0; WIDTH]; HEIGHT];
    for (a, b) in strip.zip(panel) {
        for r in 0..HEIGHT {
            for j in 0..WIDTH {
                sums[r][j] += a[r] * b[j];
            }
        }
    }
    sums
}

/// Writes rows, as far as there are some, as columns.
#[inline(always)]
fn interleave<const N: usize>(rows: [Option<&[f64]>; N], columns: &mut [[f64; N]]) {
    // Rows that are all there are transposed by fours, which are shuffles between registers.
    const STEP: usize = 4;
    if rows.iter().any(Option::is_none) {
        for (j, row) in rows.iter().enumerate() {
            columns.iter_mut().zip(row.unwrap_or_default()).for_each(|(cells, x)| cells[j] = *x);
        }
        return;
    }
    let rows = rows.map(|row| row.unwrap_or_default()[..columns.len()].as_chunks::<STEP>());
    let (fours, rest) = columns.as_chunks_mut::<STEP>();
    for (l, columns) in fours.iter_mut().enumerate() {
        let rows = rows.map(|(fours, _)| fours[l]);
        for (s, cells) in columns.iter_mut().enumerate() {
            *cells = rows.map(|row| row[s]);
        }
    }
    for (l, cells) in rest.iter_mut().enumerate() {
        *cells = rows.map(|(_, row)| row[l]);
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
