//! Large symmetric matrices by what lies on and below their diagonal: half the memory, read once per product.

use std::ops::Range;

use pgml_core::{Result, Run, bail};

use super::blocks::ranges;
use super::kernels::{for_each_cpu, sum};
use super::leading_eigen::Symmetric;

/// Rows of a strip.
const HEIGHT: usize = 8;
/// Vectors multiplied at once.
const WIDTH: usize = 8;
/// Columns multiplied before others: what they are multiplied with and what they add up to stays in the first-level cache.
const COLUMNS: usize = 256;

/// A symmetric matrix in strips of eight rows, each from column 0 to the diagonal and with the eight cells of a column
/// together. The square on the diagonal is all there; where rows end within a strip, zeros follow.
#[derive(Debug, Clone)]
pub struct SymmetricHalf {
    n: usize,
    strips: Vec<[f64; HEIGHT]>,
}

impl SymmetricHalf {
    /// Bytes that a matrix of `n` rows takes.
    #[must_use]
    pub fn bytes(n: usize) -> u64 {
        4 * (n as u64 + 9).saturating_mul(n as u64 + 9)
    }

    /// A matrix of `n` rows. `fill(rows, cells)` writes the rows `rows`, row-major, from column 0 to before `rows.end`.
    /// The caller reserves the memory; it is taken as rows come, so that a cancelled run has not touched it all.
    ///
    /// # Errors
    /// When the memory is not there, the run was cancelled, or `fill` fails.
    pub fn fill(n: usize, run: &Run, mut fill: impl FnMut(Range<usize>, &mut [f64]) -> Result<()>) -> Result<Self> {
        let mut strips: Vec<[f64; HEIGHT]> = Vec::new();
        if strips.try_reserve_exact(begin(n.div_ceil(HEIGHT))).is_err() {
            bail!(OutOfMemory, "the matrix of {n} × {n} pairs of rows does not fit into memory");
        }
        let mut cells = vec![0.0; HEIGHT * n];
        for first in (0..n).step_by(HEIGHT) {
            run.check()?;
            run.progress("training", first as u64, n as u64);
            let rows = first..n.min(first + HEIGHT);
            let cells = &mut cells[..rows.len() * rows.end];
            fill(rows.clone(), cells)?;
            let at = |column: usize| {
                let row = |r: usize| if r < rows.len() { cells[r * rows.end + column] } else { 0.0 };
                std::array::from_fn(row)
            };
            strips.extend((0..rows.end).map(at));
        }
        Ok(Self { n, strips })
    }

    /// Subtracts the means of rows and of columns, and adds the mean of all; returns the means of the rows.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn centre(&mut self, run: &Run) -> Result<Vec<f64>> {
        let n = self.n;
        let mut means = vec![0.0; n.next_multiple_of(HEIGHT)];
        for first in (0..n).step_by(HEIGHT) {
            run.check()?;
            add_sums(self.strip(first), first, &mut means);
        }
        means.truncate(n);
        means.iter_mut().for_each(|mean| *mean /= n as f64);
        let all = sum(&means) / n as f64;
        for first in (0..n).step_by(HEIGHT) {
            run.check()?;
            let own: [f64; HEIGHT] = std::array::from_fn(|r| all - means.get(first + r).copied().unwrap_or(all));
            for (cells, mean) in self.strip_mut(first).iter_mut().zip(&means) {
                (0..HEIGHT).for_each(|r| cells[r] += own[r] - mean);
            }
        }
        Ok(means)
    }

    /// All cells, row-major.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn to_square(&self, run: &Run) -> Result<Vec<f64>> {
        let n = self.n;
        let mut square = vec![0.0; n * n];
        for first in (0..n).step_by(HEIGHT) {
            run.check()?;
            for (column, cells) in self.strip(first).iter().enumerate() {
                for (row, cell) in (first..n).zip(cells) {
                    square[row * n + column] = *cell;
                    square[column * n + row] = *cell;
                }
            }
        }
        Ok(square)
    }

    fn strip(&self, first: usize) -> &[[f64; HEIGHT]] {
        &self.strips[begin(first / HEIGHT)..][..self.n.min(first + HEIGHT)]
    }

    fn strip_mut(&mut self, first: usize) -> &mut [[f64; HEIGHT]] {
        &mut self.strips[begin(first / HEIGHT)..][..self.n.min(first + HEIGHT)]
    }

    /// The products with at most [`WIDTH`] vectors.
    fn times_few(&self, vectors: &[f64], run: &Run) -> Result<Vec<f64>> {
        let n = self.n;
        let mut x = vec![[0.0; WIDTH]; n.next_multiple_of(HEIGHT)];
        let mut y = x.clone();
        for (l, vector) in vectors.chunks_exact(n).enumerate() {
            x.iter_mut().zip(vector).for_each(|(x, value)| x[l] = *value);
        }
        for columns in ranges(n, COLUMNS) {
            run.check()?;
            for first in (columns.start..n).step_by(HEIGHT) {
                add_product(self.strip(first), first, &columns, &x, &mut y);
            }
        }
        Ok((0..vectors.len() / n).flat_map(|l| y[..n].iter().map(move |y| y[l])).collect())
    }
}

