//! What a forest says of each row: where sums of leaves start, and what is made of them.

use pgml_core::MatrixRef;

use super::flat::{FlatForest, Scalar};

/// Rows whose sums are held at a time.
const ROWS_AT_A_TIME: usize = 256;

impl<T: Scalar> FlatForest<T, f64> {
    /// Calls `answer` for every row with its sums, `start` and the leaves that the row reaches, and its share of `out`.
    ///
    /// # Shapes
    /// `start`: one number per output. `out`: as many numbers for every row.
    ///
    /// # Panics
    /// When they do not have these shapes.
    pub fn each_sum(
        &self,
        rows: MatrixRef<'_>,
        start: &[f64],
        out: &mut [f64],
        mut answer: impl FnMut(&mut [f64], &mut [f64]),
    ) {
        let n_rows = rows.n_rows();
        assert_eq!(start.len(), self.n_outputs(), "a start per output");
        if n_rows == 0 {
            return;
        }
        assert!(out.len().is_multiple_of(n_rows), "as many numbers for every row");
        let per_row = out.len() / n_rows;
        let mut sums = vec![0.0; ROWS_AT_A_TIME.min(n_rows) * start.len()];
        let blocks = rows.as_slice().chunks(ROWS_AT_A_TIME * self.n_features());
        for (rows, out) in blocks.zip(out.chunks_mut(ROWS_AT_A_TIME * per_row)) {
            let sums = &mut sums[..out.len() / per_row * start.len()];
            sums.chunks_exact_mut(start.len()).for_each(|sums| sums.copy_from_slice(start));
            self.add_leaves(rows, sums);
            sums.chunks_exact_mut(start.len()).zip(out.chunks_exact_mut(per_row)).for_each(|(s, out)| answer(s, out));
        }
    }
}
