//! Gradient boosting on histograms: leaf-wise trees of Newton steps, as LightGBM and scikit-learn grow them.
//!
//! Every value is one byte, its bin. Four columns stand side by side in one word per row ([`BinnedRows`]), so that one
//! pass over the rows of a node fills the histograms of four columns, which fit the first-level cache together
//! ([`ColumnHistogram`]). Of two children only the smaller one's rows are read; the other's histograms are what is left
//! of their parent's. All that is done per column, from reading rows to the best split of either child, is one task on
//! one thread: sums are taken in the order of the rows whatever the number of threads, so trees are equal to the bit.
//!
//! [`quantiles`] and [`BinnedRows`] make bins, [`histogram`] sums gradients by them, [`split`] judges splits, and
//! [`grower`] grows the tree; neither bins nor histograms know of what they are summed for.

pub mod bins;
pub mod grower;
pub mod histogram;
mod partition;
pub mod quantiles;
mod queue;
pub mod split;
mod tasks;
pub mod tree;

pub use bins::{BinMap, BinnedRows};
pub use grower::{Grower, Growth};
pub use histogram::ColumnHistogram;
pub use tree::GrownTree;
