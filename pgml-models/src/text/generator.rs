//! Checkpoints that make texts: decoders, which continue a prompt, and those with an encoder too, which make a text from another.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use pgml_core::text::{GenerateArgs, GenerationBatch, ModelSpec, Prepared, Prompt, TextGenerator};
use pgml_core::{Error, ErrorKind, Result, Run, bail};
use serde_json::{Map, Value};

use super::gguf::{self, GgufModel};
use super::growing::Growing;
use super::sources::{SourceTokens, Sources};
use super::tokenizer::Tokenizer;
use super::{read_json, read_json_if_there};
use crate::checkpoint::Checkpoint;
use crate::device::{Placement, Share};
use crate::generation::{
    self, Chats, Constraint, Generation, GenerationSettings, Release, ResponseFormat, TextDecoder, Texts, Vocabulary,
};
use crate::nn::Source;
use crate::transformers::{Causal, CausalLm, Reader, Seq2Seq, Seq2SeqLm, causal, seq2seq};

/// A checkpoint of a decoder, perhaps with an encoder, and its tokenizer.
pub struct CheckpointGenerator(Arc<Inner>);

/// What all its batches share.
pub(super) struct Inner {
    pub(super) model: CausalLm,
    /// Of a model with an encoder.
    pub(super) reading: Option<Reading>,
    tokenizer: Arc<tokenizers::Tokenizer>,
    decoder: Arc<TextDecoder>,
    chats: Chats,
    /// Built when output of a form is first asked for.
    vocabulary: OnceLock<Result<Vocabulary>>,
    /// What the checkpoint says about generation: `config.json`, then `generation_config.json`.
    defaults: [Map<String, Value>; 2],
    _share: Share,
}

/// What reads a text that another is made from.
pub(super) struct Reading {
    pub(super) reader: Reader,
    sources: Sources,
}

/// One request, read.
pub(super) struct Request {
    pub(super) generation: Generation,
    /// The tokens of the text that another is made from, of a model with encoder.
    pub(super) source: Option<Vec<u32>>,
    /// Whether its caller wants pieces.
    pub(super) stream: bool,
}

impl CheckpointGenerator {
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
        let architecture = Architecture::of(&config)?;
        let tokenizer = Arc::new(tokenizer);
        run.check()?;
        let (model, reader) = architecture.load(&config, &checkpoint, placement)?;
        let reading = match reader {
            Some(reader) => Some(Reading { reader, sources: Sources::new(folder, &config, &tokenizer)? }),
            None => None,
        };
        // What is written may have words of its own.
        let tokenizer = Tokenizer::of_target(folder)?.map_or(tokenizer, Arc::new);
        let Value::Object(config) = config else { bail!(Corrupted, "config.json of the model is no object") };
        let decoder = Arc::new(TextDecoder::new(Arc::clone(&tokenizer)));
        let own = if own.is_empty() { architecture.defaults(&config) } else { own };
        let defaults = [config, own];
        let (vocabulary, _share) = (OnceLock::new(), share);
        Ok(Self(Arc::new(Inner { model, reading, tokenizer, decoder, chats, vocabulary, defaults, _share })))
    }
}

