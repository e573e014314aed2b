//! Greedy generation and sampling: each text goes its own way.

use pgml_core::{Result, Run};

use super::sample::{best, draw};
use super::softmax::{Normaliser, softmax};
use super::step::{Step, nothing_left};
use super::stream::TextStream;
use super::{Branch, Completion, Constraint, FinishReason, GenerationSettings, News};

/// All texts of one generation.
#[derive(Debug)]
pub(super) struct Sequences {
    sequences: Vec<Sequence>,
    /// Which text each row of this round's logits belongs to; in the first round the one row belongs to all.
    live: Vec<usize>,
    /// Room for those of the next round.
    next: Vec<usize>,
    begun: bool,
    prompt: usize,
    /// How many texts are returned.
    returned: usize,
}

#[derive(Debug)]
struct Sequence {
    /// Prompt and text.
    tokens: Vec<u32>,
    rng: fastrand::Rng,
    constraint: Option<Box<dyn Constraint>>,
    stream: Option<TextStream>,
    text: String,
    /// The sum of the tokens' log-probabilities, where texts are ranked by it.
    log_probability: f64,
    finished: Option<FinishReason>,
}

impl Sequences {
    pub fn new(
        prompt: &[u32],
        settings: &GenerationSettings,
        step: &Step,
        constraint: Option<Box<dyn Constraint>>,
        seed: &Run,
    ) -> Result<Self> {
        let count = settings.best_of.max(settings.num_return_sequences);
        let sequence = |i: usize| {
            Ok(Sequence {
                tokens: prompt.to_vec(),
                // A generator each, so that a text does not depend on when others end.
                rng: seed.rng(i as u64),
                constraint: constraint.as_ref().map(|constraint| constraint.fork()),
                stream: step.text(prompt)?,
                text: String::new(),
                log_probability: 0.0,
                finished: None,
            })
        };
        Ok(Self {
            sequences: (0..count).map(sequence).collect::<Result<_>>()?,
            live: (0..count).collect(),
            next: Vec::with_capacity(count),
            begun: false,
            prompt: prompt.len(),
            returned: settings.num_return_sequences,
        })
    }

    /// Whether only the most probable texts are returned.
    pub fn are_ranked(&self) -> bool {
        self.returned < self.sequences.len()
    }

    /// Chooses the next token of each text.
    pub fn advance(
        &mut self,
        step: &mut Step,
        logits: &mut [f32],
        branches: &mut Vec<Branch>,
        news: &mut Vec<News>,
    ) -> Result<()> {
        branches.clear();
        let ranked = self.are_ranked();
        self.next.clear();
        for (parent, row) in logits.chunks_exact_mut(step.vocabulary()).enumerate() {
            let group = if self.begun { &self.live[parent..=parent] } else { &self.live[..] };
            let Some(first) = group.first().map(|i| &mut self.sequences[*i]) else { continue };
            let model = ranked.then(|| model_scores(step, row));
            step.process(&first.tokens, first.constraint.as_deref_mut(), row)?;
            step.warp(row);
            for &i in group {
                let sequence = &mut self.sequences[i];
                let token =
                    if step.draws() { draw(&step.team, &mut step.candidates, &mut sequence.rng) } else { best(row) };
                let token = token.ok_or_else(nothing_left)?;
                if let Some((scores, normaliser)) = &model {
                    sequence.log_probability += f64::from(normaliser.log_probability(scores[token as usize]));
                }
                let text = sequence.push(token, step)?;
                if sequence.finished.is_none() {
                    branches.push(Branch { parent, token });
                    self.next.push(i);
                }
                if !ranked {
                    news.push(News { text_index: i, token, text, finished: sequence.finished });
                }
            }
        }
        std::mem::swap(&mut self.live, &mut self.next);
        self.begun = true;
        Ok(())
    }

    /// The texts that are returned.
    pub fn finish(mut self) -> Vec<Completion> {
        let (ranked, prompt) = (self.are_ranked(), self.prompt);
        if ranked {
            self.sequences.sort_by(|a, b| b.score(prompt).total_cmp(&a.score(prompt)));
        }
        self.sequences.truncate(self.returned);
        let complete = |mut sequence: Sequence| Completion {
            score: ranked.then(|| sequence.score(prompt)),
            tokens: sequence.tokens.split_off(prompt),
            text: sequence.stream.is_some().then_some(sequence.text),
            finished: sequence.finished.unwrap_or(FinishReason::Length),
        };
        self.sequences.into_iter().map(complete).collect()
    }
}

impl Sequence {
    /// Takes its next token and returns the text that became certain.
    fn push(&mut self, token: u32, step: &Step) -> Result<String> {
        self.tokens.push(token);
        let mut text = String::new();
        let stopped = match &mut self.stream {
            Some(stream) => stream.push(token, &mut text)?,
            None => false,
        };
        if stopped || step.eos.contains(&token) {
            self.finished = Some(FinishReason::Stop);
        } else if self.tokens.len() >= step.max_length {
            self.finished = Some(FinishReason::Length);
        }
        match (&mut self.stream, &mut self.constraint, self.finished) {
            (Some(stream), _, Some(_)) if !stopped => stream.finish(&mut text)?,
            (_, Some(constraint), None) => constraint.advance(token)?,
            _ => {}
        }
        self.text.push_str(&text);
        Ok(text)
    }

    /// The mean log-probability of its tokens.
    fn score(&self, prompt: usize) -> f32 {
        (self.log_probability / (self.tokens.len() - prompt).max(1) as f64) as f32
    }
}

/// A copy of the model's own scores, and what makes them log-probabilities.
fn model_scores(step: &mut Step, row: &[f32]) -> (Vec<f32>, Normaliser) {
    (row.to_vec(), softmax(&step.team, row, &mut step.scratch))
}
