//! Tables with one row per token, position or type.

use std::sync::Arc;

use pgml_core::{Result, bail};

use super::{Hidden, Linear, Matrix, PackedBatch, Source};
use crate::checkpoint::Rows;
use crate::device::Placement;
use crate::kernels::PackedMatrix;

/// A table of `n` rows. Rows are gathered on the host: a batch needs few of them, and the table stays in one place. A clone
/// shares it.
#[derive(Debug, Clone)]
pub struct Embedding {
    table: Table,
    n: usize,
    width: usize,
    factor: f32,
    placement: Placement,
}

#[derive(Debug, Clone)]
enum Table {
    /// In the bytes of the checkpoint.
    Stored(Arc<Rows<'static>>),
    /// In no checkpoint.
    Computed(Arc<[f32]>),
    /// The weight of the output layer, which is the same table.
    Shared(Arc<PackedMatrix>),
}

impl Embedding {
    /// Reads `weight`, n × width.
    ///
    /// # Errors
    /// Those of [`Weights::floats`](crate::checkpoint::Weights::floats).
    pub fn load(source: &Source<'_>, n: usize, width: usize) -> Result<Self> {
        Self::load_after(0, source, n, width)
    }

    /// Reads `weight`, (skipped + n) × width, from the row `skipped` on.
    ///
    /// # Errors
    /// As for [`Embedding::load`].
    pub fn load_after(skipped: usize, source: &Source<'_>, n: usize, width: usize) -> Result<Self> {
        let [_, rows] = source.weights.rows("weight", [n.saturating_add(skipped), width])?.split_at(skipped * width);
        let table = Table::Stored(Arc::new(rows.into_owned()));
        Ok(Self { table, n, width, factor: 1.0, placement: source.placement.clone() })
    }

    /// A table of these values, n × width.
    #[must_use]
    pub fn computed(values: Vec<f32>, width: usize, placement: &Placement) -> Self {
        let n = values.len().checked_div(width).unwrap_or(0);
        Self { table: Table::Computed(values.into()), n, width, factor: 1.0, placement: placement.clone() }
    }

    /// The same table with every value multiplied by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self { factor, ..self }
    }

    /// Reads rows from the weight of `layer` from now on, which is the same table, so that memory holds it once. What the
    /// layer's precision rounds is then rounded here too. On devices nothing changes.
    pub fn share(&mut self, layer: &Linear) {
        if let Some(matrix) = layer.matrix().filter(|matrix| matrix.outputs() == self.n) {
            self.table = Table::Shared(Arc::clone(matrix));
        }
    }

    /// Rows of the table.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n
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
        let mut row = vec![0.0; self.width];
        for (i, &index) in indices.iter().enumerate() {
            if index as usize >= self.n {
                bail!(InvalidData, "token or position {index} is beyond the model's table of {}", self.n);
            }
            match &self.table {
                Table::Stored(rows) => rows.weights().read((index as usize) * self.width, &mut row),
                Table::Computed(values) => {
                    row.copy_from_slice(&values[(index as usize) * self.width..][..self.width]);
                }
                Table::Shared(matrix) => matrix.row(index as usize, &mut row),
            }
            if self.factor != 1.0 {
                row.iter_mut().for_each(|x| *x *= self.factor);
            }
            work(i, &row);
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
