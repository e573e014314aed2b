//! Tokens to text, one token at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use pgml_core::{Error, ErrorKind, Result};
use tokenizers::Tokenizer;

/// What a decoder writes for bytes that are no UTF-8.
const REPLACEMENT: char = '\u{fffd}';

/// Tokens without a complete character after which the decoder's replacements count as text: a character has four bytes.
const MOST_PENDING: usize = 8;

/// Tokens of the prompt that the decoder sees before the first new one: enough for spaces and characters to join.
const CONTEXT: usize = 5;

/// The tokenizer's way from tokens to text, shared by all sequences of a model.
pub struct TextDecoder {
    tokenizer: Arc<Tokenizer>,
    /// Tokens that are no text, with their names.
    special: HashMap<u32, String>,
}

impl fmt::Debug for TextDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextDecoder").field("special", &self.special).finish_non_exhaustive()
    }
}

impl TextDecoder {
    /// That of a tokenizer.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let added = tokenizer.get_added_tokens_decoder();
        let special = added.into_iter().filter(|(_, token)| token.special).map(|(id, token)| (id, token.content));
        Self { special: special.collect(), tokenizer }
    }

    /// The text of a token that is no text, such as the end: its name.
    pub(super) fn special(&self, token: u32) -> Option<&str> {
        self.special.get(&token).map(String::as_str)
    }

    /// The text of several tokens, those left out that are no text.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn text(&self, tokens: &[u32]) -> Result<String> {
        self.tokenizer
            .decode(tokens, true)
            .map_err(|e| Error::new(ErrorKind::InvalidData, format!("the tokenizer cannot decode the tokens: {e}")))
    }
}

/// The text of one sequence as it grows. Costs the same for each token: only the last few are decoded together.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces {
    /// The last tokens that are text.
    window: Vec<u32>,
    /// How many of them are read, there only for what joins them with the next.
    read: usize,
    /// The text of those.
    before: String,
    /// Bytes after that text which were handed out too.
    shown: usize,
}

impl Pieces {
    /// Begins after the last tokens of a prompt.
    pub fn after(prompt: &[u32], decoder: &TextDecoder) -> Result<Self> {
        let text = prompt.iter().rev().filter(|token| decoder.special(**token).is_none());
        let mut window: Vec<u32> = text.take(CONTEXT).copied().collect();
        window.reverse();
        Ok(Self { before: decoder.text(&window)?, read: window.len(), window, shown: 0 })
    }

    /// Adds to `out` what is certain with one more token, which must be text.
    pub fn push(&mut self, token: u32, decoder: &TextDecoder, out: &mut String) -> Result<()> {
        self.window.push(token);
        let text = decoder.text(&self.window)?;
        let waits = text.ends_with(REPLACEMENT);
        let given_up = self.window.len() - self.read > MOST_PENDING;
        match text.strip_prefix(self.before.as_str()) {
            Some(new) => {
                // A replacement may become a character with the next token.
                let certain = if given_up { new } else { new.trim_end_matches(REPLACEMENT) };
                out.push_str(certain.get(self.shown..).unwrap_or_default());
                self.shown = self.shown.max(certain.len());
            }
            // A decoder may replace the bytes of complete characters too, as long as one is incomplete after them.
            None if waits && !given_up => {}
            None => {
                let new = decoder.text(&self.window[self.read..])?;
                out.push_str(new.get(self.shown..).unwrap_or_default());
            }
        }
        if !waits || given_up {
            self.window.drain(..self.read);
            self.read = self.window.len();
            self.before = decoder.text(&self.window)?;
            self.shown = 0;
        }
        Ok(())
    }

    /// Adds to `out` what is left when no more tokens come.
    pub fn finish(&mut self, decoder: &TextDecoder, out: &mut String) -> Result<()> {
        if self.read < self.window.len() {
            let text = decoder.text(&self.window)?;
            match text.strip_prefix(self.before.as_str()) {
                Some(new) => out.push_str(new.get(self.shown..).unwrap_or_default()),
                None => {
                    let new = decoder.text(&self.window[self.read..])?;
                    out.push_str(new.get(self.shown..).unwrap_or_default());
                }
            }
            self.window.clear();
            (self.read, self.shown) = (0, 0);
            self.before.clear();
        }
        Ok(())
    }
}
