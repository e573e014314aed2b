//! Text models as the contracts of `pgml-core` want them, read from folders laid out like Hugging Face snapshots.

mod active;
mod answerer;
mod byte_tokens;
mod classifier;
mod embedder;
mod features;
mod filler;
mod generator;
mod gguf;
mod groups;
mod growing;
mod headed;
mod languages;
mod modules;
mod numeric;
mod pipelines;
mod prefixes;
mod reader;
mod reranker;
mod sentencepiece;
mod sequence_classifier;
mod sources;
mod table;
mod table_tokens;
mod tagger;
mod teams;
mod tokenizer;
mod word_pieces;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pgml_core::text::{Embedder, ModelSpec, Reranker, TextGenerator};
use pgml_core::{Error, ErrorKind, Result, Run};
use serde::de::DeserializeOwned;

pub use answerer::Answerer;
pub use classifier::{Classifier, ZeroShotClassifier};
pub use embedder::SentenceEmbedder;
pub use features::{FeatureExtractor, Similarity};
pub use filler::Filler;
pub use generator::CheckpointGenerator;
pub use gguf::GgufModel;
pub use pipelines::{Folder, load_pipeline, task_of};
pub use reranker::CrossEncoder;
pub use table::TableAnswerer;
pub use tagger::Tagger;

/// Reads the embedder in `folder`, in the form that `spec` asks for.
///
/// # Errors
/// [`ErrorKind::NotFound`] or [`ErrorKind::Corrupted`] for a folder that is no model, [`ErrorKind::NotSupported`] for an
/// architecture, module, device or precision that is not known, each naming it.
pub fn load_embedder(folder: &Path, spec: &ModelSpec, run: &Run) -> Result<Arc<dyn Embedder>> {
    Ok(Arc::new(SentenceEmbedder::load(folder, spec, run)?))
}

/// Reads the cross-encoder in `folder`, in the form that `spec` asks for.
///
/// # Errors
/// As for [`load_embedder`], and [`ErrorKind::NotSupported`] for a model that gives other than one score.
pub fn load_reranker(folder: &Path, spec: &ModelSpec, run: &Run) -> Result<Arc<dyn Reranker>> {
    Ok(Arc::new(CrossEncoder::load(folder, spec, run)?))
}

/// Reads the checkpoint in `folder` that continues texts or makes texts from others, in the form that `spec` asks for.
///
/// # Errors
/// As for [`load_embedder`].
pub fn load_generator(folder: &Path, spec: &ModelSpec, run: &Run) -> Result<Arc<dyn TextGenerator>> {
    Ok(Arc::new(CheckpointGenerator::load(folder, spec, run)?))
}

/// Parses a JSON file.
///
/// # Errors
/// [`ErrorKind::NotFound`] when it is not there, [`ErrorKind::Corrupted`] when it is not what was expected.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(|e| {
        let kind = if e.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
        Error::new(kind, format!("could not read \"{}\": {e}", path.display()))
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupted, format!("\"{}\" cannot be used: {e}", path.display())))
}

/// As [`read_json`]; `None` when the file is not there.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.is_file() { read_json(path).map(Some) } else { Ok(None) }
}
