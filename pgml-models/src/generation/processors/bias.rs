//! What is added to a token's score where certain tokens stand before it.

use super::{History, Processor};

/// `SequenceBiasLogitsProcessor`: each run's bias is added to its last token where the others stand before it.
#[derive(Debug)]
pub(super) struct SequenceBias {
    biases: Vec<(Vec<u32>, f32)>,
}

impl SequenceBias {
    /// Of equal runs the last one counts, as in Python's dictionaries.
    pub fn new(biases: Vec<(Vec<u32>, f32)>) -> Self {
        let mut last: Vec<(Vec<u32>, f32)> = Vec::with_capacity(biases.len());
        for (run, bias) in biases {
            match last.iter_mut().find(|(other, _)| *other == run) {
                Some((_, other)) => *other = bias,
                None => last.push((run, bias)),
            }
        }
        Self { biases: last }
    }
}

/// `NoBadWordsLogitsProcessor`: runs that do not come; a token that ends the text alone is never a bad word.
pub(super) fn bad_words(runs: &[Vec<u32>], eos: &[u32]) -> SequenceBias {
    let ends = |run: &[u32]| matches!(run, [token] if eos.contains(token));
    let biases = runs.iter().filter(|run| !ends(run)).map(|run| (run.clone(), f32::NEG_INFINITY));
    SequenceBias { biases: biases.collect() }
}

impl Processor for SequenceBias {
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]) {
        for (run, bias) in &self.biases {
            let Some((last, before)) = run.split_last() else { continue };
            if history.tokens.ends_with(before)
                && let Some(score) = scores.get_mut(*last as usize)
            {
                *score += bias;
            }
        }
    }
}
