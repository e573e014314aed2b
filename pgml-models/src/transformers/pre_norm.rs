//! Encoders that normalise what a block reads (Xiong et al. 2020), among them all that began as decoders. An architecture says
//! where its tensors stand; what is computed stands here.

use pgml_core::Result;

use super::TextEncoder;
use crate::nn::embedding::sum;
use crate::nn::{Attention, CacheLayout, Embedding, FeedForward, Hidden, LayerNorm, Linear, PackedBatch, Rope};

/// A layer of such an encoder.
pub(super) trait Layer: Send + Sync {
    /// What its tokens look at.
    fn attention(&self) -> &Attention;

    /// How positions turn its queries and keys.
    fn rope(&self) -> Option<&Rope>;

    /// # Shapes
    /// x and result: n_tokens × width
    fn forward(&self, x: Hidden, batch: &PackedBatch) -> Hidden;
}

/// An encoder with its weights.
pub(super) struct PreNormEncoder<L = PreNormLayer> {
    pub embeddings: Embedding,
    /// Learnt vectors of positions, which are added.
    pub positions: Option<Embedding>,
    pub embeddings_norm: Option<LayerNorm>,
    pub layers: Vec<L>,
    pub final_norm: LayerNorm,
    pub width: usize,
    pub max_tokens: Option<usize>,
}

/// One layer.
pub(super) struct PreNormLayer {
    /// Absent where the input is normalised already.
    pub attention_norm: Option<LayerNorm>,
    pub query_key_value: Linear,
    /// Norms of each head of the queries and of the keys (Henry et al. 2020), or of all of them together (OLMo 2).
    pub query_key_norms: Option<[LayerNorm; 2]>,
    pub rope: Option<Rope>,
    pub attention: Attention,
    pub attention_output: Linear,
    /// Norms of what attention and the layers after it add.
    pub output_norms: Option<[LayerNorm; 2]>,
    /// Absent where only outputs are normalised (OLMo 2).
    pub feed_forward_norm: Option<LayerNorm>,
    pub feed_forward: FeedForward,
}

impl Layer for PreNormLayer {
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

impl PreNormLayer {
    /// What attention gave and what the layers after it make of that.
    pub(super) fn feed(&self, attended: Hidden) -> Hidden {
        let normed = self.feed_forward_norm.as_ref().map(|norm| norm.forward_beside(&attended));
        let input = normed.as_ref().unwrap_or(&attended);
        match &self.output_norms {
            None => self.feed_forward.forward_add(input, &attended),
            Some([_, norm]) => norm.forward(self.feed_forward.forward(input)).plus(&attended),
        }
    }

    /// `x` and what its tokens gather from each other.
    pub(super) fn attend(&self, x: Hidden, batch: &PackedBatch) -> Hidden {
        let gathered = match &self.attention_norm {
            Some(norm) => self.gather(&norm.forward_beside(&x), batch),
            None => self.gather(&x, batch),
        };
        match &self.output_norms {
            None => self.attention_output.forward_add(&gathered, &x),
            Some([norm, _]) => norm.forward(self.attention_output.forward(&gathered)).plus(&x),
        }
    }

    /// What tokens gather from each other, which is not yet brought to the width of the model.
    pub(super) fn gather(&self, normed: &Hidden, batch: &PackedBatch) -> Hidden {
        let mut query_key_value = self.query_key_value.forward(normed);
        let [queries_end, keys_end] = self.attention.ends();
        if let Some([query_norm, key_norm]) = &self.query_key_norms {
            query_key_value = query_norm.forward_columns(query_key_value, 0..queries_end);
            query_key_value = key_norm.forward_columns(query_key_value, queries_end..keys_end);
        }
        if let Some(rope) = &self.rope {
            let n_turned = self.attention.n_heads + self.attention.n_kv_heads;
            query_key_value = rope.forward(query_key_value, n_turned, batch);
        }
        self.attention.forward(query_key_value, batch)
    }
}

impl<L: Layer> TextEncoder for PreNormEncoder<L> {
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
        let mut x = begin(&self.embeddings, self.positions.as_ref(), self.embeddings_norm.as_ref(), batch)?;
        for layer in &self.layers {
            batch.check()?;
            x = layer.forward(x, batch);
        }
        Ok(self.final_norm.forward(x))
    }
}

/// The vectors of a batch's tokens and, where they are learnt, of their positions, normalised where that is asked for.
pub(super) fn begin(
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
