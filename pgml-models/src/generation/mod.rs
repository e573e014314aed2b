//! Text generation without tensors: what is decided between two forward passes.
//!
//! A [`Generation`] is fed logits and says what to compute next, so that whoever runs the model may batch what several
//! generations want, keep their caches as it likes, and stop between any two steps. Tokens do not depend on what else is
//! in a batch. The rules and their numbers are those of transformers 5.23; draws are our own.
//!
//! ```
//! use pgml_models::generation::{Generation, GenerationSettings, Prompt, Wanted};
//!
//! let settings = GenerationSettings { max_new_tokens: Some(3), ..GenerationSettings::default() };
//! let mut generation = Generation::start(&Prompt::of(&[1, 2]), &settings, None, None, 0)?;
//! while !generation.is_done() {
//!     // A model that always finds the next number the most probable.
//!     let row = |token: u32| (0..10).map(move |id| if id == token + 1 { 1.0 } else { 0.0 });
//!     let mut logits: Vec<f32> = match generation.wanted() {
//!         Wanted::Prompt(tokens) => tokens.last().copied().into_iter().flat_map(row).collect(),
//!         Wanted::Next(branches) => branches.iter().flat_map(|branch| row(branch.token)).collect(),
//!     };
//!     generation.advance(&mut logits)?;
//! }
//! assert_eq!(generation.finish()?[0].tokens, [3, 4, 5]);
//! # Ok::<(), pgml_core::Error>(())
//! ```

mod arguments;
mod beams;
mod candidates;
mod chat;
mod constraint;
mod detokenize;
mod grammar;
mod processors;
mod sample;
mod sequences;
mod settings;
mod softmax;
mod step;
mod stopping;
mod stream;
#[cfg(test)]
mod tests;
mod warpers;

pub use chat::{ChatTemplate, Chats, SpecialTokens};
pub use constraint::Constraint;
pub use detokenize::TextDecoder;
pub use grammar::{ResponseFormat, Vocabulary};
pub use settings::{EarlyStopping, GenerationSettings, StopString};
pub use stream::{Release, Texts};

use pgml_core::{Error, ErrorKind, Result};

use beams::BeamSearch;
use sequences::Sequences;
use step::Step;

/// What is continued.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    /// What the decoder begins with.
    pub tokens: &'a [u32],
    /// What the encoder has read, if there is one.
    pub encoder: Option<&'a [u32]>,
}

impl<'a> Prompt<'a> {
    /// A prompt of a model without encoder.
    #[must_use]
    pub fn of(tokens: &'a [u32]) -> Self {
        Self { tokens, encoder: None }
    }
}

/// One continuation to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Which branch of the round before it continues: its cache is forked from there.
    pub parent: usize,
    /// The token to compute next.
    pub token: u32,
}

/// What to compute in this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The prompt, of which the logits after the last token are wanted: one row.
    Prompt(&'a [u32]),
    /// One token per branch, and one row of logits for each. None when the generation is done.
    Next(&'a [Branch]),
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// With a token or a text that ends it.
    Stop,
    /// At its greatest length.
    Length,
}

/// What a round brought for one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Which text, from 0.
    pub text_index: usize,
    /// The new token.
    pub token: u32,
    /// The text that became certain, if texts were asked for; often none.
    pub text: String,
    /// Why the text ended with it.
    pub finished: Option<FinishReason>,
}

/// A finished text.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The new tokens, with the one that ended them.
    pub tokens: Vec<u32>,
    /// The text, if texts were asked for: without the prompt, without tokens that are no text, without a stop string
    /// that is cut off.
    pub text: Option<String>,
    /// Beam search: the sum of the tokens' scores, divided by a power of their number. `best_of`: the mean of the
    /// tokens' log-probabilities.
    pub score: Option<f32>,
    /// Why it ended.
    pub finished: FinishReason,
}

