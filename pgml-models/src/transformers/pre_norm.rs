//! Layers that normalise what a block reads (Xiong et al. 2020), as all decoders of today do. An architecture says where its
//! tensors stand; what is computed stands here.

use super::stack::Layer;
use crate::nn::{Attention, FeedForward, Hidden, LayerNorm, Linear, PackedBatch, Rope};

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
