//! What checkpoints have on top of their encoder: scores of a sequence, of each token, or of every word of the vocabulary.

use pgml_core::{Result, bail};
use serde_json::Value;

use super::config::vocabulary;
use crate::device::Placement;
use crate::kernels::Activation;
use crate::nn::{Hidden, LayerNorm, Linear, Matrix, PackedBatch, Pooling, Source};

/// What a head is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadKind {
    /// A score for each label of a sequence.
    Sequence,
    /// A score for each label of a token.
    Tokens,
    /// For each token, how well an answer begins there and how well it ends there.
    Spans,
    /// For each token a score of every word of the vocabulary.
    Words,
    /// For each token of a table how well its cell and its column answer, and what is to be done with the cells.
    Cells,
}

/// The heads that an architecture's checkpoints can have; `None` where transformers has no class for it.
pub struct Heads {
    /// For [`HeadKind::Sequence`].
    pub sequence: Option<LoadHead>,
    /// For [`HeadKind::Tokens`].
    pub tokens: Option<LoadHead>,
    /// For [`HeadKind::Spans`].
    pub spans: Option<LoadHead>,
    /// For [`HeadKind::Words`].
    pub words: Option<LoadHead>,
    /// For [`HeadKind::Cells`].
    pub cells: Option<LoadHead>,
}

/// Reads a head.
pub type LoadHead = fn(config: &Value, source: &HeadSource<'_>) -> Result<Head>;

/// Where a head's tensors may stand.
pub struct HeadSource<'a> {
    /// Beside the encoder.
    pub root: Source<'a>,
    /// Among the encoder's own.
    pub model: Source<'a>,
    /// Columns of the encoder's activations.
    pub width: usize,
}

/// What becomes of an encoder's activations: some of them go through a layer and a norm, where it has them, to the outputs.
pub struct Head {
    pub(super) reads: Reads,
    /// With its activation.
    pub(super) dense: Option<Linear>,
    pub(super) norm: Option<LayerNorm>,
    pub(super) outputs: Linear,
    /// Another head on the same activations, whose outputs come behind.
    pub(super) beside: Option<Box<Head>>,
    pub(super) placement: Placement,
}

/// What a head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// One vector of each sequence.
    Pooled(Pooling),
    /// The last token of each sequence that is not this one.
    LastBut(Option<u32>),
    /// Every token.
    Tokens,
}

impl Heads {
    pub(super) const NONE: Self = Self { sequence: None, tokens: None, spans: None, words: None, cells: None };

    /// Those of some decoders: labels of a sequence.
    pub(super) const SCORE: Self = Self { sequence: Some(score), ..Self::NONE };

    /// Those of others: labels of a sequence and of tokens, both by `score`.
    pub(super) const SCORES: Self = Self { tokens: Some(score_of_tokens), ..Self::SCORE };

    /// Those of most decoders: the same, and answers.
    pub(super) const DECODER: Self = Self { spans: Some(qa_outputs), ..Self::SCORES };

    /// Those of decoders that came before these: labels of tokens are those of encoders.
    pub(super) const EARLY_DECODER: Self = Self { tokens: Some(classifier), ..Self::DECODER };

    /// Those of most encoders, whose layers for tokens and for answers are `classifier` and `qa_outputs`.
    pub(super) const fn of_encoder(sequence: LoadHead, words: LoadHead) -> Self {
        let (tokens, spans) = (Some(classifier as LoadHead), Some(qa_outputs as LoadHead));
        Self { sequence: Some(sequence), tokens, spans, words: Some(words), cells: None }
    }

    /// How the head of a kind is read, where there is one.
    #[must_use]
    pub fn of(&self, kind: HeadKind) -> Option<LoadHead> {
        match kind {
            HeadKind::Sequence => self.sequence,
            HeadKind::Tokens => self.tokens,
            HeadKind::Spans => self.spans,
            HeadKind::Words => self.words,
            HeadKind::Cells => self.cells,
        }
    }
}

/// Labels of tokens by a layer `classifier`.
pub(super) fn classifier(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    Head::of_tokens(&source.root.at("classifier"), source.width, n_labels(config)?)
}

/// Beginnings and ends by a layer `qa_outputs`.
pub(super) fn qa_outputs(_: &Value, source: &HeadSource<'_>) -> Result<Head> {
    Head::of_tokens(&source.root.at("qa_outputs"), source.width, 2)
}

/// Labels of tokens by a layer `score`, as decoders have it.
pub(super) fn score_of_tokens(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    Head::of_tokens(&source.root.at("score"), source.width, n_labels(config)?)
}

/// Labels of a sequence by a layer `score` that reads its last token, as decoders have it.
pub(super) fn score(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let padding = config.get("pad_token_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    Ok(Head { reads: Reads::LastBut(padding), ..score_of_tokens(config, source)? })
}

/// What gives every word of the vocabulary a score: a layer, its norm, and one output per word.
pub(super) struct Words<'a> {
    pub dense: Source<'a>,
    pub activation: Activation,
    pub norm: Source<'a>,
    pub eps: f64,
    /// What the layer gives: as wide as the table of words.
    pub inner: usize,
    /// The outputs' own weights, where a checkpoint has them.
    pub decoder: Source<'a>,
    /// The table of words, which serves else.
    pub table: Source<'a>,
    /// Where the outputs' `bias` stands, which may be called the decoder's too.
    pub bias: Source<'a>,
}

