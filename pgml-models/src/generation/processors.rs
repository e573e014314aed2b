//! The rules that change scores before a token is chosen, in the order of transformers'
//! `generation/utils.py::_get_logits_processor` (5.23).

use std::fmt::Debug;

use pgml_core::Result;

use super::{Constraint, GenerationSettings};

mod bias;
mod forced;
mod lengths;
mod ngrams;
mod penalties;
mod validity;

/// The tokens before the next one.
#[derive(Debug, Clone, Copy)]
pub(super) struct History<'a> {
    /// Prompt and text.
    pub tokens: &'a [u32],
    /// How many of them are the prompt.
    pub prompt: usize,
}

impl<'a> History<'a> {
    /// The text alone.
    pub fn new_tokens(&self) -> &'a [u32] {
        &self.tokens[self.prompt..]
    }
}

/// One rule. Its fields beside its settings are room that is used again.
trait Processor: Debug + Send {
    /// Changes the scores of the next token, one number per token of the vocabulary.
    fn apply(&mut self, history: &History<'_>, scores: &mut [f32]);
}

/// The rules of one generation.
#[derive(Debug)]
pub(super) struct Processors {
    /// The rules before and after the constraint's place.
    before: Vec<Box<dyn Processor>>,
    after: Vec<Box<dyn Processor>>,
}

/// What the rules need to know beside the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// What the encoder read; the prompt where there is no encoder.
    pub encoder: &'a [u32],
    /// Length of the prompt, of the decoder where there is an encoder.
    pub prompt: usize,
    /// Most tokens, prompt included.
    pub max_length: usize,
}

impl Processors {
    /// The rules that the settings ask for.
    pub fn new(settings: &GenerationSettings, inputs: Inputs<'_>) -> Self {
        let s = settings;
        let mut before: Vec<Box<dyn Processor>> = Vec::new();
        let mut after: Vec<Box<dyn Processor>> = Vec::new();
        if !s.sequence_bias.is_empty() {
            before.push(Box::new(bias::SequenceBias::new(s.sequence_bias.clone())));
        }
        if s.encoder_repetition_penalty != 1.0 {
            before.push(Box::new(penalties::EncoderRepetition::new(s.encoder_repetition_penalty, inputs.encoder)));
        }
        if s.repetition_penalty != 1.0 {
            before.push(Box::new(penalties::Repetition::new(s.repetition_penalty)));
        }
        if s.no_repeat_ngram_size > 0 {
            before.push(Box::new(ngrams::NoRepeat { size: s.no_repeat_ngram_size }));
        }
        if s.encoder_no_repeat_ngram_size > 0 {
            before.push(Box::new(ngrams::NoRepeatOf::new(s.encoder_no_repeat_ngram_size, inputs.encoder)));
        }
        if !s.bad_words_ids.is_empty() {
            before.push(Box::new(bias::bad_words(&s.bad_words_ids, &s.eos_token_id)));
        }
        // `min_new_tokens` goes before `min_length`, as in transformers.
        let min_length =
            if s.min_new_tokens > 0 { inputs.prompt.saturating_add(s.min_new_tokens) } else { s.min_length };
        if min_length > 0 {
            before.push(Box::new(lengths::MinLength { min_length, eos: s.eos_token_id.clone() }));
        }
        if let Some(token) = s.forced_bos_token_id {
            after.push(Box::new(forced::At { length: 1, tokens: vec![token] }));
        }
        if !s.forced_eos_token_id.is_empty() {
            let (length, tokens) = (inputs.max_length - 1, s.forced_eos_token_id.clone());
            after.push(Box::new(forced::At { length, tokens }));
        }
        if s.remove_invalid_values {
            after.push(Box::new(validity::RemoveInvalid));
        }
        if let Some((start, factor)) = s.exponential_decay_length_penalty {
            let (start, eos) = (inputs.prompt.saturating_add(start), s.eos_token_id.clone());
            after.push(Box::new(lengths::ExponentialDecay { start, factor, eos }));
        }
        if !s.suppress_tokens.is_empty() {
            after.push(Box::new(forced::Suppress { at: None, tokens: s.suppress_tokens.clone() }));
        }
        if !s.begin_suppress_tokens.is_empty() {
            // Where the first token is forced, the beginning is the one after it.
            let forced = inputs.prompt == 1 && s.forced_bos_token_id.is_some();
            let at = Some(inputs.prompt + usize::from(forced));
            after.push(Box::new(forced::Suppress { at, tokens: s.begin_suppress_tokens.clone() }));
        }
        if s.presence_penalty != 0.0 || s.frequency_penalty != 0.0 {
            after.push(Box::new(penalties::Presence::new(s.presence_penalty, s.frequency_penalty)));
        }
        Self { before, after }
    }

    /// Changes the scores of the next token.
    ///
    /// # Errors
    /// Those of the constraint.
    pub fn apply(
        &mut self,
        history: &History<'_>,
        constraint: Option<&mut (dyn Constraint + 'static)>,
        scores: &mut [f32],
    ) -> Result<()> {
        self.before.iter_mut().for_each(|rule| rule.apply(history, scores));
        // The place of transformers' `prefix_allowed_tokens_fn`: what is forced goes before it.
        if let Some(constraint) = constraint {
            constraint.mask(scores)?;
        }
        self.after.iter_mut().for_each(|rule| rule.apply(history, scores));
        Ok(())
    }
}

/// Sets the scores of `tokens` to −∞; those beyond the vocabulary have none.
fn forbid(tokens: &[u32], scores: &mut [f32]) {
    for token in tokens {
        if let Some(score) = scores.get_mut(*token as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}
