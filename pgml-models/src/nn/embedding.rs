//! Tables with one row per token, position or type.

use std::borrow::Cow;

use pgml_core::{Result, bail};

use super::{Hidden, Matrix, PackedBatch, Source};
use crate::device::Placement;

/// A table of `n` rows. Rows are gathered on the host: a batch needs few of them, and the table stays in one place.
#[derive(Debug, Clone)]
pub struct Embedding {
    table: Vec<f32>,
    width: usize,
    placement: Placement,
}

impl Embedding {
    /// Reads `weight`, n × width.
    ///
    /// # Errors
    /// Those of [`Weights::floats`](crate::checkpoint::Weights::floats).
    pub fn load(source: &Source<'_>, n: usize, width: usize) -> Result<Self> {
        let table = source.weights.floats("weight", &[n, width]).map(Cow::into_owned)?;
        Ok(Self { table, width, placement: source.placement.clone() })
    }

    /// The same table with every value multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f32) -> Self {
        self.table.iter_mut().for_each(|x| *x *= factor);
        self
    }

    /// Rows of the table.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.table.len() / self.width
    }

    /// One row per index; the batch's threads compute with them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](pgml_core::ErrorKind::InvalidData) for an index beyond the table: the tokenizer does not
    /// belong to the model, or the text is longer than the model can read.
    pub fn forward(&self, indices: &[u32], batch: &PackedBatch) -> Result<Hidden> {
        let mut values = Vec::with_capacity(indices.len() * self.width);
        self.each(indices, |_, row| values.extend_from_slice(row))?;
        Ok(self.place(values, batch))
    }

    /// Adds one row per index to `values`, n × width.
    pub(super) fn add_to(&self, indices: &[u32], values: &mut [f32]) -> Result<()> {
        let width = self.width;
        self.each(indices, |i, row| values[i * width..][..width].iter_mut().zip(row).for_each(|(x, y)| *x += y))
    }

    fn each(&self, indices: &[u32], mut work: impl FnMut(usize, &[f32])) -> Result<()> {
        for (i, &index) in indices.iter().enumerate() {
            let start = index as usize * self.width;
            match self.table.get(start..start + self.width) {
                Some(row) => work(i, row),
                None => {
                    bail!(InvalidData, "token or position {index} is beyond the model's table of {}", self.n_rows())
                }
            }
        }
        Ok(())
    }

    fn place(&self, values: Vec<f32>, batch: &PackedBatch) -> Hidden {
        self.placement.place(Matrix::new(values, self.width, batch.team()))
    }
}

/// The sum of rows of several tables, as encoders begin.
///
/// # Errors
/// Those of [`Embedding::forward`].
pub fn sum(tables: &[(&Embedding, &[u32])], batch: &PackedBatch) -> Result<Hidden> {
    let Some(((first, indices), rest)) = tables.split_first() else { bail!(Internal, "a sum of no tables") };
    let mut values = super::buffers::take(indices.len() * first.width);
    values.fill(0.0);
    first.add_to(indices, &mut values)?;
    for (table, indices) in rest {
        table.add_to(indices, &mut values)?;
    }
    Ok(first.place(values, batch))
}
