//! Encoders that normalise what a block reads (Xiong et al. 2020), among them all that began as decoders. An architecture says
//! where its tensors stand; what is computed stands here.

use pgml_core::Result;

use super::TextEncoder;
use crate::nn::embedding::sum;
use crate::nn::{Attention, CacheLayout, Embedding, FeedForward, Hidden, LayerNorm, Linear, PackedBatch, Rope};

/// An encoder with its weights.
pub(super) struct PreNormEncoder {
    pub embeddings: Embedding,
    /// Learnt vectors of positions, which are added.
    pub positions: Option<Embedding>,
    pub embeddings_norm: Option<LayerNorm>,
    pub layers: Vec<PreNormLayer>,
    pub final_norm: LayerNorm,
    pub width: usize,
    pub max_tokens: Option<usize>,
}

/// One layer.
pub(super) struct PreNormLayer {
    /// Absent where the input is normalised already.
    pub attention_norm: Option<LayerNorm>,
    pub query_key_value: Linear,
    /// Norms of each head of the queries and of the keys (Henry et al. 2020).
    pub query_key_norms: Option<[LayerNorm; 2]>,
    pub rope: Option<Rope>,
    pub attention: Attention,
    pub attention_output: Linear,
    /// Norms of what attention and the layers after it add.
    pub output_norms: Option<[LayerNorm; 2]>,
    pub feed_forward_norm: LayerNorm,
    pub feed_forward: FeedForward,
}

impl PreNormLayer {
    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let attended = self.attend(x, batch);
        let normed = self.feed_forward_norm.forward_beside(&attended);
        match &self.output_norms {
            None => self.feed_forward.forward_add(&normed, &attended),
            Some([_, norm]) => norm.forward(self.feed_forward.forward(&normed)).plus(&attended),
        }
    }

    /// `x` and what its tokens gather from each other.
    fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let mut query_key_value = match &self.attention_norm {
            Some(norm) => self.query_key_value.forward(&norm.forward_beside(&x)),
            None => self.query_key_value.forward(&x),
        };
        let (n_heads, n_turned) = (self.attention.n_heads, self.attention.n_heads + self.attention.n_kv_heads);
        if let Some([query_norm, key_norm]) = &self.query_key_norms {
            query_key_value = query_norm.forward_heads(query_key_value, 0..n_heads);
            query_key_value = key_norm.forward_heads(query_key_value, n_heads..n_turned);
        }
        if let Some(rope) = &self.rope {
            query_key_value = rope.forward(query_key_value, n_turned, batch);
        }
        let gathered = self.attention.forward(query_key_value, batch);
        match &self.output_norms {
            None => self.attention_output.forward_add(&gathered, &x),
            Some([norm, _]) => norm.forward(self.attention_output.forward(&gathered)).plus(&x),
        }
    }
}

impl TextEncoder for PreNormEncoder {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    fn cache_layout(&self) -> Option<CacheLayout> {
        let attention = &self.layers.first()?.attention;
        let width = attention.n_kv_heads * attention.head_dim;
        attention.causal.then_some(CacheLayout { n_layers: self.layers.len(), width })
    }

    fn share_words(&mut self, head: &Linear) {
        self.embeddings.share(head);
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let mut x = match &self.positions {
            None => self.embeddings.forward(batch.ids(), batch)?,
            Some(positions) => sum(&[(&self.embeddings, batch.ids()), (positions, &batch.positions(0))], batch)?,
        };
        if let Some(norm) = &self.embeddings_norm {
            x = norm.forward(x);
        }
        for layer in &self.layers {
            batch.check()?;
            x = layer.forward(x, batch);
        }
        Ok(self.final_norm.forward(x))
    }
}
