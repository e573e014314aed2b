//! One request of `transform` whose task reads each input once: inputs in, JSON out.

use std::collections::VecDeque;
use std::sync::Arc;

use pgml_core::text::{Answer, Question, TextPipeline};
use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::connection::{Connection, Stop};
use crate::guard::guarded;
use crate::scheduler::{Item, Output, Ticket};

/// How many tokens of one request wait at most.
const QUEUED_TOKENS: usize = 128 << 10;

type Then = Box<dyn FnOnce(Vec<Vec<f32>>) -> Result<Answer> + Send>;

/// An input that is being answered.
struct Pending {
    /// What has been computed of each sequence.
    outputs: Vec<Option<Vec<f32>>>,
    then: Then,
}

/// The inputs of one request.
struct Asking<'a> {
    ticket: &'a Ticket,
    answers: Vec<Option<Value>>,
    /// How many have no answer yet.
    open: usize,
    /// Of the inputs that were asked.
    pending: Vec<Option<Pending>>,
    /// Which input each sequence belongs to, and its place there.
    places: Vec<(usize, usize)>,
}

/// Answers all inputs, in their order.
///
/// # Errors
/// [`Stop::Closed`] when the caller is gone; [`Stop::Failed`] with the first error.
pub fn answers(
    pipeline: &Arc<dyn TextPipeline>,
    inputs: &[String],
    args: &Map<String, Value>,
    ticket: &Ticket,
    connection: &mut Connection,
) -> Result<Vec<Value>, Stop> {
    let answers = vec![None; inputs.len()];
    let mut asking = Asking { ticket, answers, open: inputs.len(), pending: Vec::new(), places: Vec::new() };
    let mut left: VecDeque<&String> = inputs.iter().collect();
    while asking.open > 0 {
        let results = ticket.results();
        if !results.is_empty() {
            for (place, result) in results {
                let Output::Vector(output) = result? else {
                    return Err(Error::new(ErrorKind::Internal, "a task was answered with a score").into());
                };
                asking.settle(place, output)?;
            }
            continue;
        }
        if ticket.queued() < QUEUED_TOKENS
            && let Some(input) = left.pop_front()
        {
            let question = guarded(|| pipeline.ask(input, args))?;
            asking.pending.push(None);
            asking.enter(asking.pending.len() - 1, question)?;
            // Only a look whether the caller is still there.
            connection.wait(false, Some(std::time::Duration::ZERO))?;
        } else {
            connection.wait(false, None)?;
        }
    }
    asking
        .answers
        .into_iter()
        .collect::<Option<Vec<Value>>>()
        .ok_or_else(|| Stop::Failed(Error::new(ErrorKind::Internal, "an input was not answered")))
}

impl Asking<'_> {
    /// Sends what a question asks of the model, for an input; one that asks nothing goes on at once.
    fn enter(&mut self, input: usize, mut question: Question) -> Result<()> {
        while question.sequences.is_empty() {
            match guarded(|| (question.then)(Vec::new()))? {
                Answer::Known(answer) => {
                    self.answer(input, answer);
                    return Ok(());
                }
                Answer::Depends(next) => question = next,
            }
        }
        let Question { sequences, then } = question;
        self.pending[input] = Some(Pending { outputs: vec![None; sequences.len()], then });
        let item = |(sequence, tokens)| {
            self.places.push((input, sequence));
            Item { place: self.places.len() - 1, tokens }
        };
        let items = sequences.into_iter().enumerate().map(item).collect();
        self.ticket.submit(items);
        Ok(())
    }

    /// Notes what was computed of a sequence, and goes on with its input when that was the last.
    fn settle(&mut self, place: usize, output: Vec<f32>) -> Result<()> {
        let (input, sequence) = self.places[place];
        let Some(open) = &mut self.pending[input] else { return Ok(()) };
        open.outputs[sequence] = Some(output);
        if open.outputs.iter().any(Option::is_none) {
            return Ok(());
        }
        let Some(Pending { outputs, then }) = self.pending[input].take() else { return Ok(()) };
        match guarded(|| then(outputs.into_iter().flatten().collect()))? {
            Answer::Known(answer) => {
                self.answer(input, answer);
                Ok(())
            }
            Answer::Depends(next) => self.enter(input, next),
        }
    }

    fn answer(&mut self, input: usize, answer: Value) {
        self.answers[input] = Some(answer);
        self.open -= 1;
    }
}
