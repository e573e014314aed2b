//! Checkpoints that give a sequence a score for each of their labels.

use std::path::Path;

use pgml_core::text::{ModelSpec, Tokens};
use pgml_core::{Result, Run};
use serde_json::Value;

use super::headed::{Aim, Headed};
use super::tokenizer::{Tokenizer, TokenizerConfig};
use crate::transformers::HeadKind;

/// An encoder with a head on top, and its tokenizer.
pub(super) struct SequenceClassifier {
    tokenizer: Tokenizer,
    reads_types: bool,
    model: Headed,
}

impl SequenceClassifier {
    /// Reads the model in `folder`, whose configuration is `config`; `what` is what it is to do.
    pub(super) fn load(folder: &Path, config: &Value, spec: &ModelSpec, what: &'static str, run: &Run) -> Result<Self> {
        let model = Headed::load(folder, config, spec, Aim { head: Some(HeadKind::Sequence), what }, run)?;
        Ok(Self {
            tokenizer: Tokenizer::load(folder, model.max_tokens().unwrap_or(usize::MAX))?,
            reads_types: TokenizerConfig::read(folder)?.reads_types(),
            model,
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
        self.model.outputs(batch, run)
    }
}
