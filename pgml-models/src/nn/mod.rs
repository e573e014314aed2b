//! The blocks that architectures are made of, each once.
//!
//! A batch's activations are a matrix with one row per token, sequences one after the other without padding. Every block has
//! a plain form in tensor operations, which runs on every device, and may have a fused form for the CPU; a test holds both
//! together. Architectures call the block and know nothing of it.

// A tensor's handle has hundreds of bytes. A model has few, and what they stand for is far larger.
#![allow(clippy::large_enum_variant)]

pub mod attention;
mod buffers;
pub mod cache;
pub mod convolution;
pub mod cross_attention;
pub mod disentangled;
mod distance_bias;
pub mod embedding;
pub mod feed_forward;
pub mod gated_mlp;
mod growing_attention;
pub mod hidden;
pub mod linear;
pub mod mixture;
pub mod mlp;
pub mod norm;
pub mod packed;
mod padding;
pub mod pooling;
pub mod rope;

pub use attention::{Attention, AttentionBias};
pub use cache::{CacheLayout, CacheMemory, KvCache, SharedCache};
pub use cross_attention::CrossAttention;
pub use embedding::Embedding;
pub use feed_forward::FeedForward;
pub use gated_mlp::GatedMlp;
pub use hidden::{Hidden, Matrix};
pub use linear::Linear;
pub use mixture::Mixture;
pub use mlp::Mlp;
pub use norm::LayerNorm;
pub use packed::PackedBatch;
pub use pooling::Pooling;
pub use rope::Rope;

use crate::checkpoint::Weights;
use crate::device::Placement;

/// What a block is loaded from, and where to.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// The tensors.
    pub weights: Weights<'a>,
    /// The device and the precision.
    pub placement: &'a Placement,
}

impl Source<'_> {
    /// What stands under `name`.
    #[must_use]
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { weights: self.weights.at(name), ..*self }
    }

    /// What stands under `name` if anything does, else this.
    #[must_use]
    pub fn at_or_here(&self, name: &str) -> Self {
        Self { weights: self.weights.at_or_here(name), ..*self }
    }
}
