//! Rows as a model sees them at prediction time.

use crate::{Result, bail};

/// Borrowed rows in row-major order: `n_rows × n_features`.
#[derive(Debug, Clone, Copy)]
pub struct MatrixRef<'a> {
    data: &'a [f64],
    n_features: usize,
}

impl<'a> MatrixRef<'a> {
    /// Rows of `n_features` values each.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`](crate::ErrorKind::WrongDimension) when the values do not fill whole rows.
    pub fn new(data: &'a [f64], n_features: usize) -> Result<Self> {
        if n_features == 0 || !data.len().is_multiple_of(n_features) {
            bail!(WrongDimension, "{} values do not make whole rows of {n_features} features", data.len());
        }
        Ok(Self { data, n_features })
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.data.len() / self.n_features
    }

    /// How many features each row has.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// All values, row after row.
    #[must_use]
    pub fn as_slice(&self) -> &'a [f64] {
        self.data
    }

    /// The rows, one after another.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, f64> {
        self.data.chunks_exact(self.n_features)
    }

    /// The rows in blocks of `n_rows`, at least 1; the last one may have fewer. What passes over rows more than once does
    /// so block by block, while they are in the cache.
    pub fn blocks(&self, n_rows: usize) -> impl Iterator<Item = MatrixRef<'a>> + use<'a> {
        let n_features = self.n_features;
        self.data.chunks(n_rows.max(1) * n_features).map(move |data| Self { data, n_features })
    }
}
