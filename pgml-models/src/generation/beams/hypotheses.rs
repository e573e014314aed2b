//! The complete candidates of a beam search.

use crate::generation::FinishReason;

/// The best complete candidates, at most as many as there are beams, best first.
#[derive(Debug)]
pub(super) struct Hypotheses {
    found: Vec<Found>,
    beams: usize,
}

/// A complete candidate.
#[derive(Debug)]
pub(super) struct Found {
    /// The new tokens.
    pub tokens: Vec<u32>,
    /// The sum of their scores, divided by a power of their number.
    pub score: f32,
    /// Why it ended.
    pub finished: FinishReason,
}

impl Hypotheses {
    pub fn new(beams: usize) -> Self {
        Self { found: Vec::with_capacity(beams + 1), beams }
    }

    /// Whether there are as many as beams.
    pub fn is_full(&self) -> bool {
        self.found.len() == self.beams
    }

    /// Whether a candidate of this score would be among them.
    pub fn would_take(&self, score: f32) -> bool {
        match self.found.last() {
            Some(worst) if self.is_full() => score > worst.score,
            _ => true,
        }
    }

    /// Takes a candidate if it is among the best; of equals the earlier one is better.
    pub fn offer(&mut self, score: f32, candidate: impl FnOnce() -> Found) {
        if self.would_take(score) {
            let place = self.found.partition_point(|other| other.score >= score);
            self.found.insert(place, candidate());
            self.found.truncate(self.beams);
        }
    }

    /// The best `n`.
    pub fn into_best(self, n: usize) -> impl Iterator<Item = Found> {
        self.found.into_iter().take(n)
    }
}
