//! Decision trees: the engine that grows them, and the flat form in which every tree model predicts.

pub mod amount;
pub mod binning;
pub mod boosting;
pub mod bootstrap;
mod build;
pub mod criterion;
mod descend;
pub mod flat;
pub mod grower;
pub mod histogram;
mod lanes;
mod quick;
mod shap;
pub mod sort;
mod stored;
#[cfg(test)]
mod tests;
pub mod tree;

pub use build::{FlatBuilder, SourceNode, SourceTree, Test};
pub use flat::{FlatForest, Scalar};
pub use stored::MAX_OUTPUTS;
