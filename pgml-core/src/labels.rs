//! Classes as users name them, and as models count them.

use serde::{Deserialize, Serialize};

/// The classes of a classification target, in sorted order. A model tells apart their positions `0..n`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Each class as text, what `pgml.predict_label` returns.
    pub names: Vec<String>,
    /// Each class as number, what `pgml.predict` returns: numeric labels themselves; for text and boolean labels the
    /// position.
    pub values: Vec<f64>,
}

impl Labels {
    /// How many classes there are.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.names.len()
    }
}
