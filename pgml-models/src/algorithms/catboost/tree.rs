//! A symmetric tree while training: one split per level.

use std::sync::Arc;

use super::ctr::CtrId;
use super::projection::Projection;

/// A split of all nodes of a level. Rows for which it holds go to the leaves whose bit of that level is set.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Split {
    /// A numeric column is above a border.
    Float { column: u32, bin: u8 },
    /// A categorical column has the category of this index.
    OneHot { column: u32, index: u32 },
    /// A target statistic is above a border.
    Ctr { projection: Arc<Projection>, id: CtrId, bin: u8 },
}

/// A tree and what its leaves add.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub splits: Vec<Split>,
    /// `leaves × dims`, already multiplied by the step size.
    pub values: Vec<f64>,
    /// The weight of training rows per leaf.
    pub covers: Vec<f64>,
}
