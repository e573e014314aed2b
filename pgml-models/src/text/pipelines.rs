//! Which model does which task.

use std::path::Path;
use std::sync::Arc;

use pgml_core::text::{ModelSpec, TextPipeline, TextTask};
use pgml_core::{Result, Run, bail};
use serde_json::Value;

use super::headed::{Aim, Headed};
use super::{Answerer, Classifier, FeatureExtractor, Filler, Similarity, TableAnswerer, Tagger, ZeroShotClassifier};
use super::{read_json, read_json_if_there};
use crate::hub::size::of_gguf;

/// A model's folder, and how it is to be read.
pub struct Folder<'a> {
    /// Its place.
    pub folder: &'a Path,
    /// Its `config.json`.
    pub config: Value,
    /// The form that is asked for.
    pub spec: &'a ModelSpec,
    /// Whether it is still wanted.
    pub run: &'a Run,
}

type Load = fn(&Folder<'_>) -> Result<Arc<dyn TextPipeline>>;

/// Every task that reads each input once, one line each.
#[rustfmt::skip]
static PIPELINES: &[(TextTask, Load)] = &[
    (TextTask::TextClassification, |from| Ok(Arc::new(Classifier::load(from)?))),
    (TextTask::ZeroShotClassification, |from| Ok(Arc::new(ZeroShotClassifier::load(from)?))),
    (TextTask::TokenClassification, |from| Ok(Arc::new(Tagger::load(from)?))),
    (TextTask::QuestionAnswering, |from| Ok(Arc::new(Answerer::load(from)?))),
    (TextTask::FillMask, |from| Ok(Arc::new(Filler::load(from)?))),
    (TextTask::FeatureExtraction, |from| Ok(Arc::new(FeatureExtractor::load(from)?))),
    (TextTask::SentenceSimilarity, |from| Ok(Arc::new(Similarity::load(from)?))),
    (TextTask::TableQuestionAnswering, |from| Ok(Arc::new(TableAnswerer::load(from)?))),
];

/// Reads the model in `folder` for `task`, in the form that `spec` asks for.
///
/// # Errors
/// As for [`load_embedder`](super::load_embedder), and
/// [`ErrorKind::NotSupported`](pgml_core::ErrorKind::NotSupported) for a model that is not made for the task.
pub fn load_pipeline(folder: &Path, task: TextTask, spec: &ModelSpec, run: &Run) -> Result<Arc<dyn TextPipeline>> {
    let Some((_, load)) = PIPELINES.iter().find(|(known, _)| *known == task) else {
        bail!(Internal, "the task \"{}\" makes texts: nothing is read at once", task.name());
    };
    let config = read_json(&folder.join("config.json"))?;
    load(&Folder { folder, config, spec, run })
}

/// The task that the model in `folder` says it is made for. Without a `config.json`, as beside GGUF files, it makes texts.
///
/// # Errors
/// Those of [`TextTask::of_config`]; [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) for a file that is no JSON.
pub fn task_of(folder: &Path) -> Result<TextTask> {
    // A folder of sentence-transformers makes vectors of texts.
    if folder.join("modules.json").is_file() {
        return Ok(TextTask::FeatureExtraction);
    }
    if of_gguf(folder, None).is_some() {
        return Ok(TextTask::TextGeneration);
    }
    match read_json_if_there(&folder.join("config.json"))? {
        Some(config) => TextTask::of_config(&config),
        None => Ok(TextTask::TextGeneration),
    }
}

impl Folder<'_> {
    /// The model with the head that a task needs.
    pub(super) fn headed(&self, aim: Aim) -> Result<Headed> {
        Headed::load(self.folder, &self.config, self.spec, aim, self.run)
    }
}
