//! One request whose texts grow: what it has read, and what comes next in it.

use std::sync::{Arc, Mutex};

use pgml_core::text::{Event, Finish, Generated};
use pgml_core::{Error, ErrorKind, Result};

use super::generator::Request;
use crate::generation::{Completion, FinishReason, Wanted};
use crate::nn::cache::lock;
use crate::nn::{KvCache, SharedCache};

/// A request under way.
pub(super) struct Active {
    pub number: u64,
    pub request: Request,
    pub branches: Vec<Growth>,
    /// Of a text that is made from another: that other one.
    pub source: Option<SourceText>,
    /// It gave its memory back and waits for more.
    pub waits: bool,
}

/// One of the texts that a request follows.
pub(super) struct Growth {
    /// The prompt and what has come since.
    pub tokens: Vec<u32>,
    /// Keys and values of the first of them.
    pub cache: SharedCache,
    /// The scores of what comes next, once all tokens are read.
    pub logits: Option<Vec<f32>>,
}

/// A text that another is made from. All branches look at it.
pub(super) struct SourceText {
    pub tokens: Vec<u32>,
    /// Where its keys and values are to go.
    pub room: Option<KvCache>,
    /// They are there.
    pub read: Option<Arc<KvCache>>,
}

impl Active {
    pub fn holds_memory(&self) -> bool {
        let source = self.source.as_ref().is_some_and(|source| source.room.is_some() || source.read.is_some());
        source || self.branches.iter().any(|growth| !lock(&growth.cache).is_empty())
    }

    /// Takes what was computed and chooses what comes next; whether it has ended.
    pub fn advance(&mut self, events: &mut Vec<(u64, Event)>) -> Result<bool> {
        let mut logits: Vec<f32> = Vec::new();
        for growth in &mut self.branches {
            logits.append(&mut growth.logits.take().unwrap_or_default());
        }
        let generation = &mut self.request.generation;
        for news in generation.advance(&mut logits)? {
            if self.request.stream && !news.text.is_empty() {
                events.push((self.number, Event::Piece { text: news.text_index, piece: news.text.clone() }));
            }
        }
        if generation.is_done() {
            return Ok(true);
        }
        let Wanted::Next(branches) = generation.wanted() else {
            return Err(Error::new(ErrorKind::Internal, "a prompt was asked for twice"));
        };
        if let [one] = branches
            && let [growth] = self.branches.as_mut_slice()
        {
            growth.tokens.push(one.token);
        } else {
            self.branches =
                branches.iter().map(|branch| self.branches[branch.parent].continued(branch.token)).collect();
        }
        Ok(false)
    }

    /// Its texts, and what is left of the first.
    pub fn end(self, events: &mut Vec<(u64, Event)>) -> Result<(Vec<Generated>, Option<Growth>)> {
        let told = self.request.generation.has_news();
        let ended: Vec<Generated> = self.request.generation.finish()?.into_iter().map(generated).collect();
        if self.request.stream && !told {
            let whole = ended.iter().enumerate();
            events.extend(whole.map(|(text, all)| (self.number, Event::Piece { text, piece: all.text.clone() })));
        }
        Ok((ended, self.branches.into_iter().next()))
    }
}

impl Growth {
    /// The text with one more token. What is kept of the others is shared until one of both goes on.
    fn continued(&self, token: u32) -> Self {
        let mut tokens = self.tokens.clone();
        tokens.push(token);
        Self { tokens, cache: Arc::new(Mutex::new(lock(&self.cache).clone())), logits: None }
    }
}

/// A completion as callers see it.
fn generated(completion: Completion) -> Generated {
    let finish = match completion.finished {
        FinishReason::Stop => Finish::Stop,
        FinishReason::Length => Finish::Length,
    };
    let n_tokens = completion.tokens.len() as u32;
    Generated { text: completion.text.unwrap_or_default(), n_tokens, finish }
}
