//! Architectures, one file each. Field names are the checkpoints' keys.

pub mod albert;
pub mod bart;
pub mod bart_whole;
pub mod bert;
pub mod bloom;
pub mod causal;
pub mod cohere;
mod config;
pub mod deberta_v2;
pub mod decoder;
pub mod distilbert;
pub mod falcon;
pub mod gemma;
pub mod gemma2;
pub mod gemma3;
pub mod gguf;
pub mod gpt2;
pub mod gpt_neo;
pub mod gpt_neox;
pub mod gptj;
pub mod granite;
pub mod gte;
pub mod head;
mod jina_bert;
pub mod mixtral;
pub mod modernbert;
pub mod mpnet;
pub mod mpt;
pub mod nomic_bert;
pub mod olmo;
pub mod opt;
mod parallel;
pub mod phi;
pub mod phi3;
mod positions;
mod post_norm;
mod pre_norm;
pub mod qwen_moe;
mod rope_config;
pub mod seq2seq;
pub mod smollm3;
pub mod stablelm;
mod stack;
pub mod starcoder2;
pub mod t5;
pub mod tapas;
mod token_embeddings;

use pgml_core::{ErrorKind, Result, bail, error::unknown_name};
use serde_json::Value;

use crate::nn::{CacheLayout, Hidden, Linear, PackedBatch, Source};

pub use causal::{CAUSAL, Causal, CausalLm};
use config::check_heads;
pub(crate) use config::only;
pub use config::{activation, read};
pub use head::{Head, HeadKind, HeadSource, Heads, LoadHead, n_labels};
use post_norm::{PostNormEncoder, PostNormLayer};
use pre_norm::PreNormLayer;
use rope_config::rope;
pub use seq2seq::{Reader, SEQ2SEQ, Seq2Seq, Seq2SeqLm};
use stack::{DecoderLayer, Stack};
use token_embeddings::TokenEmbeddings;

/// An architecture that turns tokens into activations, before its weights are read.
pub struct Encoder {
    /// The values of `model_type` in `config.json` that mean it.
    pub model_types: &'static [&'static str],
    /// What a head's checkpoint puts the encoder's tensors under, as in `bert.encoder.layer.0…`.
    pub prefix: &'static str,
    /// Parts of names of tensors that checkpoints hold and that embeddings do not need.
    pub ignored: &'static [&'static str],
    /// Reads the weights.
    pub load: fn(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>>,
    /// What checkpoints for tasks have on top, where that is known.
    pub head: Option<Heads>,
}

/// An encoder with its weights.
pub trait TextEncoder: Send + Sync {
    /// Columns of the activations.
    fn width(&self) -> usize;

    /// Most tokens of one sequence; unlimited where positions are relative.
    fn max_tokens(&self) -> Option<usize>;

    /// What it keeps of each token of a text that grows; `None` where tokens see what follows them.
    fn cache_layout(&self) -> Option<CacheLayout> {
        None
    }

    /// Lets the vectors of tokens be rows of the weight of `head`, which is the same table.
    fn share_words(&mut self, _head: &Linear) {}

    /// The last layer's activations, n_tokens × width.
    ///
    /// # Errors
    /// Those of [`Embedding::forward`](crate::nn::Embedding::forward).
    fn forward(&self, batch: &PackedBatch) -> Result<Hidden>;
}

/// Every encoder, one line each.
// One line per architecture, also while there are few: that is what an author adds.
#[rustfmt::skip]
pub static ENCODERS: &[&Encoder] = &[
    &bert::BERT,
    &bert::ROBERTA,
    &bert::ELECTRA,
    &distilbert::DISTILBERT,
    &albert::ALBERT,
    &mpnet::MPNET,
    &deberta_v2::DEBERTA_V2,
    &modernbert::MODERNBERT,
    &nomic_bert::NOMIC_BERT,
    &gte::NEW,
    &gte::GTE,
    &t5::T5,
    &bart_whole::BART_WHOLE,
    &tapas::TAPAS,
    &decoder::LLAMA,
    &decoder::MISTRAL,
    &decoder::QWEN2,
    &decoder::QWEN3,
    &gemma3::GEMMA3,
];

/// Finds the encoder that a configuration is of.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when it has no `model_type`; those of [`encoder`].
pub fn of_config(config: &Value) -> Result<&'static Encoder> {
    match config.get("model_type").and_then(Value::as_str) {
        Some(model_type) => encoder(model_type),
        None => bail!(Corrupted, "config.json of the model has no model_type"),
    }
}

/// Finds what is below the head of a task: an encoder, or what else continues texts.
///
/// # Errors
/// Those of [`of_config`].
pub fn body_of_config(config: &Value) -> Result<&'static Encoder> {
    of_config(config).or_else(|error| causal::of_config(config).map(|causal| causal.body).map_err(|_| error))
}

/// Finds an encoder by the `model_type` of its configuration.
///
/// # Errors
/// [`ErrorKind::NotSupported`], listing what is known.
pub fn encoder(model_type: &str) -> Result<&'static Encoder> {
    let known = || ENCODERS.iter().flat_map(|encoder| encoder.model_types.iter().copied());
    ENCODERS
        .iter()
        .copied()
        .find(|encoder| encoder.model_types.contains(&model_type))
        .ok_or_else(|| unknown_name(ErrorKind::NotSupported, "architecture (model_type)", model_type, known()))
}
