//! Cross-encoders (Nogueira, Cho 2019): query and document are read together, and a head gives one score.

use std::path::Path;

use pgml_core::text::{ModelSpec, RankArgs, Reranker, Tokens};
use pgml_core::{Result, Run, bail};
use serde::Deserialize;
use serde_json::Value;

use super::groups::groups;
use super::modules::max_seq_length;
use super::teams::team;
use super::tokenizer::{Tokenizer, TokenizerConfig};
use super::{read_json, read_json_if_there};
use crate::checkpoint::Checkpoint;
use crate::device::{Placement, Share};
use crate::nn::{PackedBatch, Source};
use crate::transformers::{self, Head, HeadSource, TextEncoder, n_labels};

/// A checkpoint for classifying sequences with one label.
pub struct CrossEncoder {
    tokenizer: Tokenizer,
    reads_types: bool,
    encoder: Box<dyn TextEncoder>,
    head: Head,
    activation: Activation,
    placement: Placement,
    _share: Share,
}

/// What makes a score of the head's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    Sigmoid,
    Identity,
}

#[derive(Deserialize)]
struct Module {
    path: String,
}

impl CrossEncoder {
    /// Reads the model in `folder`.
    ///
    /// # Errors
    /// See [`load_reranker`](super::load_reranker).
    pub fn load(folder: &Path, spec: &ModelSpec, run: &Run) -> Result<Self> {
        let placement = Placement::of(spec)?;
        placement.attempt(|| Self::load_on(folder, &placement, run))
    }

    fn load_on(folder: &Path, placement: &Placement, run: &Run) -> Result<Self> {
        // Dropped last, also if this fails.
        let share = placement.share();
        check_modules(folder)?;
        let config: Value = read_json(&folder.join("config.json"))?;
        run.check()?;
        let (encoder, head) = load_checkpoint(folder, &config, placement)?;
        let tokens = TokenizerConfig::read(folder)?;
        let max_tokens =
            [max_seq_length(folder)?, tokens.max_tokens(), encoder.max_tokens()].into_iter().flatten().min();
        Ok(Self {
            tokenizer: Tokenizer::load(folder, max_tokens.unwrap_or(usize::MAX))?,
            reads_types: tokens.model_input_names.is_none_or(|names| names.iter().any(|name| name == "token_type_ids")),
            encoder,
            head,
            activation: activation(folder, &config)?,
            placement: placement.clone(),
            _share: share,
        })
    }

    fn score(&self, logit: f32, args: &RankArgs) -> f64 {
        let activation = match args.activation.as_deref() {
            Some("sigmoid") => Activation::Sigmoid,
            Some("identity") => Activation::Identity,
            _ => self.activation,
        };
        match activation {
            Activation::Sigmoid => 1.0 / (1.0 + (-f64::from(logit)).exp()),
            Activation::Identity => f64::from(logit),
        }
    }
}

impl Reranker for CrossEncoder {
    fn tokenize(&self, query: &str, documents: &[&str]) -> Result<Vec<Tokens>> {
        let tokens = |document: &&str| {
            let mut tokens = self.tokenizer.pair(query, document)?;
            if !self.reads_types {
                tokens.type_ids.fill(0);
            }
            Ok(tokens)
        };
        documents.iter().map(tokens).collect()
    }

    fn score_tokens(&self, batch: &[&Tokens], args: &RankArgs, run: &Run) -> Result<Vec<f64>> {
        if let Some(i) = batch.iter().position(|tokens| tokens.is_empty()) {
            bail!(InvalidData, "pair {i} of the batch has no tokens: the model's tokenizer adds none");
        }
        let team = team(run.threads());
        let mut scores = Vec::with_capacity(batch.len());
        for group in groups(batch, |size| size.fits(&self.placement, run.threads())) {
            run.check()?;
            let packed = PackedBatch::new(group, &team);
            let logits = self.placement.attempt(|| self.head.forward(self.encoder.forward(&packed)?, &packed))?;
            scores.extend(logits.values().iter().map(|logit| self.score(*logit, args)));
        }
        Ok(scores)
    }
}

/// Refuses what a sentence-transformers folder can put around the checkpoint.
fn check_modules(folder: &Path) -> Result<()> {
    let modules: Vec<Module> = read_json_if_there(&folder.join("modules.json"))?.unwrap_or_default();
    match modules.as_slice() {
        [] => Ok(()),
        [only] if only.path.is_empty() => Ok(()),
        _ => bail!(NotSupported, "the reranker's modules.json has {} modules; known: one Transformer", modules.len()),
    }
}

fn load_checkpoint(folder: &Path, config: &Value, placement: &Placement) -> Result<(Box<dyn TextEncoder>, Head)> {
    let architecture = transformers::of_config(config)?;
    let Some(load_head) = architecture.head else {
        bail!(NotSupported, "models of type {} cannot rank here", config["model_type"]);
    };
    let n = n_labels(config)?;
    if n != 1 {
        bail!(NotSupported, "the model has {n} labels; a model that ranks has one");
    }
    let checkpoint = Checkpoint::open(folder)?;
    let root = Source { weights: checkpoint.weights(), placement };
    let model = root.at_or_here(architecture.prefix);
    let encoder = (architecture.load)(config, &model)?;
    let head = load_head(config, &HeadSource { root, model })?;
    checkpoint.all_used(architecture.ignored)?;
    Ok((encoder, head))
}

/// What the model's folder says of it, in the places where sentence-transformers looks; else the sigmoid.
fn activation(folder: &Path, config: &Value) -> Result<Activation> {
    let own: Value = read_json_if_there(&folder.join("config_sentence_transformers.json"))?.unwrap_or_default();
    let places = [
        own.get("activation_fn"),
        config.get("sentence_transformers").and_then(|own| own.get("activation_fn")),
        config.get("sbert_ce_default_activation_function"),
    ];
    match places.into_iter().flatten().find_map(Value::as_str) {
        None => Ok(Activation::Sigmoid),
        Some(path) => match path.rsplit('.').next() {
            Some("Sigmoid") => Ok(Activation::Sigmoid),
            Some("Identity") => Ok(Activation::Identity),
            _ => bail!(NotSupported, "the reranker's activation \"{path}\" is not supported; known: Sigmoid, Identity"),
        },
    }
}
