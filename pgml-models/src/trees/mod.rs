//! Decision trees: the engine that grows them, and the flat form in which every tree model predicts.

pub mod amount;
pub mod averaged;
pub mod binning;
pub mod boosting;
pub mod bootstrap;
mod build;
pub mod criterion;
mod descend;
pub mod ensemble;
mod fenwick;
pub mod flat;
pub mod forest;
pub mod grower;
pub mod histogram;
mod lanes;
pub mod learner;
pub mod median;
mod quick;
pub mod recipe;
pub mod search;
mod shap;
pub mod sort;
mod stored;
mod sums;
#[cfg(test)]
mod tests;
pub mod tree;

pub use build::{FlatBuilder, SourceNode, SourceTree, Test};
pub use flat::{FlatForest, Scalar};
pub use stored::MAX_OUTPUTS;
