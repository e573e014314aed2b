//! Centred rows that batches are drawn from.

use pgml_core::run::Reservation;
use pgml_core::{Dataset, Result, Run};

use super::{BLOCK, Centring, PIECE, Points};
use crate::solvers::blocks::ranges;
use crate::solvers::parallel;

/// Centred rows, one after another: one that is drawn lies in a few cache lines, where as part of columns it would take one
/// per feature.
pub struct Pool {
    rows: Vec<f64>,
    /// How many rows there are.
    pub n: usize,
    /// Features per row.
    pub d: usize,
    /// One per row; all 1 without weights.
    pub weight: Vec<f64>,
    /// What was subtracted.
    pub centring: Centring,
    _memory: Reservation,
}

impl Pool {
    /// Copies and centres the rows of `data`.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(data: &Dataset, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let memory = run.reserve(8 * (n * (d + 1)) as u64, "the matrix of features")?;
        let mut centring = Centring::of(data, run)?;
        let mut columns = vec![0.0; BLOCK.min(n) * d];
        let mut all = Vec::with_capacity(n * d);
        for rows in ranges(n, BLOCK) {
            run.check()?;
            let len = rows.len();
            let columns = &mut columns[..len * d];
            centring.centre(data, &rows, columns);
            all.extend((0..len * d).map(|at| columns[at % d * len + at / d]));
        }
        let weight = data.weight().map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        Ok(Self { rows: all, n, d, weight, centring, _memory: memory })
    }

    /// The rows of these numbers, in that order.
    ///
    /// # Errors
    /// When memory does not suffice.
    pub fn pick(&self, rows: impl ExactSizeIterator<Item = usize>, run: &Run) -> Result<Points> {
        let (n, d) = (rows.len(), self.d);
        let memory = run.reserve(8 * (n * (2 * d + 2)) as u64, "a batch of rows")?;
        let mut picked = Vec::with_capacity(n * d);
        let mut weight = Vec::with_capacity(n);
        // Rows first, so that many of them are on their way from memory at a time.
        for row in rows {
            picked.extend_from_slice(&self.rows[row * d..(row + 1) * d]);
            weight.push(self.weight[row]);
        }
        let mut columns = vec![0.0; n * d];
        for (picked, columns) in picked.chunks(BLOCK * d).zip(columns.chunks_mut(BLOCK * d)) {
            let len = picked.len() / d;
            for (i, row) in picked.chunks_exact(d).enumerate() {
                columns.chunks_exact_mut(len).zip(row).for_each(|(column, x)| column[i] = *x);
            }
        }
        Ok(Points { columns, n, d, weight, centring: self.centring.clone(), _memory: memory })
    }

    /// The weighted sum of the squared distances of all rows to the nearest of `centres`.
    ///
    /// # Errors
    /// When the run was cancelled or memory does not suffice.
    pub fn inertia(&self, centres: &[f64], run: &Run) -> Result<f64> {
        let pieces: Vec<_> = ranges(self.n, BLOCK * PIECE).collect();
        let inertias = parallel::map(pieces.len(), run, |piece| {
            ranges(pieces[piece].len(), BLOCK).try_fold(0.0, |sum, rows| {
                let first = pieces[piece].start;
                let points = self.pick(rows.start + first..rows.end + first, run)?;
                Ok(sum + points.labels(centres, run)?.1)
            })
        })?;
        Ok(inertias.iter().sum())
    }
}
