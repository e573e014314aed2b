//! Beam search: several candidates of one text are followed together, and the best are returned.
//!
//! The rules, and the order of single-precision operations, are those of transformers 5.23 (`_beam_search` in
//! `generation/utils.py`). It differs where tokens run short: transformers then follows copies and texts that have ended,
//! this search fewer beams.

mod hypotheses;
mod selection;

use pgml_core::Result;

use super::step::{Step, nothing_left};
use super::stream::TextStream;
use super::{Branch, Completion, Constraint, EarlyStopping, FinishReason, GenerationSettings};
use hypotheses::{Found, Hypotheses};
use selection::{Candidate, Selection};

/// The search for one prompt.
#[derive(Debug)]
pub(super) struct BeamSearch {
    /// The candidates that go on, best first: the prompt at first.
    running: Vec<Beam>,
    /// Room for the next ones.
    next: Vec<Beam>,
    selection: Selection,
    /// How each of the selected continuations ends, if it does.
    ends: Vec<Option<FinishReason>>,
    complete: Hypotheses,
    rng: fastrand::Rng,
    beams: usize,
    /// How many continuations a round looks at: enough that as many beams go on whatever ends.
    kept: usize,
    length_penalty: f64,
    early_stopping: EarlyStopping,
    returned: usize,
}

/// One candidate that goes on.
#[derive(Debug, Default)]
struct Beam {
    /// Prompt and text.
    tokens: Vec<u32>,
    /// The sum of its tokens' scores.
    score: f32,
    constraint: Option<Box<dyn Constraint>>,
    /// Its text, where texts end with texts.
    text: Option<TextStream>,
}

impl BeamSearch {
    pub fn new(
        prompt: &[u32],
        settings: &GenerationSettings,
        step: &Step,
        constraint: Option<Box<dyn Constraint>>,
        rng: fastrand::Rng,
    ) -> Result<Self> {
        let beams = settings.num_beams;
        Ok(Self {
            running: vec![Beam { tokens: prompt.to_vec(), score: 0.0, constraint, text: step.watched(prompt)? }],
            next: Vec::with_capacity(beams),
            selection: Selection::default(),
            ends: Vec::new(),
            complete: Hypotheses::new(beams),
            rng,
            beams,
            kept: (settings.eos_token_id.len() + 1).max(2) * beams,
            length_penalty: settings.length_penalty,
            early_stopping: settings.early_stopping,
            returned: settings.num_return_sequences,
        })
    }

    /// Chooses the beams that go on.
    pub fn advance(&mut self, step: &mut Step, logits: &mut [f32], branches: &mut Vec<Branch>) -> Result<()> {
        self.select(step, logits)?;
        self.find_ends(step)?;
        self.keep_complete(step);
        self.go_on(step, branches)?;
        let enough = self.complete.is_full() && self.early_stopping == EarlyStopping::Yes;
        if enough || !self.may_improve(step) {
            branches.clear();
        }
        Ok(())
    }

    /// Finds the best continuations of all beams, or draws them.
    fn select(&mut self, step: &mut Step, logits: &mut [f32]) -> Result<()> {
        self.selection.begin(self.kept);
        for (i, (row, beam)) in logits.chunks_exact_mut(step.vocabulary()).zip(&mut self.running).enumerate() {
            step.normalize(row);
            step.process(&beam.tokens, beam.constraint.as_deref_mut(), row)?;
            step.warp(row);
            step.renormalize(row);
            if step.draws() {
                self.selection.draw(i, beam.score, &step.candidates, &mut self.rng);
            } else {
                self.selection.take(i, beam.score, row);
            }
        }
        self.selection.finish();
        if self.selection.chosen.is_empty() { Err(nothing_left()) } else { Ok(()) }
    }

    /// Finds out how the selected continuations end.
    fn find_ends(&mut self, step: &Step) -> Result<()> {
        self.ends.clear();
        for candidate in &self.selection.chosen {
            let beam = &self.running[candidate.beam];
            let stopped = match beam.text.clone() {
                Some(mut text) => text.push(candidate.token, &mut String::new())?,
                None => false,
            };
            self.ends.push(if stopped || step.eos.contains(&candidate.token) {
                Some(FinishReason::Stop)
            } else {
                (beam.tokens.len() + 1 >= step.max_length).then_some(FinishReason::Length)
            });
        }
        Ok(())
    }

    /// Keeps those of the best continuations that are complete, as far as they are better than others.
    fn keep_complete(&mut self, step: &Step) {
        for (candidate, end) in self.selection.chosen.iter().zip(&self.ends).take(self.beams) {
            let Some(finished) = *end else { continue };
            let before = &self.running[candidate.beam].tokens[step.prompt..];
            let score = candidate.score / self.divisor(before.len() + 1);
            self.complete.offer(score, || {
                let mut tokens = before.to_vec();
                tokens.push(candidate.token);
                Found { tokens, score, finished }
            });
        }
    }

    /// Makes the best continuations that are not complete the beams of the next round.
    fn go_on(&mut self, step: &Step, branches: &mut Vec<Branch>) -> Result<()> {
        let open = |candidate: &Candidate, ends: &[Option<FinishReason>]| ends[candidate.rank].is_none();
        self.selection.chosen.retain(|candidate| open(candidate, &self.ends));
        // Draws are not in the order of their scores.
        self.selection.chosen.sort_by(|a, b| b.score.total_cmp(&a.score));
        branches.clear();
        for (place, candidate) in self.selection.chosen.iter().take(self.beams).enumerate() {
            let (parent, token) = (&self.running[candidate.beam], candidate.token);
            if self.next.len() == place {
                self.next.push(Beam::default());
            }
            let beam = &mut self.next[place];
            beam.tokens.clone_from(&parent.tokens);
            beam.tokens.push(token);
            beam.score = candidate.score;
            beam.constraint = parent.constraint.as_ref().map(|constraint| constraint.fork());
            if let Some(constraint) = &mut beam.constraint {
                constraint.advance(token)?;
            }
            beam.text.clone_from(&parent.text);
            if let Some(text) = &mut beam.text {
                text.push(token, &mut String::new())?;
            }
            branches.push(Branch { parent: candidate.beam, token });
        }
        self.next.truncate(branches.len());
        std::mem::swap(&mut self.running, &mut self.next);
        debug_assert!(self.running.iter().all(|beam| beam.tokens.len() < step.max_length), "the longest are complete");
        Ok(())
    }

    /// Whether a running beam could become better than the worst complete one.
    fn may_improve(&self, step: &Step) -> bool {
        let Some(best) = self.running.first() else { return false };
        let could_grow = self.early_stopping == EarlyStopping::Never && self.length_penalty > 0.0;
        let length = if could_grow { step.max_length } else { best.tokens.len() };
        self.complete.would_take(best.score / self.divisor(length - step.prompt))
    }

    /// What the score of a text of `new` tokens is divided by.
    fn divisor(&self, new: usize) -> f32 {
        (new as f64).powf(self.length_penalty) as f32
    }

    /// The texts that are returned, best first.
    pub fn finish(self, prompt: &[u32], step: &Step) -> Result<Vec<Completion>> {
        let complete = |Found { tokens, score, finished }: Found| {
            let text = step.whole_text(prompt, &tokens)?;
            Ok(Completion { tokens, text, score: Some(score), finished })
        };
        self.complete.into_best(self.returned).map(complete).collect()
    }
}
