//! What the layers of an encoder begin with: the sum of a row for the token, one for its place and one for its part of a pair.

use pgml_core::Result;

use crate::nn::{Embedding, Hidden, LayerNorm, Linear, PackedBatch, embedding};

/// The tables, those that an architecture has.
pub(super) struct TokenEmbeddings {
    pub word_embeddings: Embedding,
    /// The table, and the number of the first place.
    pub position_embeddings: Option<(Embedding, u32)>,
    pub token_type_embeddings: Option<Embedding>,
    pub layer_norm: LayerNorm,
    /// From the tables' width to that of the layers.
    pub projection: Option<Linear>,
}

impl TokenEmbeddings {
    /// The most tokens that the table of positions has rows for.
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.position_embeddings.as_ref().map(|(table, first)| table.n_rows().saturating_sub(*first as usize))
    }

    /// # Shapes
    /// result: n_tokens × width
    pub(super) fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let positions = self.position_embeddings.as_ref().map(|(table, first)| (table, batch.positions(*first)));
        let mut tables = vec![(&self.word_embeddings, batch.ids())];
        tables.extend(positions.as_ref().map(|(table, positions)| (*table, &positions[..])));
        // A table of one row tells nothing apart, whatever the tokenizer says.
        let one_type = vec![0; batch.n_tokens()];
        tables.extend(self.token_type_embeddings.as_ref().map(|table| match table.n_rows() {
            1 => (table, &one_type[..]),
            _ => (table, batch.type_ids()),
        }));
        let normed = self.layer_norm.forward(embedding::sum(&tables, batch)?);
        Ok(match &self.projection {
            Some(projection) => projection.forward(&normed),
            None => normed,
        })
    }
}
