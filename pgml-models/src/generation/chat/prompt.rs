//! A call's chat as the prompt of a checkpoint.

use std::borrow::Cow;
use std::path::Path;

use pgml_core::text::GenerateArgs;
use pgml_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::{ChatTemplate, SpecialTokens};

/// How a checkpoint writes chats.
#[derive(Debug, Clone)]
pub struct Chats {
    /// A template that cannot be used matters only to those who chat.
    template: Result<Option<ChatTemplate>>,
    special: SpecialTokens,
}

impl Chats {
    /// Those of the checkpoint in `folder`.
    ///
    /// # Errors
    /// As [`SpecialTokens::read`].
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self { template: ChatTemplate::read(folder), special: SpecialTokens::read(folder)? })
    }

    /// Of a template, or why there is none, and the tokens that it names.
    #[must_use]
    pub fn new(template: Result<Option<ChatTemplate>>, special: SpecialTokens) -> Self {
        Self { template, special }
    }

    /// The prompt for the answer to `messages`, which are JSON, with the arguments `chat_template` (a template, or the name of
    /// one of the checkpoint's) and `tools`. It has its special tokens already.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when there is no template; else as [`ChatTemplate::render`].
    pub fn prompt(&self, messages: &str, args: &GenerateArgs) -> Result<String> {
        let messages: Value = serde_json::from_str(messages)
            .map_err(|error| Error::new(ErrorKind::InvalidData, format!("the chat is no JSON: {error}")))?;
        self.template(args.chat_template.as_deref())?.render(&messages, Some(&args.tools), true, &self.special)
    }

    fn template(&self, given: Option<&str>) -> Result<Cow<'_, ChatTemplate>> {
        let Some(given) = given else {
            return self
                .template
                .as_ref()
                .map_err(Clone::clone)?
                .as_ref()
                .map(Cow::Borrowed)
                .ok_or_else(ChatTemplate::missing);
        };
        let named = self.template.as_ref().ok().and_then(|own| own.as_ref()?.named(given));
        named.map_or_else(|| ChatTemplate::new(given), Ok).map(Cow::Owned)
    }
}