/// Either kind of model that makes texts.
enum Architecture {
    Causal(&'static Causal),
    Seq2Seq(&'static Seq2Seq),
}

impl Architecture {
    fn of(config: &Value) -> Result<Self> {
        match seq2seq::find(config) {
            Some(architecture) => Ok(Self::Seq2Seq(architecture)),
            None => causal::of_config(config).map(Self::Causal),
        }
    }

    /// What is to be taken for `generation_config.json` where there is none: what the class of the configuration adds to it.
    fn defaults(&self, config: &Map<String, Value>) -> Map<String, Value> {
        let known = match self {
            Self::Causal(_) => &[],
            Self::Seq2Seq(architecture) => architecture.defaults,
        };
        let unsaid = known.iter().filter(|(key, _)| config.get(*key).is_none_or(Value::is_null));
        unsaid.map(|(key, token)| ((*key).to_owned(), (*token).into())).collect()
    }

    /// The decoder, and the encoder where there is one.
    fn load(
        &self,
        config: &Value,
        checkpoint: &Checkpoint,
        placement: &Placement,
    ) -> Result<(CausalLm, Option<Reader>)> {
        let source = Source { weights: checkpoint.weights(), placement };
        match self {
            Self::Causal(architecture) => {
                let model = architecture.load(config, &source)?;
                checkpoint.all_used(architecture.ignored())?;
                Ok((model, None))
            }
            Self::Seq2Seq(architecture) => {
                let Seq2SeqLm { reader, decoder } = (architecture.load)(config, &source)?;
                checkpoint.all_used(architecture.ignored)?;
                Ok((decoder, Some(reader)))
            }
        }
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
    /// A text that goes on; `add_special` tells whether the tokenizer puts its own tokens around it.
    fn continuing(&self, text: &str, add_special: bool, args: &GenerateArgs, stream: bool) -> Result<Request> {
        let [config, own] = &self.defaults;
        let mut settings = GenerationSettings::resolve(&[config, own], args, Some(&self.tokenizer))?;
        settings.context = self.model.max_tokens();
        let encoding = self
            .tokenizer
            .encode_fast(text, add_special)
            .map_err(|e| Error::new(ErrorKind::InvalidData, format!("the tokenizer refuses the prompt: {e}")))?;
        let generation = self.start(&generation::Prompt::of(encoding.get_ids()), &settings)?;
        Ok(Request { generation, source: None, stream })
    }

    /// A text that is made from another.
    fn made_from(
        &self,
        reading: &Reading,
        task: &str,
        text: &str,
        args: &GenerateArgs,
        stream: bool,
    ) -> Result<Request> {
        let [config, own] = &self.defaults;
        let of_task = reading.sources.parameters(task);
        let layers: Vec<&Map<String, Value>> = [config, own].into_iter().chain(of_task).collect();
        let mut settings = GenerationSettings::resolve(&layers, args, Some(&self.tokenizer))?;
        let SourceTokens { ids, first } = reading.sources.read(task, text, args, reading.reader.max_tokens())?;
        settings.forced_bos_token_id = first.or(settings.forced_bos_token_id);
        settings.context = self.model.max_tokens();
        let generation = self.start(&generation::Prompt { tokens: &[], encoder: Some(&ids) }, &settings)?;
        Ok(Request { generation, source: Some(ids), stream })
    }

    fn start(&self, prompt: &generation::Prompt<'_>, settings: &GenerationSettings) -> Result<Generation> {
        let texts = Texts { decoder: Arc::clone(&self.decoder), release: Release::Tokens };
        Generation::start(prompt, settings, Some(texts), self.constraint(settings)?, fastrand::u64(..))
    }

    /// What holds a text to the form that its settings ask for.
    fn constraint(&self, settings: &GenerationSettings) -> Result<Option<Box<dyn Constraint>>> {
        let Some(format) = settings.response_format.as_ref() else { return Ok(None) };
        let Some(format) = ResponseFormat::parse(format)? else { return Ok(None) };
        let vocabulary = self.vocabulary.get_or_init(|| Vocabulary::new(&self.tokenizer, self.model.vocabulary()));
        vocabulary.as_ref().map_err(Clone::clone)?.constraint(&format, &settings.eos_token_id).map(Some)
    }
}

impl TextGenerator for CheckpointGenerator {
    fn prepare(&self, prompt: &Prompt, args: &GenerateArgs, stream: bool) -> Result<Prepared> {
        let inner = &self.0;
        let request = match (&inner.reading, prompt) {
            (None, Prompt::Text(text)) => inner.continuing(text, true, args, stream),
            // Templates write special tokens themselves.
            (None, Prompt::Chat(messages)) => {
                inner.continuing(&inner.chats.prompt(messages, args)?, false, args, stream)
            }
            (Some(reading), Prompt::Source { task, text }) => inner.made_from(reading, task, text, args, stream),
            (None, Prompt::Source { task, .. }) => {
                let message =
                    format!("the model has no encoder: it continues texts, and is not for the task \"{task}\"");
                Err(Error::new(ErrorKind::NotSupported, message)
                    .with_hint("it is for \"text-generation\" and \"conversational\""))
            }
            (Some(_), Prompt::Text(_) | Prompt::Chat(_)) => {
                let message = "the model has an encoder: it makes a text from another, and does not continue one";
                Err(Error::new(ErrorKind::NotSupported, message)
                    .with_hint("it is for \"text2text-generation\", \"summarization\" or \"translation\""))
            }
        };
        Ok(Prepared(Box::new(request?)))
    }

    fn batch(&self, memory: u64) -> Box<dyn GenerationBatch> {
        Box::new(Growing::new(&self.0, memory))
    }
}
