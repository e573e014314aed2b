//! Sparse symmetric matrices.

use pgml_core::{Result, Run};

use super::leading_eigen::Symmetric;

/// A symmetric matrix by the cells of its rows that are not 0.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// Where each row's cells begin, and where the last one's end.
    pub starts: Vec<usize>,
    /// The column of each cell, ascending within a row.
    pub columns: Vec<u32>,
    /// The cells.
    pub cells: Vec<f64>,
}

impl Sparse {
    /// The matrix with these cells (row, column, value), of which those at the same place add up.
    #[must_use]
    pub fn new(n: usize, mut cells: Vec<(u32, u32, f64)>) -> Self {
        cells.sort_unstable_by_key(|(i, j, _)| (*i, *j));
        let mut made = Self { starts: vec![0; n + 1], columns: Vec::new(), cells: Vec::new() };
        let mut last = None;
        for (i, j, x) in cells {
            if last == Some((i, j)) {
                if let Some(cell) = made.cells.last_mut() {
                    *cell += x;
                }
            } else {
                made.columns.push(j);
                made.cells.push(x);
                made.starts[i as usize + 1] += 1;
                last = Some((i, j));
            }
        }
        (0..n).for_each(|i| made.starts[i + 1] += made.starts[i]);
        made
    }

    /// Columns and cells of row `i`.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[i]..self.starts[i + 1];
        self.columns[range.clone()].iter().map(|j| *j as usize).zip(self.cells[range].iter().copied())
    }

    /// Columns and cells of row `i`, to be changed.
    pub fn row_mut(&mut self, i: usize) -> impl Iterator<Item = (usize, &mut f64)> {
        let range = self.starts[i]..self.starts[i + 1];
        self.columns[range.clone()].iter().map(|j| *j as usize).zip(self.cells[range].iter_mut())
    }
}

impl Symmetric for Sparse {
    fn n(&self) -> usize {
        self.starts.len() - 1
    }

    fn times(&self, vectors: &[f64], run: &Run) -> Result<Vec<f64>> {
        let n = self.n();
        let mut out = vec![0.0; vectors.len()];
        for (vector, out) in vectors.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
            run.check()?;
            for (i, out) in out.iter_mut().enumerate() {
                *out = self.row(i).map(|(j, x)| x * vector[j]).sum();
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_add_up_and_multiply() {
        let matrix = Sparse::new(3, vec![(0, 1, 0.5), (1, 0, 0.5), (0, 1, 0.5), (1, 0, 0.5), (2, 2, 3.0)]);
        assert_eq!(matrix.cells, [1.0, 1.0, 3.0]);
        assert_eq!(matrix.times(&[1.0, 2.0, 4.0], &Run::new()), Ok(vec![2.0, 1.0, 12.0]));
    }
}
