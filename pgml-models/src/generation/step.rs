//! What all sequences of one generation share from token to token.

use std::sync::Arc;

use pgml_core::{Error, ErrorKind, Result, bail};

use super::candidates::Candidates;
use super::processors::{History, Inputs, Processors};
use super::softmax::{has_invalid, log_softmax};
use super::stopping::StopStrings;
use super::stream::{Release, TextStream, Texts};
use super::warpers::Warpers;
use super::{Constraint, GenerationSettings};
use crate::kernels::Team;

/// The rules of one generation and room for their work, used again for each token.
#[derive(Debug)]
pub(super) struct Step {
    pub team: Team,
    processors: Processors,
    warpers: Option<Warpers>,
    pub candidates: Candidates,
    pub scratch: Vec<f32>,
    pub eos: Vec<u32>,
    /// Length of the prompt.
    pub prompt: usize,
    /// Most tokens, prompt included.
    pub max_length: usize,
    replaces_invalid: bool,
    renormalizes: bool,
    /// Size of the vocabulary, once known.
    vocabulary: usize,
    /// The greatest token that the settings name, and where.
    greatest: Option<(u32, &'static str)>,
    texts: Option<Texts>,
    stops: Arc<StopStrings>,
}

impl Step {
    pub fn new(
        prompt: &[u32],
        encoder: Option<&[u32]>,
        settings: &GenerationSettings,
        texts: Option<Texts>,
    ) -> Result<Self> {
        let max_length = settings.max_length(prompt.len())?;
        let stops = StopStrings::new(&settings.stop_strings);
        if texts.is_none() && !stops.is_empty() {
            bail!(NotSupported, "stop strings need a tokenizer, but there is none");
        }
        let inputs = Inputs { encoder: encoder.unwrap_or(prompt), prompt: prompt.len(), max_length };
        Ok(Self {
            team: Team::new(1),
            processors: Processors::new(settings, inputs),
            warpers: settings.do_sample.then(|| Warpers::new(settings)),
            candidates: Candidates::default(),
            scratch: Vec::new(),
            eos: settings.eos_token_id.clone(),
            prompt: prompt.len(),
            max_length,
            replaces_invalid: settings.remove_invalid_values,
            renormalizes: settings.renormalize_logits,
            vocabulary: 0,
            greatest: settings.greatest_token(),
            texts,
            stops: Arc::new(stops),
        })
    }

    /// Whether tokens are drawn.
    pub fn draws(&self) -> bool {
        self.warpers.is_some()
    }

    /// The text of one sequence, if texts were asked for.
    pub fn text(&self, prompt: &[u32]) -> Result<Option<TextStream>> {
        self.texts.as_ref().map(|texts| TextStream::new(texts, &self.stops, prompt)).transpose()
    }

    /// The text of one sequence that is only watched, if texts end with texts.
    pub fn watched(&self, prompt: &[u32]) -> Result<Option<TextStream>> {
        let watches = self.texts.as_ref().filter(|_| !self.stops.is_empty());
        let texts = watches.map(|texts| Texts { release: Release::Tokens, ..texts.clone() });
        texts.map(|texts| TextStream::new(&texts, &self.stops, prompt)).transpose()
    }

    /// The text of a complete sequence, if texts were asked for.
    pub fn whole_text(&self, prompt: &[u32], tokens: &[u32]) -> Result<Option<String>> {
        let Some(mut stream) = self.text(prompt)? else { return Ok(None) };
        let mut text = String::new();
        for token in tokens {
            if stream.push(*token, &mut text)? {
                return Ok(Some(text));
            }
        }
        stream.finish(&mut text)?;
        Ok(Some(text))
    }

    /// Checks one round's logits.
    pub fn check(&mut self, logits: &[f32], rows: usize) -> Result<()> {
        let vocabulary = logits.len() / rows.max(1);
        let known = self.vocabulary == 0 || vocabulary == self.vocabulary;
        if rows == 0 || vocabulary == 0 || !known || vocabulary * rows != logits.len() {
            let Self { vocabulary, .. } = self;
            bail!(
                WrongDimension,
                "{rows} branches need rows of logits of one length ({vocabulary} before), not {} numbers",
                logits.len()
            );
        }
        if let Some((token, name)) = self.greatest.filter(|(token, _)| *token as usize >= vocabulary) {
            bail!(InvalidParameter, "{name} has the token {token}, but the model's vocabulary has {vocabulary}");
        }
        if !self.replaces_invalid && has_invalid(logits) {
            return Err(Error::new(ErrorKind::InvalidData, "the model produced NaN or infinite numbers").with_hint(
                "its weights may be damaged, or be beyond the range of their type: try \"dtype\": \"float32\"",
            ));
        }
        self.vocabulary = vocabulary;
        Ok(())
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Makes a row of logits the scores that the next token of a sequence is chosen by.
    pub fn process(
        &mut self,
        tokens: &[u32],
        constraint: Option<&mut (dyn Constraint + 'static)>,
        row: &mut [f32],
    ) -> Result<()> {
        self.processors.apply(&History { tokens, prompt: self.prompt }, constraint, row)
    }

    /// Narrows the choice among the scores of a row, if tokens are drawn.
    pub fn warp(&mut self, row: &mut [f32]) {
        if let Some(warpers) = &self.warpers {
            warpers.apply(&self.team, row, &mut self.candidates);
        }
    }

    /// Makes the scores of a row log-probabilities.
    pub fn normalize(&mut self, row: &mut [f32]) {
        log_softmax(&self.team, row, &mut self.scratch);
    }

    /// Makes the scores that are left log-probabilities again, where the settings say so.
    pub fn renormalize(&mut self, row: &mut [f32]) {
        match &self.warpers {
            _ if !self.renormalizes => {}
            None => log_softmax(&self.team, row, &mut self.scratch),
            Some(_) => log_softmax(&self.team, &mut self.candidates.scores, &mut self.scratch),
        }
    }
}

/// The error that no token is left.
pub(super) fn nothing_left() -> Error {
    Error::new(ErrorKind::InvalidParameter, "the arguments leave no token that may come next")
        .with_hint("bad words, suppressed tokens, the smallest length or the response format exclude each other")
}
