//! The checkpoint's own tokenizer.

use std::path::Path;

use pgml_core::text::Tokens;
use pgml_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use tokenizers::{EncodeInput, Encoding, TruncationParams};

/// What `tokenizer_config.json` says beside the tokenizer.
#[derive(Debug, Deserialize, Default)]
pub(crate) struct TokenizerConfig {
    /// Some say "without limit" with a number beyond all integers.
    model_max_length: Option<f64>,
    model_input_names: Option<Vec<String>>,
    clean_up_tokenization_spaces: Option<bool>,
    padding_side: Option<String>,
    tokenizer_class: Option<String>,
}

/// Tokenizers of transformers that pad left where nothing is said.
const LEFT: &[&str] = &["Llama", "CodeLlama", "Gemma", "Cohere", "XLNet"];

impl TokenizerConfig {
    /// Reads the file of a model's folder; an empty one where there is none.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        Ok(super::read_json_if_there(&folder.join("tokenizer_config.json"))?.unwrap_or_default())
    }

    /// Whether the model is told which part of a pair a token belongs to.
    pub(crate) fn reads_types(&self) -> bool {
        self.model_input_names.as_ref().is_none_or(|names| names.iter().any(|name| name == "token_type_ids"))
    }

    /// Whether texts lose the spaces that tokens put before punctuation.
    pub(crate) fn cleans_up(&self) -> bool {
        self.clean_up_tokenization_spaces == Some(true)
    }

    /// Whether padding would stand before texts. None is needed here, but questions and their contexts are put together by it.
    pub(crate) fn pads_left(&self) -> bool {
        let class = self.tokenizer_class.as_deref().unwrap_or_default().trim_end_matches("Fast");
        match self.padding_side.as_deref() {
            Some(side) => side == "left",
            None => class.strip_suffix("Tokenizer").is_some_and(|class| LEFT.contains(&class)),
        }
    }

    /// Most tokens of a text.
    pub(crate) fn max_tokens(&self) -> Option<usize> {
        self.model_max_length.filter(|n| *n < 1e9).map(|n| n as usize)
    }
}

/// Turns texts into tokens, cut at a limit, without padding.
#[derive(Debug)]
pub(crate) struct Tokenizer(tokenizers::Tokenizer);

impl Tokenizer {
    /// Reads `tokenizer.json`; texts are cut at `max_tokens`, special tokens counted.
    pub(crate) fn load(folder: &Path, max_tokens: usize) -> Result<Self> {
        let mut tokenizer = Self::load_whole(folder)?;
        tokenizer
            .with_truncation(Some(TruncationParams { max_length: max_tokens, ..TruncationParams::default() }))
            .map_err(|e| {
                Error::new(ErrorKind::Corrupted, format!("texts cannot be cut at {max_tokens} tokens: {e}"))
            })?;
        Ok(Self(tokenizer))
    }

    /// Reads `tokenizer.json`, or a SentencePiece model or a list of words where that is all; texts are neither cut nor padded.
    pub(crate) fn load_whole(folder: &Path) -> Result<tokenizers::Tokenizer> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            for load in [super::sentencepiece::load, super::word_pieces::load, super::byte_tokens::load] {
                if let Some(tokenizer) = load(folder)? {
                    return Ok(tokenizer);
                }
            }
            return Err(Error::new(ErrorKind::NotFound, format!("no tokenizer.json in \"{}\"", folder.display()))
                .with_hint("in Python, AutoTokenizer.from_pretrained(…).save_pretrained(…) writes it"));
        }
        let mut tokenizer = tokenizers::Tokenizer::from_file(&path)
            .map_err(|e| Error::new(ErrorKind::Corrupted, format!("\"{}\" cannot be used: {e}", path.display())))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| Error::new(ErrorKind::Corrupted, format!("\"{}\" cannot be used: {e}", path.display())))?;
        Ok(tokenizer)
    }

    /// What reads tokens that a model writes, where these are others than those that it reads.
    pub(crate) fn of_target(folder: &Path) -> Result<Option<tokenizers::Tokenizer>> {
        match folder.join("tokenizer.json").is_file() {
            true => Ok(None),
            false => super::sentencepiece::load_target(folder),
        }
    }

    /// One text's tokens.
    pub(crate) fn text(&self, text: &str) -> Result<Tokens> {
        self.encode(text)
    }

    /// The tokens of two texts that are read together.
    pub(crate) fn pair(&self, first: &str, second: &str) -> Result<Tokens> {
        self.encode((first, second))
    }

    /// How many tokens a prompt takes at the beginning of a text, the closing special token not counted.
    pub(crate) fn prompt_length(&self, prompt: &str) -> Result<usize> {
        let tokens = self.text(prompt)?;
        let closed = self.0.encode_fast("", true).map_err(refused)?;
        let ends_special = tokens.ids.last() == closed.get_ids().last() && closed.len() > 1;
        Ok(tokens.len() - usize::from(ends_special))
    }

    fn encode<'s>(&self, input: impl Into<EncodeInput<'s>>) -> Result<Tokens> {
        let encoding: Encoding = self.0.encode_fast(input, true).map_err(refused)?;
        Ok(Tokens { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec(), ..Tokens::default() })
    }
}

pub(super) fn refused(error: tokenizers::Error) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the tokenizer refuses the text: {error}"))
}
