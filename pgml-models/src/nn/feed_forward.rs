//! The layers after attention, plain or gated.

use super::{GatedMlp, Hidden, Mlp};

/// Either form of the layers after attention.
#[derive(Debug, Clone)]
pub enum FeedForward {
    /// Two layers.
    Plain(Mlp),
    /// Two layers and a gate.
    Gated(GatedMlp),
}

impl FeedForward {
    /// # Shapes
    /// x and result: n_tokens × width
    #[must_use]
    pub fn forward(&self, x: &Hidden) -> Hidden {
        match self {
            Self::Plain(mlp) => mlp.forward(x),
            Self::Gated(mlp) => mlp.forward(x),
        }
    }

    /// [`forward`](Self::forward) plus `residual`, n_tokens × width.
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, residual: &Hidden) -> Hidden {
        match self {
            Self::Plain(mlp) => mlp.forward_add(x, residual),
            Self::Gated(mlp) => mlp.forward_add(x, residual),
        }
    }
}

impl From<Mlp> for FeedForward {
    fn from(mlp: Mlp) -> Self {
        Self::Plain(mlp)
    }
}

impl From<GatedMlp> for FeedForward {
    fn from(mlp: GatedMlp) -> Self {
        Self::Gated(mlp)
    }
}