/// One prompt's generation: says what to compute, and chooses the next tokens from what was computed.
#[derive(Debug)]
pub struct Generation {
    step: Step,
    prompt: Vec<u32>,
    way: Way,
    /// The branches of this round; empty before the first.
    branches: Vec<Branch>,
    news: Vec<News>,
    begun: bool,
}

#[derive(Debug)]
enum Way {
    Sequences(Sequences),
    Beams(Box<BeamSearch>),
}

impl Generation {
    /// Begins. `texts` is needed for stop strings and where the news shall bring text; `seed` counts where the settings
    /// have none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when the prompt leaves no room for a token or settings contradict each other,
    /// [`ErrorKind::InvalidData`] when the prompt is empty and the settings do not say what it begins with.
    pub fn start(
        prompt: &Prompt<'_>,
        settings: &GenerationSettings,
        texts: Option<Texts>,
        constraint: Option<Box<dyn Constraint>>,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let tokens = beginning(prompt, settings)?;
        let step = Step::new(&tokens, prompt.encoder, settings, texts)?;
        let rng = pgml_core::Run::new().with_seed(settings.seed.unwrap_or(seed));
        let way = if settings.num_beams > 1 {
            Way::Beams(Box::new(BeamSearch::new(&tokens, settings, &step, constraint, rng.rng(0))?))
        } else {
            Way::Sequences(Sequences::new(&tokens, settings, &step, constraint, &rng)?)
        };
        Ok(Self { step, prompt: tokens, way, branches: Vec::new(), news: Vec::new(), begun: false })
    }

    /// What to compute in this round.
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        if self.begun { Wanted::Next(&self.branches) } else { Wanted::Prompt(&self.prompt) }
    }

    /// Whether all texts are finished.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.begun && self.branches.is_empty()
    }

    /// Whether [`Generation::advance`] brings news: beam search and `best_of` know their texts at the end only.
    #[must_use]
    pub fn has_news(&self) -> bool {
        matches!(&self.way, Way::Sequences(sequences) if !sequences.are_ranked())
    }

    /// Takes the logits of this round, one row of the whole vocabulary per branch, which are overwritten; chooses the next
    /// tokens, and returns what is new.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when the model produced numbers that are none, [`ErrorKind::InvalidParameter`] when the
    /// rules leave no token, [`ErrorKind::WrongDimension`] when the logits are not as many as asked for. The generation
    /// cannot go on after an error.
    pub fn advance(&mut self, logits: &mut [f32]) -> Result<&[News]> {
        let rows = if self.begun { self.branches.len() } else { 1 };
        self.step.check(logits, rows)?;
        self.news.clear();
        match &mut self.way {
            Way::Sequences(sequences) => {
                sequences.advance(&mut self.step, logits, &mut self.branches, &mut self.news)?;
            }
            Way::Beams(beams) => beams.advance(&mut self.step, logits, &mut self.branches)?,
        }
        self.begun = true;
        Ok(&self.news)
    }

    /// The finished texts, best first where they have scores.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] before [`Generation::is_done`]; failures of the tokenizer.
    pub fn finish(self) -> Result<Vec<Completion>> {
        if !self.is_done() {
            return Err(Error::new(ErrorKind::NotReady, "the generation has not come to its end"));
        }
        match self.way {
            Way::Sequences(sequences) => Ok(sequences.finish()),
            Way::Beams(beams) => beams.finish(&self.prompt, &self.step),
        }
    }
}

/// The prompt's tokens; the token that begins texts when there is none.
fn beginning(prompt: &Prompt<'_>, settings: &GenerationSettings) -> Result<Vec<u32>> {
    if !prompt.tokens.is_empty() {
        return Ok(prompt.tokens.to_vec());
    }
    let first = match prompt.encoder {
        Some(_) => settings.decoder_start_token_id.or(settings.bos_token_id),
        None => settings.bos_token_id,
    };
    match first {
        Some(token) => Ok(vec![token]),
        None => Err(Error::new(
            ErrorKind::InvalidData,
            "the prompt is empty, and the model has no token that begins a text",
        )
        .with_hint("give a prompt, or bos_token_id")),
    }
}
