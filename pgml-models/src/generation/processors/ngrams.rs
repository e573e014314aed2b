//! Runs of tokens that do not come again.

use std::collections::HashMap;

use super::{History, Processor, forbid};

/// `NoRepeatNGramLogitsProcessor`: no run of `size` tokens comes twice.
#[derive(Debug)]
pub(super) struct NoRepeat {
    pub size: usize,
}

impl Processor for NoRepeat {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        let tokens = history.tokens;
        if tokens.len() < self.size {
            return;
        }
        let begun = &tokens[tokens.len() + 1 - self.size..];
        for window in tokens.windows(self.size) {
            if let Some((last, before)) = window.split_last()
                && before == begun
            {
                forbid(&[*last], scores);
            }
        }
    }
}

/// `EncoderNoRepeatNGramLogitsProcessor`: no run of `size` tokens of the input comes in the text.
#[derive(Debug)]
pub(super) struct NoRepeatOf {
    size: usize,
    /// What follows each run of `size` − 1 tokens of the input.
    follows: HashMap<Vec<u32>, Vec<u32>>,
}

impl NoRepeatOf {
    pub fn new(size: usize, input: &[u32]) -> Self {
        let mut follows: HashMap<Vec<u32>, Vec<u32>> = HashMap::new();
        for (last, before) in input.windows(size).filter_map(<[u32]>::split_last) {
            follows.entry(before.to_vec()).or_default().push(*last);
        }
        Self { size, follows }
    }
}

impl Processor for NoRepeatOf {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        let begun = (history.tokens.len() + 1).checked_sub(self.size).map(|start| &history.tokens[start..]);
        if let Some(tokens) = begun.and_then(|begun| self.follows.get(begun)) {
            forbid(tokens, scores);
        }
    }
}
