//! Encoders that normalise what a block adds after it is added, as the first transformers did (Vaswani et al. 2017): BERT and
//! most of its kin. An architecture says where its tensors stand; what is computed stands here.

use pgml_core::Result;

use super::stack::Layer;
use super::{TextEncoder, TokenEmbeddings};
use crate::nn::{Attention, FeedForward, Hidden, LayerNorm, Linear, PackedBatch, Rope};

/// An encoder with its weights.
pub(super) struct PostNormEncoder {
    pub embeddings: TokenEmbeddings,
    pub layers: Vec<PostNormLayer>,
    pub width: usize,
    pub max_tokens: Option<usize>,
}

/// One layer. A clone shares its matrices.
#[derive(Clone)]
pub(super) struct PostNormLayer {
    pub query_key_value: Linear,
    /// Norms of the queries and of the keys, all heads together.
    pub query_key_norms: Option<[LayerNorm; 2]>,
    pub rope: Option<Rope>,
    pub attention: Attention,
    pub attention_output: Linear,
    pub attention_norm: LayerNorm,
    /// Of the input and what attention made of it, both once more.
    pub second_norm: Option<LayerNorm>,
    pub feed_forward: FeedForward,
    pub output_norm: LayerNorm,
}

impl Layer for PostNormLayer {
    fn attention(&self) -> &Attention {
        &self.attention
    }

    fn rope(&self) -> Option<&Rope> {
        self.rope.as_ref()
    }

    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        self.feed(self.attend(x, batch))
    }
}

impl PostNormLayer {
    /// What tokens gather from each other, added to `x` and normalised.
    pub(super) fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let mut query_key_value = self.query_key_value.forward(&x);
        if let Some([query_norm, key_norm]) = &self.query_key_norms {
            query_key_value = query_norm.forward_heads(query_key_value, 0..1);
            query_key_value = key_norm.forward_heads(query_key_value, 1..2);
        }
        if let Some(rope) = &self.rope {
            query_key_value = rope.forward(query_key_value, self.attention.n_heads + self.attention.n_kv_heads, batch);
        }
        let gathered = self.attention.forward(query_key_value, batch);
        let mut attended = self.attention_norm.forward(self.attention_output.forward_add(&gathered, &x));
        if let Some(norm) = &self.second_norm {
            attended = norm.forward(attended.plus(&x));
        }
        attended
    }

    /// What the layers after attention make of it.
    pub(super) fn feed(&self, attended: Hidden) -> Hidden {
        self.output_norm.forward(self.feed_forward.forward_add(&attended, &attended))
    }
}

impl TextEncoder for PostNormEncoder {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let embedded = self.embeddings.forward(batch)?;
        Ok(self.layers.iter().fold(embedded, |x, layer| layer.forward(x, batch)))
    }
}
