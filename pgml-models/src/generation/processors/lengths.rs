//! When the end may come.

use super::{History, Processor, forbid};

/// `MinLengthLogitsProcessor`: no end before a length, prompt included.
#[derive(Debug)]
pub(super) struct MinLength {
    pub min_length: usize,
    pub eos: Vec<u32>,
}

impl Processor for MinLength {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        if history.tokens.len() < self.min_length {
            forbid(&self.eos, scores);
        }
    }
}

/// `ExponentialDecayLengthPenalty`: after a length the end's score grows exponentially.
#[derive(Debug)]
pub(super) struct ExponentialDecay {
    /// The length, prompt included.
    pub start: usize,
    pub factor: f64,
    pub eos: Vec<u32>,
}

impl Processor for ExponentialDecay {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        let Some(beyond @ 1..) = history.tokens.len().checked_sub(self.start) else { return };
        let growth = (self.factor.powf(beyond as f64) - 1.0) as f32;
        for token in &self.eos {
            // An end that is not possible stays so.
            if let Some(score) = scores.get_mut(*token as usize).filter(|score| score.is_finite()) {
                // The factor's powers may be infinite; scores stay finite.
                *score = (*score + score.abs() * growth).min(f32::MAX);
            }
        }
    }
}
