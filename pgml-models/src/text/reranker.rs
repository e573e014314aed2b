//! Cross-encoders (Nogueira, Cho 2019): query and document are read together, and a head gives one score.

use std::path::Path;

use pgml_core::text::{ModelSpec, RankArgs, Reranker, Tokens};
use pgml_core::{Result, Run, bail};
use serde::Deserialize;
use serde_json::Value;

use super::sequence_classifier::SequenceClassifier;
use super::{read_json, read_json_if_there};
use crate::transformers::n_labels;

/// A checkpoint for classifying sequences with one label.
pub struct CrossEncoder {
    classifier: SequenceClassifier,
    activation: Activation,
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
        check_modules(folder)?;
        let config: Value = read_json(&folder.join("config.json"))?;
        let n = n_labels(&config)?;
        if n != 1 {
            bail!(NotSupported, "the model has {n} labels; a model that ranks has one");
        }
        let activation = activation(folder, &config)?;
        Ok(Self { classifier: SequenceClassifier::load(folder, &config, spec, "rank", run)?, activation })
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
        documents.iter().map(|document| self.classifier.pair(query, document)).collect()
    }

    fn score_tokens(&self, batch: &[&Tokens], args: &RankArgs, run: &Run) -> Result<Vec<f64>> {
        let outputs = self.classifier.outputs(batch, run)?;
        Ok(outputs.iter().flatten().map(|output| self.score(*output, args)).collect())
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
