//! Attention of a text that grows to another text, from which it is made (Vaswani et al. 2017): the keys and values of that
//! other text were computed once, and lie where sequences keep theirs.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use pgml_core::Result;

use super::linear::Piece;
use super::{Attention, Hidden, KvCache, Linear, Matrix, PackedBatch, Source};
use crate::kernels::{Paged, Tokens};

/// Where a checkpoint has the four layers of an attention.
pub struct Projections<'a> {
    /// Of the queries.
    pub query: Source<'a>,
    /// Of the keys.
    pub key: Source<'a>,
    /// Of the values.
    pub value: Source<'a>,
    /// Of what was gathered.
    pub output: Source<'a>,
}

/// The decoder's side: queries, and what is made of what they gather.
#[derive(Debug, Clone)]
pub struct CrossAttention {
    query: Linear,
    attention: Attention,
    output: Linear,
}

impl CrossAttention {
    /// Reads queries and output. `attention` sees everything, and says in which of the decoder's layers it is.
    ///
    /// # Errors
    /// Those of [`Linear::load`].
    pub fn load(at: &Projections<'_>, width: usize, attention: Attention) -> Result<Self> {
        let inner = attention.n_heads * attention.head_dim;
        let (query, output) = (Linear::load(&at.query, width, inner)?, Linear::load(&at.output, inner, width)?);
        Ok(Self { query, attention, output })
    }

    /// Reads the encoder's side: the layer that makes keys and values, side by side, of what an encoder of `width` columns
    /// made; [`KvCache::append`] takes them.
    ///
    /// # Errors
    /// Those of [`Linear::joined`].
    pub fn load_keys_values(at: &Projections<'_>, width: usize, inner: usize) -> Result<Linear> {
        let pieces = [&at.key, &at.value].map(|source| Piece { source: source.clone(), outputs: inner });
        Linear::joined(&pieces, width)
    }

    /// `residual` and what the tokens of `x` gather from the texts that theirs are made from.
    ///
    /// # Shapes
    /// x, residual and result: n_tokens × width
    ///
    /// # Panics
    /// When the batch's texts are not made from others.
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, residual: &Hidden, batch: &PackedBatch) -> Hidden {
        assert_eq!(batch.sources().len(), batch.n_sequences(), "every sequence is made from a text");
        let gathered = match self.query.forward(x) {
            Hidden::Host(queries) => Hidden::Host(self.on_host(&queries, batch)),
            Hidden::Device(queries) => Hidden::Device(self.on_device(&queries, batch)),
        };
        self.output.forward_add(&gathered, residual)
    }

    fn on_host(&self, queries: &Matrix, batch: &PackedBatch) -> Matrix {
        let sources: Vec<Paged<'_>> =
            batch.sources().iter().map(|source| source.paged(self.attention.layer, 0)).collect();
        let tokens = Tokens { data: queries.values(), stride: queries.width() };
        let mut out = queries.unfilled(queries.width());
        self.attention.kernel(None).apply_paged(queries.team(), tokens, batch.offsets(), &sources, out.values_mut());
        out
    }

    fn on_device(&self, queries: &Tensor<2>, batch: &PackedBatch) -> Tensor<2> {
        let one = |(source, rows): (&Arc<KvCache>, Range<usize>)| {
            let queries = queries.clone().slice_dim(0, rows);
            match source.tensors(self.attention.layer) {
                Some(keys_values) => self.attention.gather(queries, keys_values.clone(), 0),
                // Of a text without tokens nothing is gathered.
                None => queries.zeros_like(),
            }
        };
        Tensor::cat(batch.sources().iter().zip(batch.sequences()).map(one).collect(), 0)
    }
}
