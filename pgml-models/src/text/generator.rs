//! Checkpoints that continue texts.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use pgml_core::text::{GenerateArgs, GenerationBatch, ModelSpec, Prepared, Prompt, TextGenerator};
use pgml_core::{Error, ErrorKind, Result, Run, bail};
use serde_json::{Map, Value};

use super::gguf::{self, GgufModel};
use super::growing::Growing;
use super::tokenizer::Tokenizer;
use super::{read_json, read_json_if_there};
use crate::checkpoint::Checkpoint;
use crate::device::{Placement, Share};
use crate::generation::{
    self, Chats, Constraint, Generation, GenerationSettings, Release, ResponseFormat, TextDecoder, Texts, Vocabulary,
};
use crate::nn::Source;
use crate::transformers::{CausalLm, causal};

/// A checkpoint of a decoder with its tokenizer.
pub struct CausalGenerator(Arc<Inner>);

/// What all its batches share.
pub(super) struct Inner {
    pub(super) model: CausalLm,
    tokenizer: Arc<tokenizers::Tokenizer>,
    decoder: Arc<TextDecoder>,
    chats: Chats,
    /// Built when output of a form is first asked for.
    vocabulary: OnceLock<Result<Vocabulary>>,
    /// What the checkpoint says about generation: `config.json`, then `generation_config.json`.
    defaults: [Map<String, Value>; 2],
    _share: Share,
}

/// One request, read.
pub(super) struct Request {
    pub(super) generation: Generation,
    /// Whether its caller wants pieces.
    pub(super) stream: bool,
}

impl CausalGenerator {
    /// Reads the model in `folder`.
    ///
    /// # Errors
    /// See [`load_generator`](super::load_generator).
    pub fn load(folder: &Path, spec: &ModelSpec, run: &Run) -> Result<Self> {
        let placement = Placement::of_generator(spec)?;
        placement.attempt(|| Self::load_on(folder, spec.file.as_deref(), &placement, run))
    }

    fn load_on(folder: &Path, file: Option<&str>, placement: &Placement, run: &Run) -> Result<Self> {
        // Dropped last, also if this fails.
        let share = placement.share();
        let Parts { config, own, tokenizer, checkpoint, chats } = Parts::read(folder, file)?;
        let architecture = causal::of_config(&config)?;
        run.check()?;
        let model = architecture.load(&config, &Source { weights: checkpoint.weights(), placement })?;
        checkpoint.all_used(architecture.ignored())?;
        let Value::Object(config) = config else { bail!(Corrupted, "config.json of the model is no object") };
        let tokenizer = Arc::new(tokenizer);
        let decoder = Arc::new(TextDecoder::new(Arc::clone(&tokenizer)));
        let defaults = [config, own];
        let vocabulary = OnceLock::new();
        Ok(Self(Arc::new(Inner { model, tokenizer, decoder, chats, vocabulary, defaults, _share: share })))
    }
}

/// What a folder, or the GGUF file in it, holds.
struct Parts {
    config: Value,
    /// `generation_config.json`.
    own: Map<String, Value>,
    tokenizer: tokenizers::Tokenizer,
    checkpoint: Checkpoint,
    chats: Chats,
}

impl Parts {
    fn read(folder: &Path, file: Option<&str>) -> Result<Self> {
        if let Some(file) = gguf::file_in(folder, file)? {
            let GgufModel { config, generation: own, checkpoint, tokenizer, template, special } =
                GgufModel::read(&file)?;
            return Ok(Self {
                config: config.into(),
                own,
                tokenizer,
                checkpoint,
                chats: Chats::new(template, special),
            });
        }
        Ok(Self {
            config: read_json(&folder.join("config.json"))?,
            own: read_json_if_there(&folder.join("generation_config.json"))?.unwrap_or_default(),
            tokenizer: Tokenizer::load_whole(folder)?,
            checkpoint: Checkpoint::open(folder)?,
            chats: Chats::read(folder)?,
        })
    }
}

impl Inner {
    /// What holds a text to the form that its settings ask for.
    fn constraint(&self, settings: &GenerationSettings) -> Result<Option<Box<dyn Constraint>>> {
        let Some(format) = settings.response_format.as_ref() else { return Ok(None) };
        let Some(format) = ResponseFormat::parse(format)? else { return Ok(None) };
        let vocabulary = self.vocabulary.get_or_init(|| Vocabulary::new(&self.tokenizer, self.model.vocabulary()));
        vocabulary.as_ref().map_err(Clone::clone)?.constraint(&format, &settings.eos_token_id).map(Some)
    }
}

impl TextGenerator for CausalGenerator {
    fn prepare(&self, prompt: &Prompt, args: &GenerateArgs, stream: bool) -> Result<Prepared> {
        let inner = &self.0;
        // Templates write special tokens themselves.
        let (text, add_special) = match prompt {
            Prompt::Text(text) => (Cow::Borrowed(text), true),
            Prompt::Chat(messages) => (Cow::Owned(inner.chats.prompt(messages, args)?), false),
        };
        let [config, own] = &inner.defaults;
        let mut settings = GenerationSettings::resolve(&[config, own], args, Some(&inner.tokenizer))?;
        settings.context = inner.model.max_tokens();
        let encoding = inner
            .tokenizer
            .encode_fast(text.as_str(), add_special)
            .map_err(|e| Error::new(ErrorKind::InvalidData, format!("the tokenizer refuses the prompt: {e}")))?;
        let texts = Texts { decoder: Arc::clone(&inner.decoder), release: Release::Tokens };
        let prompt = generation::Prompt::of(encoding.get_ids());
        let generation =
            Generation::start(&prompt, &settings, Some(texts), inner.constraint(&settings)?, fastrand::u64(..))?;
        Ok(Prepared(Box::new(Request { generation, stream })))
    }

    fn batch(&self, memory: u64) -> Box<dyn GenerationBatch> {
        Box::new(Growing::new(&self.0, memory))
    }
}
