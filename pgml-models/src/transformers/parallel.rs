//! Layers whose attention and further layers read the same input (GPT-J: Wang, Komatsuzaki 2021): both outputs are added to it.

use super::PreNormLayer;
use super::stack::Layer;
use crate::nn::{Attention, Hidden, PackedBatch, Rope};

/// The parts of a layer, put side by side. Without an `attention_norm`, attention reads what the layers after it read;
/// norms of outputs there are none.
pub(super) struct ParallelLayer(pub PreNormLayer);

impl Layer for ParallelLayer {
    fn attention(&self) -> &Attention {
        &self.0.attention
    }

    fn rope(&self) -> Option<&Rope> {
        self.0.rope.as_ref()
    }

    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let parts = &self.0;
        let normed = parts.feed_forward_norm.as_ref().map(|norm| norm.forward_beside(&x));
        let normed = normed.as_ref().unwrap_or(&x);
        let gathered = match &parts.attention_norm {
            Some(norm) => parts.gather(&norm.forward_beside(&x), batch),
            None => parts.gather(normed, batch),
        };
        parts.feed_forward.forward_add(normed, &parts.attention_output.forward_add(&gathered, &x))
    }
}
