//! Rows in row-major order, for methods that pass over them one at a time.

use std::ops::Range;

use pgml_core::run::Reservation;
use pgml_core::{Dataset, Floats, Result, Run};

/// Numbers that are added side by side.
pub const LANES: usize = 8;

/// Rows one after another, each filled up with zeros to a multiple of [`LANES`], so that loops over a row have no rest.
pub struct PaddedRows {
    values: Vec<f64>,
    width: usize,
    _memory: Reservation,
}

impl PaddedRows {
    /// A copy of the features.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(data: &Dataset, run: &Run) -> Result<Self> {
        Self::with_constants(data, &[], run)
    }

    /// A copy of the features, each row followed by `constants`.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn with_constants(data: &Dataset, constants: &[f64], run: &Run) -> Result<Self> {
        let width = padded(data.n_features() + constants.len());
        let memory = run.reserve(8 * (data.n_rows() * width) as u64, "the matrix of features")?;
        let mut rows = Self { values: vec![0.0; data.n_rows() * width], width, _memory: memory };
        // Rows enough to amortise the walk over the columns, few enough to stay in the first-level cache.
        for block in super::blocks::ranges(data.n_rows(), (2048 / width).max(16)) {
            run.check()?;
            rows.fill(data, block, constants);
        }
        Ok(rows)
    }

    fn fill(&mut self, data: &Dataset, block: Range<usize>, constants: &[f64]) {
        let (width, d) = (self.width, data.n_features());
        let out = &mut self.values[block.start * width..block.end * width];
        for (j, feature) in data.features().iter().enumerate() {
            let cells = out.iter_mut().skip(j).step_by(width);
            match &feature.values {
                Floats::F32(v) => cells.zip(&v[block.clone()]).for_each(|(cell, x)| *cell = f64::from(*x)),
                Floats::F64(v) => cells.zip(&v[block.clone()]).for_each(|(cell, x)| *cell = *x),
            }
        }
        for row in out.chunks_exact_mut(width) {
            row[d..d + constants.len()].copy_from_slice(constants);
        }
    }

    /// Numbers per row, zeros at its end included.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// The row `i` with the zeros at its end.
    ///
    /// # Panics
    /// When there is no such row, as slices do.
    #[must_use]
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..][..self.width]
    }
}

/// The least multiple of [`LANES`] that is no less than `n`.
#[must_use]
pub fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// `Σ aᵢ bᵢ` of padded rows: in eight lanes and few steps, for loops that wait for the result.
///
/// Inlined, to be compiled for the CPU that its caller is compiled for.
#[inline(always)]
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for l in 0..LANES {
            lanes[l] += a[l] * b[l];
        }
    }
    total(lanes)
}

/// The sum of the lanes, by halves.
#[inline(always)]
#[must_use]
pub fn total(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_filled_up_with_zeros_behind_their_constants() {
        let values: Vec<f64> = (0..300).map(f64::from).collect();
        let data = Dataset::from_rows(&values, 3).expect("100 rows");
        let rows = PaddedRows::with_constants(&data, &[7.0], &Run::new()).expect("memory");
        assert_eq!((rows.n_rows(), rows.width()), (100, 8));
        for i in 0..100 {
            let first = 3.0 * i as f64;
            assert_eq!(rows.row(i), [first, first + 1.0, first + 2.0, 7.0, 0.0, 0.0, 0.0, 0.0]);
        }
        assert_eq!(dot(rows.row(1), rows.row(2)), 3.0 * 6.0 + 4.0 * 7.0 + 5.0 * 8.0 + 49.0);
    }
}
