//! Tokens that were there before become less probable, or more.

use super::{History, Processor};

/// Which tokens of the vocabulary were met in this row, without clearing between rows.
#[derive(Debug, Default)]
struct Met {
    row: u32,
    rows: Vec<u32>,
}

impl Met {
    /// Forgets all.
    fn begin(&mut self, vocabulary: usize) {
        if self.row == u32::MAX || self.rows.len() != vocabulary {
            (self.row, self.rows) = (0, vec![0; vocabulary]);
        }
        self.row += 1;
    }

    /// Notes a token; true for the first time, false for tokens beyond the vocabulary.
    fn first(&mut self, token: u32) -> bool {
        let row = self.rows.get_mut(token as usize);
        row.is_some_and(|row| std::mem::replace(row, self.row) != self.row)
    }
}

/// Divides a positive score by `penalty` and multiplies a negative one.
fn penalise(score: &mut f32, penalty: f32) {
    *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
}

/// `RepetitionPenaltyLogitsProcessor` (Keskar and others 2019): once for each token of prompt and text.
#[derive(Debug)]
pub(super) struct Repetition {
    penalty: f32,
    met: Met,
}

impl Repetition {
    pub fn new(penalty: f64) -> Self {
        Self { penalty: penalty as f32, met: Met::default() }
    }
}

impl Processor for Repetition {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        self.met.begin(scores.len());
        for token in history.tokens {
            if self.met.first(*token) {
                penalise(&mut scores[*token as usize], self.penalty);
            }
        }
    }
}

/// `EncoderRepetitionPenaltyLogitsProcessor`: the other way round, once for each token of the input.
#[derive(Debug)]
pub(super) struct EncoderRepetition {
    penalty: f32,
    /// The input's tokens, each once.
    tokens: Vec<u32>,
}

impl EncoderRepetition {
    pub fn new(penalty: f64, input: &[u32]) -> Self {
        let mut tokens = input.to_vec();
        tokens.sort_unstable();
        tokens.dedup();
        Self { penalty: (1.0 / penalty) as f32, tokens }
    }
}

impl Processor for EncoderRepetition {
    fn apply(&mut self, _: &History<'_>, scores: &mut [f32]) {
        for token in &self.tokens {
            if let Some(score) = scores.get_mut(*token as usize) {
                penalise(score, self.penalty);
            }
        }
    }
}

/// OpenAI's `presence_penalty` and `frequency_penalty`: subtracted once, and once for each time, over the text alone.
#[derive(Debug)]
pub(super) struct Presence {
    presence: f32,
    frequency: f32,
    met: Met,
}

impl Presence {
    pub fn new(presence: f32, frequency: f32) -> Self {
        Self { presence, frequency, met: Met::default() }
    }
}

impl Processor for Presence {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        self.met.begin(scores.len());
        for token in history.new_tokens() {
            let once = if self.met.first(*token) { self.presence } else { 0.0 };
            if let Some(score) = scores.get_mut(*token as usize) {
                *score -= once + self.frequency;
            }
        }
    }
}
