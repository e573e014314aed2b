//! How a text that another is made from becomes the tokens that an encoder reads: what a task puts before it, the token of its
//! language, and what happens when it is too long.

use std::path::Path;
use std::sync::Arc;

use pgml_core::text::GenerateArgs;
use pgml_core::{Error, ErrorKind, Result, bail};
use serde_json::{Map, Value};
use tokenizers::{Encoding, PostProcessor, TruncationDirection};

use super::languages::Languages;
use super::tokenizer::TokenizerConfig;

/// A checkpoint's tokenizer, and what it says about tasks.
pub(super) struct Sources {
    tokenizer: Arc<tokenizers::Tokenizer>,
    languages: Option<Languages>,
    /// What stands before every text.
    prefix: String,
    /// `task_specific_params`: for each task, arguments of generation and what stands before its texts.
    tasks: Map<String, Value>,
    /// Most tokens, as the tokenizer says.
    max_tokens: Option<usize>,
}

/// A text as an encoder reads it.
pub(super) struct SourceTokens {
    pub(super) ids: Vec<u32>,
    /// What the other text must begin with.
    pub(super) first: Option<u32>,
}

impl Sources {
    /// `config` is the checkpoint's `config.json`.
    pub(super) fn new(folder: &Path, config: &Value, tokenizer: &Arc<tokenizers::Tokenizer>) -> Result<Self> {
        let tasks = config.get("task_specific_params").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(Self {
            languages: Languages::read(folder, tokenizer)?,
            prefix: config.get("prefix").and_then(Value::as_str).unwrap_or_default().to_owned(),
            tasks,
            max_tokens: TokenizerConfig::read(folder)?.max_tokens(),
            tokenizer: Arc::clone(tokenizer),
        })
    }

    /// What the checkpoint says about a task. "translation" alone is the first translation that it knows.
    pub(super) fn parameters(&self, task: &str) -> Option<&Map<String, Value>> {
        let any = || self.tasks.iter().find(|(name, _)| task == "translation" && name.starts_with(task));
        let found = self.tasks.get_key_value(task).or_else(any);
        found.and_then(|(_, parameters)| parameters.as_object())
    }

    /// Reads a text for an encoder of at most `most` tokens.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] where languages must be named, or are not known, listing those that are;
    /// [`ErrorKind::InvalidData`] for a text without tokens or with too many.
    pub(super) fn read(
        &self,
        task: &str,
        text: &str,
        args: &GenerateArgs,
        most: Option<usize>,
    ) -> Result<SourceTokens> {
        let cut = args.truncation.unwrap_or(false);
        let limit = [most, self.max_tokens].into_iter().flatten().min().filter(|_| cut);
        let translates = task.starts_with("translation");
        let (ids, first) = match &self.languages {
            Some(languages) if translates => {
                let [from, to] = languages.of_task(task, args)?;
                (languages.around(&self.encode(text)?, from, limit), Some(to))
            }
            Some(languages) => {
                let text = self.with_prefix(task, text);
                (languages.around(&self.encode(&text)?, languages.default, limit), None)
            }
            None => (self.with_special(self.encode(&self.with_prefix(task, text))?, limit)?, None),
        };
        if ids.is_empty() {
            bail!(InvalidData, "the input has no tokens");
        }
        match most {
            Some(most) if ids.len() > most => Err(too_long(ids.len(), most)),
            _ => Ok(SourceTokens { ids, first }),
        }
    }

    fn with_prefix(&self, task: &str, text: &str) -> String {
        let of_task = self.parameters(task).and_then(|parameters| parameters.get("prefix")?.as_str());
        format!("{}{text}", of_task.unwrap_or(&self.prefix))
    }

    fn encode(&self, text: &str) -> Result<Encoding> {
        self.tokenizer.encode_fast(text, false).map_err(refused)
    }

    /// With the tokens that the tokenizer puts around every text; `limit` counts them.
    fn with_special(&self, mut encoding: Encoding, limit: Option<usize>) -> Result<Vec<u32>> {
        let added = self.tokenizer.get_post_processor().map_or(0, |post| post.added_tokens(false));
        if let Some(limit) = limit {
            encoding.truncate(limit.saturating_sub(added), 0, TruncationDirection::Right);
        }
        Ok(self.tokenizer.post_process(encoding, None, true).map_err(refused)?.get_ids().to_vec())
    }
}

fn refused(error: tokenizers::Error) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the tokenizer refuses the input: {error}"))
}

fn too_long(length: usize, most: usize) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the input has {length} tokens, but the model reads at most {most}"))
        .with_hint(format!("shorten it by {} tokens or more, or set \"truncation\" to true", length - most))
}
