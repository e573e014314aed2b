//! Decision trees: the flat form in which every tree model predicts.

mod build;
mod descend;
pub mod flat;
mod stored;
#[cfg(test)]
mod tests;

pub use build::{FlatBuilder, SourceNode, SourceTree, Test};
pub use flat::{FlatForest, Scalar};
