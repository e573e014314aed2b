//! The layers after attention: plain, gated, or a mixture.

use super::{GatedMlp, Hidden, Mixture, Mlp};

/// Any form of the layers after attention.
#[derive(Debug, Clone)]
pub enum FeedForward {
    /// Two layers.
    Plain(Mlp),
    /// Two layers and a gate.
    Gated(GatedMlp),
    /// Several of those, of which each token uses some.
    Mixture(Box<Mixture>),
}

impl FeedForward {
    /// # Shapes
    /// x and result: n_tokens × width
    #[must_use]
    pub fn forward(&self, x: &Hidden) -> Hidden {
        match self {
            Self::Plain(mlp) => mlp.forward(x),
            Self::Gated(mlp) => mlp.forward(x),
            Self::Mixture(mixture) => mixture.forward(x),
        }
    }

    /// [`forward`](Self::forward) plus `residual`, n_tokens × width.
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, residual: &Hidden) -> Hidden {
        match self {
            Self::Plain(mlp) => mlp.forward_add(x, residual),
            Self::Gated(mlp) => mlp.forward_add(x, residual),
            Self::Mixture(mixture) => mixture.forward(x).plus(residual),
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

impl From<Mixture> for FeedForward {
    fn from(mixture: Mixture) -> Self {
        Self::Mixture(Box::new(mixture))
    }
}
