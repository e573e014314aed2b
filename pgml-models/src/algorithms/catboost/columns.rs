//! The columns that a model's trees ask: rows become bins, column by column.

use super::bins::write_bins;
use super::data::{bin_of, single};
use super::hash;
use super::table::{Reading, Table};

/// A numeric feature in bins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FloatBins {
    pub feature: u32,
    pub nan_above: bool,
    pub borders: Vec<f32>,
}

/// Whether a categorical feature has one value: bin 1, else 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OneHotBin {
    pub feature: u32,
    pub hash: u32,
}

/// A target statistic in bins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CtrBins {
    pub projection: u32,
    pub table: u32,
    pub reading: Reading,
    pub borders: Vec<f32>,
}

/// One part of a projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    /// The value of a categorical feature.
    Category { feature: u32 },
    /// Whether a numeric feature is above a border.
    Above { feature: u32, border: f32, nan_above: bool },
    /// Whether a categorical feature has a value.
    Is { feature: u32, hash: u32 },
}

/// All columns of a model: first the numeric ones, then single categories, then statistics.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    pub floats: Vec<FloatBins>,
    pub one_hots: Vec<OneHotBin>,
    pub ctrs: Vec<CtrBins>,
    pub projections: Vec<Vec<Part>>,
    pub tables: Vec<Table>,
}

impl Columns {
    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.floats.len() + self.one_hots.len() + self.ctrs.len()
    }

    /// Writes the bins of rows of `width` values, `columns × rows`, into `bins`. `hashes` is room for the rows' hashes.
    pub(super) fn write(&self, rows: &[f64], width: usize, bins: &mut [u8], hashes: &mut Vec<u64>) {
        let n_rows = rows.len() / width;
        let (mut columns, values) =
            (bins.chunks_exact_mut(n_rows.max(1)), |feature: u32| rows.iter().skip(feature as usize).step_by(width));
        for (float, bins) in self.floats.iter().zip(&mut columns) {
            write_bins(values(float.feature).copied(), &float.borders, float.nan_above, bins);
        }
        for (one_hot, bins) in self.one_hots.iter().zip(&mut columns) {
            for (bin, value) in bins.iter_mut().zip(values(one_hot.feature)) {
                *bin = u8::from(hash::category(*value) == one_hot.hash);
            }
        }
        let mut hashed = None;
        for (ctr, bins) in self.ctrs.iter().zip(&mut columns) {
            if hashed != Some(ctr.projection) {
                hashed = Some(ctr.projection);
                hashes.clear();
                let parts = &self.projections[ctr.projection as usize];
                hashes
                    .extend(rows.chunks_exact(width).map(|row| parts.iter().fold(0, |hash, part| part.add(hash, row))));
            }
            let table = &self.tables[ctr.table as usize];
            for (bin, hash) in bins.iter_mut().zip(hashes.iter()) {
                *bin = bin_of(table.read(*hash, &ctr.reading), &ctr.borders, false);
            }
        }
    }
}

impl Part {
    #[inline]
    fn add(&self, hash: u64, row: &[f64]) -> u64 {
        let value = match *self {
            Self::Category { feature } => hash::part(hash::category(row[feature as usize])),
            Self::Above { feature, border, nan_above } => {
                u64::from(bin_of(single(row[feature as usize]), &[border], nan_above))
            }
            Self::Is { feature, hash } => u64::from(hash::category(row[feature as usize]) == hash),
        };
        hash::combine(hash, value)
    }
}
