//! Features with their means subtracted, which keeps more digits of distances.

use std::ops::Range;

use pgml_core::{Dataset, Result, Run};

use crate::solvers::blocks::{copy_columns, feature_means};
use crate::solvers::kernels::dot;

/// The means that are subtracted from the features, and their variances.
#[derive(Debug, Clone)]
pub struct Centring {
    means: Vec<f64>,
    variances: Vec<f64>,
}

impl Centring {
    /// Around the means of `data`; variances come with the rows that [`centre`](Self::centre) is given.
    pub(super) fn of(data: &Dataset, run: &Run) -> Result<Self> {
        Ok(Self { means: feature_means(data, None, run)?, variances: vec![0.0; data.n_features()] })
    }

    /// Writes `rows` of `data` into `block`, centred and column after column.
    pub(super) fn centre(&mut self, data: &Dataset, rows: &Range<usize>, block: &mut [f64]) {
        copy_columns(data, rows, block);
        let moments = self.means.iter().zip(&mut self.variances);
        for (column, (mean, variance)) in block.chunks_exact_mut(rows.len()).zip(moments) {
            column.iter_mut().for_each(|x| *x -= mean);
            *variance += dot(column, column) / data.n_rows() as f64;
        }
    }

    /// The mean over features of their variances.
    #[must_use]
    pub fn mean_variance(&self) -> f64 {
        self.variances.iter().sum::<f64>() / self.variances.len() as f64
    }

    /// Centres with the means subtracted.
    #[must_use]
    pub fn centred(&self, centres: &[f64]) -> Vec<f64> {
        centres.iter().zip(self.means.iter().cycle()).map(|(c, m)| c - m).collect()
    }

    /// Centres with the means added back.
    #[must_use]
    pub fn uncentred(&self, centres: Vec<f64>) -> Vec<f64> {
        centres.iter().zip(self.means.iter().cycle()).map(|(c, m)| c + m).collect()
    }
}
