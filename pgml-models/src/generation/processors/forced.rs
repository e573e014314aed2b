//! Tokens that must come, and tokens that must not.

use super::{History, Processor, forbid};

/// `ForcedBOSTokenLogitsProcessor` and `ForcedEOSTokenLogitsProcessor`: nothing but these tokens at one length.
#[derive(Debug)]
pub(super) struct At {
    /// How many tokens are there already.
    pub length: usize,
    /// What may come then.
    pub tokens: Vec<u32>,
}

impl Processor for At {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        if history.tokens.len() == self.length {
            scores.fill(f32::NEG_INFINITY);
            for token in &self.tokens {
                if let Some(score) = scores.get_mut(*token as usize) {
                    *score = 0.0;
                }
            }
        }
    }
}

/// `SuppressTokensLogitsProcessor` and `SuppressTokensAtBeginLogitsProcessor`: tokens that do not come.
#[derive(Debug)]
pub(super) struct Suppress {
    /// At which length; at any when absent.
    pub at: Option<usize>,
    /// The tokens.
    pub tokens: Vec<u32>,
}

impl Processor for Suppress {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        if self.at.is_none_or(|length| length == history.tokens.len()) {
            forbid(&self.tokens, scores);
        }
    }
}