impl Words<'_> {
    pub(super) fn load(&self, width: usize, vocabulary: usize) -> Result<Head> {
        let own = self.decoder.weights.has("weight");
        let weights = if own { &self.decoder.weights } else { &self.table.weights };
        let weight = weights.floats("weight", &[vocabulary, self.inner])?;
        // Where both are there and differ, transformers adds the decoder's.
        let own_bias = self.decoder.weights.has("bias");
        let bias = if own_bias { &self.decoder.weights } else { &self.bias.weights };
        let bias = bias.floats("bias", &[vocabulary])?.into_owned();
        let placement = self.dense.placement;
        Ok(Head {
            reads: Reads::Tokens,
            dense: Some(Linear::load(&self.dense, width, self.inner)?.with_activation(self.activation)),
            norm: Some(LayerNorm::load(&self.norm, self.inner, self.eps)?),
            outputs: Linear::new(&[&weight], Some(bias), self.inner, placement),
            beside: None,
            placement: placement.clone(),
        })
    }

    /// With as many outputs as `config.json` says.
    pub(super) fn load_all(&self, config: &Value, source: &HeadSource<'_>) -> Result<Head> {
        self.load(source.width, vocabulary(config)?)
    }
}

impl Head {
    /// A layer `dense` that reads the first token, and a score for each label.
    pub(super) fn load(
        dense: &Source<'_>,
        activation: Activation,
        classifier: &Source<'_>,
        width: usize,
        n_labels: usize,
    ) -> Result<Self> {
        Ok(Self {
            reads: Reads::Pooled(Pooling::Cls),
            dense: Some(Linear::load(dense, width, width)?.with_activation(activation)),
            ..Self::of_tokens(classifier, width, n_labels)?
        })
    }

    /// One layer for every token.
    pub(super) fn of_tokens(outputs: &Source<'_>, width: usize, n_outputs: usize) -> Result<Self> {
        Ok(Self {
            reads: Reads::Tokens,
            dense: None,
            norm: None,
            outputs: Linear::load(outputs, width, n_outputs)?,
            beside: None,
            placement: outputs.placement.clone(),
        })
    }

    /// Another head that reads the same.
    #[must_use]
    pub fn beside(&self) -> Option<&Self> {
        self.beside.as_deref()
    }

    /// Whether it gives outputs of every token, not of sequences.
    #[must_use]
    pub fn reads_tokens(&self) -> bool {
        self.reads == Reads::Tokens
    }

    /// The outputs before any activation, a row for each sequence or for each token.
    ///
    /// # Shapes
    /// - hidden: n_tokens × width
    /// - result: n_sequences × n_outputs or n_tokens × n_outputs
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](pgml_core::ErrorKind::Internal) when the device fails.
    pub fn forward(&self, hidden: Hidden, batch: &PackedBatch) -> Result<Matrix> {
        match self.reads {
            Reads::Tokens => self.compute(&hidden, batch),
            Reads::LastBut(padding) => self.forward_at(hidden, &last_tokens(batch, padding), batch),
            Reads::Pooled(pooling) => {
                let hidden = hidden.into_matrix(batch.team())?;
                let pooled = pooling.pool(&hidden, batch, false).concat();
                let pooled = Matrix::new(pooled, hidden.width(), batch.team());
                self.compute(&self.placement.place(pooled), batch)
            }
        }
    }

    /// The outputs of the tokens in `rows` of the batch alone.
    ///
    /// # Shapes
    /// - hidden: n_tokens × width
    /// - result: as many rows × n_outputs
    ///
    /// # Errors
    /// As for [`Head::forward`].
    pub fn forward_at(&self, hidden: Hidden, rows: &[usize], batch: &PackedBatch) -> Result<Matrix> {
        let hidden = hidden.into_matrix(batch.team())?;
        let values: Vec<f32> = rows.iter().flat_map(|row| hidden.row(*row)).copied().collect();
        self.compute(&self.placement.place(Matrix::new(values, hidden.width(), batch.team())), batch)
    }

    fn compute(&self, read: &Hidden, batch: &PackedBatch) -> Result<Matrix> {
        let inner = self.dense.as_ref().map(|dense| dense.forward(read));
        let outputs = match (inner, &self.norm) {
            (Some(inner), Some(norm)) => self.outputs.forward(&norm.forward(inner)),
            (Some(inner), None) => self.outputs.forward(&inner),
            (None, _) => self.outputs.forward(read),
        };
        outputs.into_matrix(batch.team())
    }
}

/// The rows of the last tokens that are not `padding`; of the first where all are.
fn last_tokens(batch: &PackedBatch, padding: Option<u32>) -> Vec<usize> {
    let last = |rows: std::ops::Range<usize>| {
        let first = rows.start;
        rows.rev().find(|row| Some(batch.ids()[*row]) != padding).unwrap_or(first)
    };
    batch.sequences().map(last).collect()
}

/// How many labels a configuration has: 2 where it says nothing, as in transformers.
///
/// # Errors
/// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) for a configuration that lists none.
pub fn n_labels(config: &Value) -> Result<usize> {
    let listed = config.get("id2label").and_then(Value::as_object).map(serde_json::Map::len);
    let counted = || config.get("num_labels").and_then(Value::as_u64).map(|n| n as usize);
    match listed.or_else(counted).unwrap_or(2) {
        0 => bail!(Corrupted, "config.json of the model lists no labels"),
        n => Ok(n),
    }
}
