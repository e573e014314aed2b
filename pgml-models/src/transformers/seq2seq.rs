//! Models that make a text from another one: an encoder reads it once, and a decoder that looks at what the encoder made says
//! which token comes next.

use pgml_core::{ErrorKind, Result, bail, error::unknown_name};
use serde_json::Value;

use super::{CausalLm, TextEncoder, bart, t5};
use crate::device::Placement;
use crate::nn::{KvCache, Linear, PackedBatch, Source};

/// An architecture with encoder and decoder, before its weights are read.
pub struct Seq2Seq {
    /// The values of `model_type` in `config.json` that mean it.
    pub model_types: &'static [&'static str],
    /// Parts of names of tensors that checkpoints hold and that are not needed.
    pub ignored: &'static [&'static str],
    /// Tokens at which texts begin and end where neither `config.json` nor `generation_config.json` says anything: those of the
    /// configuration's class in transformers.
    pub defaults: &'static [(&'static str, u32)],
    /// Reads the weights; the source is the top of the checkpoint.
    pub load: fn(config: &Value, root: &Source<'_>) -> Result<Seq2SeqLm>,
}

/// Every such architecture, one line each.
#[rustfmt::skip]
pub static SEQ2SEQ: &[&Seq2Seq] = &[
    &t5::T5_SEQ2SEQ,
    &t5::MT5_SEQ2SEQ,
    &t5::UMT5_SEQ2SEQ,
    &bart::BART,
    &bart::MBART,
    &bart::MARIAN,
    &bart::PEGASUS,
    &bart::M2M100,
];

/// A model with its weights.
pub struct Seq2SeqLm {
    /// Reads a text.
    pub reader: Reader,
    /// Makes another of it.
    pub decoder: CausalLm,
}

/// The encoder, and what the decoder's layers see of what it made.
pub struct Reader {
    encoder: Box<dyn TextEncoder>,
    /// For each of the decoder's layers, keys and values side by side.
    keys_values: Vec<Linear>,
    placement: Placement,
}

/// Finds the architecture that a configuration is of, among those with encoder and decoder.
#[must_use]
pub fn find(config: &Value) -> Option<&'static Seq2Seq> {
    let model_type = config.get("model_type")?.as_str()?;
    SEQ2SEQ.iter().copied().find(|architecture| architecture.model_types.contains(&model_type))
}

/// As [`find`], where there must be one.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the configuration has no `model_type`; [`ErrorKind::NotSupported`], listing what is known.
pub fn of_config(config: &Value) -> Result<&'static Seq2Seq> {
    let Some(model_type) = config.get("model_type").and_then(Value::as_str) else {
        bail!(Corrupted, "config.json of the model has no model_type");
    };
    let known = || SEQ2SEQ.iter().flat_map(|architecture| architecture.model_types.iter().copied());
    find(config).ok_or_else(|| {
        unknown_name(ErrorKind::NotSupported, "architecture of encoder and decoder (model_type)", model_type, known())
    })
}

impl Reader {
    /// `keys_values` are the layers that make keys and values for each of the decoder's layers.
    pub(super) fn new(encoder: Box<dyn TextEncoder>, keys_values: Vec<Linear>, placement: &Placement) -> Self {
        Self { encoder, keys_values, placement: placement.clone() }
    }

    /// Most tokens of a text; unlimited where positions are relative.
    #[must_use]
    pub fn max_tokens(&self) -> Option<usize> {
        self.encoder.max_tokens()
    }

    /// Reads texts. Their keys and values go into `caches`, which are empty and have room for them.
    ///
    /// # Errors
    /// Those of [`TextEncoder::forward`]; failures of the device. The caches are to be thrown away then.
    pub fn read(&self, batch: &PackedBatch, caches: &mut [KvCache]) -> Result<()> {
        self.placement.attempt(|| {
            let hidden = self.encoder.forward(batch)?;
            for (layer, keys_values) in self.keys_values.iter().enumerate() {
                batch.check()?;
                let keys_values = keys_values.forward(&hidden);
                for (cache, rows) in caches.iter_mut().zip(batch.sequences()) {
                    cache.append(layer, &keys_values, rows);
                }
            }
            caches.iter_mut().zip(batch.sequences()).for_each(|(cache, rows)| cache.grow(rows.len()));
            Ok(())
        })
    }
}
