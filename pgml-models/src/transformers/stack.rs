//! Layers one after the other, and what they begin and end with: encoders and decoders of models that make a text from another
//! one (Vaswani et al. 2017). An architecture says where its tensors stand; what is computed stands here.

use pgml_core::Result;

use super::pre_norm::begin;
use super::{PostNormLayer, PreNormLayer, TextEncoder};
use crate::nn::{Attention, CacheLayout, CrossAttention, Embedding, Hidden, LayerNorm, Linear, PackedBatch};

/// One layer: attention, and what follows it.
pub(super) trait Part: Send + Sync {
    /// How tokens see each other.
    fn attention(&self) -> &Attention;

    /// `x` and what its tokens gather from each other.
    fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden;

    /// What the layers after attention make of it.
    fn feed(&self, attended: Hidden) -> Hidden;

    /// The whole layer.
    ///
    /// # Shapes
    /// x and result: n_tokens × width
    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        self.feed(self.attend(x, batch))
    }
}

impl Part for PreNormLayer {
    fn attention(&self) -> &Attention {
        &self.attention
    }

    fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        self.attend(x, batch)
    }

    fn feed(&self, attended: Hidden) -> Hidden {
        self.feed(attended)
    }
}

impl Part for PostNormLayer {
    fn attention(&self) -> &Attention {
        &self.attention
    }

    fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        self.attend(x, batch)
    }

    fn feed(&self, attended: Hidden) -> Hidden {
        self.feed(attended)
    }
}

/// An encoder or a decoder with its weights.
pub(super) struct Stack<L> {
    pub embeddings: Embedding,
    /// Vectors of positions, which are added.
    pub positions: Option<Embedding>,
    pub embeddings_norm: Option<LayerNorm>,
    pub layers: Vec<L>,
    pub final_norm: Option<LayerNorm>,
    pub width: usize,
}

impl<L: Part> TextEncoder for Stack<L> {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        self.positions.as_ref().map(Embedding::n_rows)
    }

    fn cache_layout(&self) -> Option<CacheLayout> {
        let attention = self.layers.first()?.attention();
        let width = attention.n_kv_heads * attention.head_dim;
        attention.causal.then_some(CacheLayout { n_layers: self.layers.len(), width, long_after: None })
    }

    fn share_words(&mut self, head: &Linear) {
        self.embeddings.share(head);
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let mut x = begin(&self.embeddings, self.positions.as_ref(), self.embeddings_norm.as_ref(), batch)?;
        for layer in &self.layers {
            batch.check()?;
            x = layer.forward(x, batch);
        }
        Ok(match &self.final_norm {
            Some(norm) => norm.forward(x),
            None => x,
        })
    }
}

/// A decoder's layer, which looks at the encoder's text in between.
pub(super) struct DecoderLayer<L> {
    pub own: L,
    pub cross_norm: LayerNorm,
    pub cross: CrossAttention,
}

impl Part for DecoderLayer<PreNormLayer> {
    fn attention(&self) -> &Attention {
        &self.own.attention
    }

    fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let attended = self.own.attend(x, batch);
        self.cross.forward_add(&self.cross_norm.forward_beside(&attended), &attended, batch)
    }

    fn feed(&self, attended: Hidden) -> Hidden {
        self.own.feed(attended)
    }
}

impl Part for DecoderLayer<PostNormLayer> {
    fn attention(&self) -> &Attention {
        &self.own.attention
    }

    fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let attended = self.own.attend(x, batch);
        self.cross_norm.forward(self.cross.forward_add(&attended, &attended, batch))
    }

    fn feed(&self, attended: Hidden) -> Hidden {
        self.own.feed(attended)
    }
}
