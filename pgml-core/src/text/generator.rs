//! Texts that grow token by token, those of many callers together.

use std::any::Any;

use serde::{Deserialize, Serialize};

use super::GenerateArgs;
use crate::{Error, ErrorKind, Result, Run};

/// What a text is to go on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Prompt {
    /// A text.
    Text(String),
    /// The messages of a conversation, a JSON array of objects with `role` and `content`.
    Chat(String),
    /// A text that another is made of.
    Source {
        /// What is made of it: `summarization`, `translation_en_to_de`, …
        task: String,
        /// The text.
        text: String,
    },
}

/// One request as a generator has read it: only that generator can use it.
pub struct Prepared(pub Box<dyn Any + Send>);

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// The model said that it ends, or a text came that ends it.
    Stop,
    /// It is as long as it may be.
    Length,
}

/// One text that was generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// What was generated, without the prompt.
    pub text: String,
    /// Tokens generated, those that end the text included.
    pub n_tokens: u32,
    /// Why it ended.
    pub finish: Finish,
}

/// What has become of one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// More of one of its texts.
    Piece {
        /// Which of the texts, counted from 0.
        text: usize,
        /// What comes next in it.
        piece: String,
    },
    /// All its texts are whole; nothing follows.
    Done(Vec<Generated>),
    /// It failed; nothing follows.
    Failed(Error),
}

/// Continues texts.
pub trait TextGenerator: Send + Sync {
    /// Reads a request. Slow for a long prompt: callers do it before they enter a batch. With `stream`, pieces are told.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for arguments that cannot be; [`ErrorKind::InvalidData`] for a prompt that is
    /// longer than the model can read.
    fn prepare(&self, prompt: &Prompt, args: &GenerateArgs, stream: bool) -> Result<Prepared>;

    /// A batch without requests; its texts take at most `memory` bytes beside the model.
    fn batch(&self, memory: u64) -> Box<dyn GenerationBatch>;
}

/// Requests whose texts grow together. A text is the same whatever else is in the batch.
pub trait GenerationBatch: Send {
    /// Lets a request take part; its number, by which it is known from now on. How a request fails is told as an event.
    fn enter(&mut self, request: Prepared) -> u64;

    /// Takes a request out. Nothing is told of it any more.
    fn leave(&mut self, request: u64);

    /// Whether there is no request left.
    fn is_empty(&self) -> bool;

    /// Computes the next tokens, one for each text that has read its prompt, and says what has become of whom.
    fn round(&mut self, run: &Run) -> Vec<(u64, Event)>;
}

/// Continues one prompt, telling each piece; for programs with one caller. `piece` says whether to go on.
///
/// # Errors
/// Those of [`TextGenerator::prepare`] and of the model; [`ErrorKind::Cancelled`] when `run` or `piece` says so.
pub fn generate(
    model: &dyn TextGenerator,
    prompt: &Prompt,
    args: &GenerateArgs,
    run: &Run,
    piece: &mut dyn FnMut(usize, &str) -> bool,
) -> Result<Vec<Generated>> {
    let mut batch = model.batch(u64::MAX);
    batch.enter(model.prepare(prompt, args, true)?);
    while !batch.is_empty() {
        run.check()?;
        for (_, event) in batch.round(run) {
            match event {
                Event::Piece { text, piece: more } if !piece(text, &more) => {
                    return Err(Error::new(ErrorKind::Cancelled, "the text is not wanted any more"));
                }
                Event::Piece { .. } => {}
                Event::Done(texts) => return Ok(texts),
                Event::Failed(error) => return Err(error),
            }
        }
    }
    Err(Error::new(ErrorKind::Internal, "a request ended without a word"))
}
