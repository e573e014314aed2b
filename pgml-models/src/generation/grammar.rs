//! Output that has a form: JSON, JSON of a schema, a pattern, or one of several texts.
//!
//! The grammar's state says after each token which tokens may come next, so the text parses whatever the model prefers. A
//! text that ends at its greatest length is cut off before it is complete.

mod format;
mod token_bytes;

use std::fmt;
use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use pgml_core::{Error, ErrorKind, Result};
use tokenizers::Tokenizer;

pub use format::ResponseFormat;

use super::Constraint;

/// What constraints need of a model: the bytes of its tokens as a tree, built once and shared by all texts.
#[derive(Clone)]
pub struct Vocabulary {
    parsers: Arc<ParserFactory>,
    /// A token after the model's own that stands for all that end texts, which are a matter of each call.
    end: u32,
}

/// The name of that token.
const END: &[u8] = b"\xff<end>";

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("tokens", &self.end).finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// That of a model with `size` logits for each token.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when the tokenizer's tokens are no bytes of a text.
    pub fn new(tokenizer: &Tokenizer, size: usize) -> Result<Self> {
        Self::of_bytes(token_bytes::token_bytes(tokenizer, size)?)
    }

    /// That of the tokens `words`, each with its bytes; empty ones never come.
    fn of_bytes(mut words: Vec<Vec<u8>>) -> Result<Self> {
        let end = u32::try_from(words.len()).map_err(|_| failed("the vocabulary is too large"))?;
        words.push(END.to_vec());
        let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(TokTrie::from(&TokRxInfo::new(end + 1, end), &words)));
        // Nothing is forced: each token is drawn, one at a time.
        let abilities = InferenceCapabilities { ff_tokens: false, ..InferenceCapabilities::default() };
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut parsers =
            ParserFactory::new(&tokens, abilities, &slices).map_err(|error| failed(&error.to_string()))?;
        parsers.quiet();
        // Errors say what went wrong, without the whole grammar.
        parsers.limits_mut().verbose_errors = false;
        Ok(Self { parsers: Arc::new(parsers), end })
    }

    /// A constraint to texts of a form, at their beginning. Each of the tokens `ends` ends a text that is complete.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when the schema or the pattern is not understood, contradicts itself or is too large,
    /// or when an end is outside of the vocabulary; [`ErrorKind::NotSupported`] when there is no end.
    pub fn constraint(&self, format: &ResponseFormat, ends: &[u32]) -> Result<Box<dyn Constraint>> {
        if ends.is_empty() {
            return Err(Error::new(ErrorKind::NotSupported, "output of a form needs a token that ends it")
                .with_hint("give eos_token_id"));
        }
        if let Some(end) = ends.iter().find(|end| **end >= self.end) {
            let message = format!("token {end} ends texts, but the model has {} tokens", self.end);
            return Err(Error::new(ErrorKind::InvalidParameter, message));
        }
        let parser =
            self.parsers.create_parser(format.grammar()).map_err(|error| format.refused(&error.to_string()))?;
        let mut matcher = Matcher::new(Ok(parser));
        // What is wrong with a grammar may be seen with the first tokens only.
        matcher.compute_mask_or_eos().map_err(|error| format.refused(&error.to_string()))?;
        Ok(Box::new(Grammar { matcher, end: self.end, ends: ends.into() }))
    }
}

/// The state of a grammar after some tokens.
struct Grammar {
    matcher: Matcher,
    /// What ends a text to the parser.
    end: u32,
    /// What ends a text to the model.
    ends: Arc<[u32]>,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammar").field("stopped", &self.matcher.is_stopped()).finish_non_exhaustive()
    }
}

impl Constraint for Grammar {
    fn mask(&mut self, scores: &mut [f32]) -> Result<()> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| failed(&error.to_string()))?;
        let may_end = allowed.is_allowed(self.end);
        let ends: Vec<f32> =
            self.ends.iter().map(|end| scores.get(*end as usize).copied().unwrap_or_default()).collect();
        let (mut any, mut words) = (may_end, allowed.as_slice().iter());
        for part in scores.chunks_mut(32) {
            let bits = words.next().copied().unwrap_or_default();
            any |= bits != 0;
            match bits {
                0 => part.fill(f32::NEG_INFINITY),
                u32::MAX => {}
                _ => {
                    for (i, score) in part.iter_mut().enumerate() {
                        if bits & (1 << i) == 0 {
                            *score = f32::NEG_INFINITY;
                        }
                    }
                }
            }
        }
        if let Some(beyond) = scores.get_mut(self.end as usize..) {
            beyond.fill(f32::NEG_INFINITY);
        }
        // Also where it could be text: it would end what is not complete.
        for (end, score) in self.ends.iter().zip(ends) {
            if let Some(place) = scores.get_mut(*end as usize) {
                *place = if may_end { score } else { f32::NEG_INFINITY };
            }
        }
        if any { Ok(()) } else { Err(failed("no token of the vocabulary fits")) }
    }

    fn advance(&mut self, token: u32) -> Result<()> {
        // The parser may have ended by itself, when nothing could follow.
        if self.ends.contains(&token) {
            return Ok(());
        }
        self.matcher.consume_token(token).map_err(|error| failed(&error.to_string()))
    }

    fn fork(&self) -> Box<dyn Constraint> {
        Box::new(Self { matcher: self.matcher.clone(), end: self.end, ends: Arc::clone(&self.ends) })
    }
}

fn failed(why: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, "the text cannot go on in the form that was asked for").with_detail(why)
}

#[cfg(test)]
mod tests;
