//! The two layers after attention.

use pgml_core::Result;

use super::{Hidden, Linear, Source};
use crate::kernels::Activation;

/// `down(activation(up(x)))`.
#[derive(Debug, Clone)]
pub struct Mlp {
    up: Linear,
    down: Linear,
}

impl Mlp {
    /// Of layers that were read; `up` has its activation.
    #[must_use]
    pub fn new(up: Linear, down: Linear) -> Self {
        Self { up, down }
    }

    /// Reads both layers.
    ///
    /// # Errors
    /// Those of [`Linear::load`].
    pub fn load(
        up: &Source<'_>,
        down: &Source<'_>,
        [width, inner]: [usize; 2],
        activation: Activation,
    ) -> Result<Self> {
        Ok(Self {
            up: Linear::load(up, width, inner)?.with_activation(activation),
            down: Linear::load(down, inner, width)?,
        })
    }

    /// # Shapes
    /// x and result: n_tokens × width
    #[must_use]
    pub fn forward(&self, x: &Hidden) -> Hidden {
        self.down.forward(&self.up.forward(x))
    }

    /// [`forward`](Self::forward) plus `residual`, n_tokens × width.
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, residual: &Hidden) -> Hidden {
        self.down.forward_add(&self.up.forward(x), residual)
    }
}
