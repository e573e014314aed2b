//! Checkpoints that give a sequence a score for each of their labels.

use std::path::Path;

use pgml_core::text::{ModelSpec, Tokens};
use pgml_core::{Result, Run, bail};
use serde_json::Value;

use super::groups::groups;
use super::modules::max_seq_length;
use super::teams::team;
use super::tokenizer::{Tokenizer, TokenizerConfig};
use crate::checkpoint::Checkpoint;
use crate::device::{Placement, Share};
use crate::nn::{PackedBatch, Source};
use crate::transformers::{self, Head, HeadSource, TextEncoder};

/// An encoder with a head on top, and its tokenizer.
pub(super) struct SequenceClassifier {
    tokenizer: Tokenizer,
    reads_types: bool,
    encoder: Box<dyn TextEncoder>,
    head: Head,
    placement: Placement,
    _share: Share,
}

impl SequenceClassifier {
    /// Reads the model in `folder`, whose configuration is `config`; `what` is what it is to do.
    pub(super) fn load(folder: &Path, config: &Value, spec: &ModelSpec, what: &str, run: &Run) -> Result<Self> {
        let placement = Placement::of(spec)?;
        placement.attempt(|| Self::load_on(folder, config, &placement, what, run))
    }

    fn load_on(folder: &Path, config: &Value, placement: &Placement, what: &str, run: &Run) -> Result<Self> {
        // Dropped last, also if this fails.
        let share = placement.share();
        run.check()?;
        let (encoder, head) = load_checkpoint(folder, config, placement, what)?;
        let tokens = TokenizerConfig::read(folder)?;
        let max_tokens =
            [max_seq_length(folder)?, tokens.max_tokens(), encoder.max_tokens()].into_iter().flatten().min();
        Ok(Self {
            tokenizer: Tokenizer::load(folder, max_tokens.unwrap_or(usize::MAX))?,
            reads_types: tokens.model_input_names.is_none_or(|names| names.iter().any(|name| name == "token_type_ids")),
            encoder,
            head,
            placement: placement.clone(),
            _share: share,
        })
    }

    /// One text as the model reads it.
    pub(super) fn text(&self, text: &str) -> Result<Tokens> {
        self.tokenizer.text(text).map(|tokens| self.typed(tokens))
    }

    /// Two texts as the model reads them together.
    pub(super) fn pair(&self, first: &str, second: &str) -> Result<Tokens> {
        self.tokenizer.pair(first, second).map(|tokens| self.typed(tokens))
    }

    fn typed(&self, mut tokens: Tokens) -> Tokens {
        if !self.reads_types {
            tokens.type_ids.fill(0);
        }
        tokens
    }

    /// For each sequence a number per label, before any activation.
    pub(super) fn outputs(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        if let Some(i) = batch.iter().position(|tokens| tokens.is_empty()) {
            bail!(InvalidData, "text {i} of the batch has no tokens: the model's tokenizer adds none");
        }
        let team = team(run.threads());
        let mut outputs = Vec::with_capacity(batch.len());
        for group in groups(batch, |size| size.fits(&self.placement, run.threads())) {
            run.check()?;
            let packed = PackedBatch::new(group, &team);
            let logits = self.placement.attempt(|| self.head.forward(self.encoder.forward(&packed)?, &packed))?;
            outputs.extend((0..logits.rows()).map(|i| logits.row(i).to_vec()));
        }
        Ok(outputs)
    }
}

fn load_checkpoint(
    folder: &Path,
    config: &Value,
    placement: &Placement,
    what: &str,
) -> Result<(Box<dyn TextEncoder>, Head)> {
    let architecture = transformers::of_config(config)?;
    let Some(load_head) = architecture.head else {
        bail!(NotSupported, "models of type {} cannot {what} here", config["model_type"]);
    };
    let checkpoint = Checkpoint::open(folder)?;
    let root = Source { weights: checkpoint.weights(), placement };
    let model = root.at_or_here(architecture.prefix);
    let encoder = (architecture.load)(config, &model)?;
    let head = load_head(config, &HeadSource { root, model })?;
    checkpoint.all_used(architecture.ignored)?;
    Ok((encoder, head))
}
