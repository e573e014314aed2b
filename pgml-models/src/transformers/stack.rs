//! Layers one after the other, and what they begin and end with (Vaswani et al. 2017): decoders, and encoders whose words have no
//! more than vectors of their own and of their positions. An architecture says where its tensors stand; what is computed stands here.

use pgml_core::Result;

use super::{PostNormLayer, PreNormLayer, TextEncoder};
use crate::nn::embedding::sum;
use crate::nn::{Attention, CacheLayout, CrossAttention, Embedding, Hidden, LayerNorm, Linear, PackedBatch, Rope};

/// One layer: attention, and what follows it.
pub(super) trait Layer: Send + Sync {
    /// How tokens see each other.
    fn attention(&self) -> &Attention;

    /// How positions turn its queries and keys.
    fn rope(&self) -> Option<&Rope> {
        None
    }

    /// # Shapes
    /// x and result: n_tokens × width
    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden;
}

/// An encoder or a decoder with its weights.
pub(super) struct Stack<L = PreNormLayer> {
    pub embeddings: Embedding,
    /// Vectors of positions, which are added.
    pub positions: Option<Embedding>,
    pub embeddings_norm: Option<LayerNorm>,
    pub layers: Vec<L>,
    pub final_norm: Option<LayerNorm>,
    pub width: usize,
    pub max_tokens: Option<usize>,
}

impl<L: Layer> TextEncoder for Stack<L> {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    fn cache_layout(&self) -> Option<CacheLayout> {
        let attention = self.layers.first()?.attention();
        let width = attention.n_kv_heads * attention.head_dim;
        let long_after = self.layers.iter().find_map(|layer| layer.rope()?.long_after());
        attention.causal.then_some(CacheLayout { n_layers: self.layers.len(), width, long_after })
    }

    fn share_words(&mut self, head: &Linear) {
        self.embeddings.share(head);
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let begun = begin(&self.embeddings, self.positions.as_ref(), self.embeddings_norm.as_ref(), batch)?;
        self.go_on(begun, batch)
    }
}

impl<L: Layer> Stack<L> {
    /// What the layers make of vectors.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
    ///
    /// # Shapes
    /// x and result: n_tokens × width
    pub(super) fn go_on(&self, mut x: Hidden, batch: &PackedBatch) -> Result<Hidden> {
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

/// The vectors of a batch's tokens and, where they are learnt, of their positions, normalised where that is asked for.
fn begin(
    embeddings: &Embedding,
    positions: Option<&Embedding>,
    norm: Option<&LayerNorm>,
    batch: &PackedBatch,
) -> Result<Hidden> {
    let x = match positions {
        None => embeddings.forward(batch.ids(), batch)?,
        Some(positions) => sum(&[(embeddings, batch.ids()), (positions, &batch.positions(0))], batch)?,
    };
    Ok(match norm {
        Some(norm) => norm.forward(x),
        None => x,
    })
}

/// A decoder's layer, which looks at the encoder's text in between.
pub(super) struct DecoderLayer<L> {
    pub own: L,
    pub cross_norm: LayerNorm,
    pub cross: CrossAttention,
}

impl Layer for DecoderLayer<PreNormLayer> {
    fn attention(&self) -> &Attention {
        &self.own.attention
    }

    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let attended = self.own.attend(x, batch);
        let looked = self.cross.forward_add(&self.cross_norm.forward_beside(&attended), &attended, batch);
        self.own.feed(looked)
    }
}

impl Layer for DecoderLayer<PostNormLayer> {
    fn attention(&self) -> &Attention {
        &self.own.attention
    }

    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let attended = self.own.attend(x, batch);
        let looked = self.cross.forward_add(&attended, &attended, batch);
        self.own.feed(self.cross_norm.forward(looked))
    }
}