/// Where strip `strip` begins: each is eight columns longer than the one before.
fn begin(strip: usize) -> usize {
    HEIGHT * strip * (strip + 1) / 2
}

impl Symmetric for SymmetricHalf {
    fn n(&self) -> usize {
        self.n
    }

    fn times(&self, vectors: &[f64], run: &Run) -> Result<Vec<f64>> {
        let mut products = Vec::with_capacity(vectors.len());
        for few in vectors.chunks(WIDTH * self.n) {
            products.extend(self.times_few(few, run)?);
        }
        Ok(products)
    }
}

/// Adds the sums of a strip's rows, and those of its columns that lie left of the diagonal: they are rows too.
fn add_sums(strip: &[[f64; HEIGHT]], first: usize, sums: &mut [f64]) {
    let mut rows = [0.0; HEIGHT];
    for (column, cells) in strip.iter().enumerate() {
        (0..HEIGHT).for_each(|r| rows[r] += cells[r]);
        if column < first {
            sums[column] += cells.iter().sum::<f64>();
        }
    }
    sums[first..].iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
}

for_each_cpu! { up to avx512
    /// Adds to `y` what some columns of a strip, which begins at row `first`, and their mirror image make of `x`.
    fn add_product(
        strip: &[[f64; HEIGHT]],
        first: usize,
        columns: &Range<usize>,
        x: &[[f64; WIDTH]],
        y: &mut [[f64; WIDTH]],
    ) {
        let Some(own) = x[first..].first_chunk::<HEIGHT>() else { return };
        let mut sums = [[0.0; WIDTH]; HEIGHT];
        let left = columns.start..columns.end.min(first);
        for ((cells, x), y) in strip[left.clone()].iter().zip(&x[left.clone()]).zip(&mut y[left]) {
            for r in 0..HEIGHT {
                for l in 0..WIDTH {
                    sums[r][l] += cells[r] * x[l];
                    y[l] += cells[r] * own[r][l];
                }
            }
        }
        if columns.contains(&first) {
            for (cells, x) in strip[first..].iter().zip(own) {
                for r in 0..HEIGHT {
                    for l in 0..WIDTH {
                        sums[r][l] += cells[r] * x[l];
                    }
                }
            }
        }
        for (y, sums) in y[first..].iter_mut().zip(sums) {
            (0..WIDTH).for_each(|l| y[l] += sums[l]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of whole numbers, so that sums are exact in any order.
    fn square(n: usize) -> Vec<f64> {
        (0..n * n).map(|at| ((at / n + at % n) * 7 % 11 + (at / n) * (at % n) % 5) as f64).collect()
    }

    #[test]
    fn products_and_centring_are_those_of_the_whole_matrix() {
        let run = Run::new();
        for n in [1, 8, 13, 300] {
            let whole = square(n);
            let mut half = SymmetricHalf::fill(n, &run, |rows, cells| {
                let of_rows = whole[rows.start * n..].chunks(n);
                cells
                    .chunks_exact_mut(rows.end)
                    .zip(of_rows)
                    .for_each(|(to, from)| to.copy_from_slice(&from[..rows.end]));
                Ok(())
            })
            .expect("not cancelled");
            assert_eq!(half.to_square(&run), Ok(whole.clone()), "{n}");
            assert!(8 * 4 * half.strips.len() as u64 <= SymmetricHalf::bytes(n), "{n}");
            let vectors: Vec<f64> = (0..11 * n).map(|i| (i % 13) as f64 - 6.0).collect();
            let product = |(vector, row): (&[f64], &[f64])| vector.iter().zip(row).map(|(a, b)| a * b).sum::<f64>();
            let expected: Vec<f64> = vectors
                .chunks_exact(n)
                .flat_map(|vector| whole.chunks_exact(n).map(move |row| product((vector, row))))
                .collect();
            assert_eq!(half.times(&vectors, &run), Ok(expected), "{n}");
            let means = half.centre(&run).expect("not cancelled");
            let all = means.iter().sum::<f64>() / n as f64;
            for (i, (mean, row)) in means.iter().zip(whole.chunks_exact(n)).enumerate() {
                assert!((mean - row.iter().sum::<f64>() / n as f64).abs() < 1e-12, "{n}: {i}");
            }
            for (at, (cell, before)) in half.to_square(&run).expect("not cancelled").iter().zip(&whole).enumerate() {
                assert!((cell - (before + all - means[at / n] - means[at % n])).abs() < 1e-12, "{n}: {at}");
            }
        }
    }
}
