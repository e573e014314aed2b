//! One request of `transform` whose task reads each input once: inputs in, JSON out.

use std::collections::VecDeque;
use std::sync::Arc;

use pgml_core::text::{Question, TextPipeline, Tokens};
use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::connection::{Connection, Stop};
use crate::guard::guarded;
use crate::scheduler::{Item, Output, Ticket};

/// How many tokens of one request wait at most.
const QUEUED_TOKENS: usize = 128 << 10;

type Answer = Box<dyn FnOnce(Vec<Vec<f32>>) -> Result<Value> + Send>;

/// An input that is being answered.
struct Pending {
    /// What has been computed of each sequence.
    outputs: Vec<Option<Vec<f32>>>,
    answer: Answer,
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
    let mut answers: Vec<Option<Value>> = vec![None; inputs.len()];
    let mut pending: Vec<Option<Pending>> = Vec::new();
    // Which input each sequence belongs to, and its place there.
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut left: VecDeque<&String> = inputs.iter().collect();
    let mut open = inputs.len();
    while open > 0 {
        for (place, result) in ticket.results() {
            let (input, sequence) = places[place];
            let Output::Vector(output) = result? else {
                return Err(Error::new(ErrorKind::Internal, "a task was answered with a score").into());
            };
            if settle(&mut pending[input], sequence, output, &mut answers[input])? {
                open -= 1;
            }
        }
        if ticket.queued() < QUEUED_TOKENS
            && let Some(input) = left.pop_front()
        {
            let Question { sequences, answer } = guarded(|| pipeline.ask(input, args))?;
            let number = pending.len();
            if sequences.is_empty() {
                answers[number] = Some(answer(Vec::new())?);
                pending.push(None);
                open -= 1;
                continue;
            }
            pending.push(Some(Pending { outputs: vec![None; sequences.len()], answer }));
            ticket.submit(items(sequences, number, &mut places));
            // Only a look whether the caller is still there.
            connection.wait(false, Some(std::time::Duration::ZERO))?;
        } else if open > 0 {
            connection.wait(false, None)?;
        }
    }
    answers
        .into_iter()
        .collect::<Option<Vec<Value>>>()
        .ok_or_else(|| Stop::Failed(Error::new(ErrorKind::Internal, "an input was not answered")))
}

fn items(sequences: Vec<Tokens>, input: usize, places: &mut Vec<(usize, usize)>) -> Vec<Item> {
    let item = |(sequence, tokens)| {
        places.push((input, sequence));
        Item { place: places.len() - 1, tokens }
    };
    sequences.into_iter().enumerate().map(item).collect()
}

/// Notes what was computed of a sequence; whether its input is answered with it.
fn settle(
    pending: &mut Option<Pending>,
    sequence: usize,
    output: Vec<f32>,
    answer: &mut Option<Value>,
) -> Result<bool> {
    let Some(open) = pending else { return Ok(false) };
    open.outputs[sequence] = Some(output);
    if open.outputs.iter().any(Option::is_none) {
        return Ok(false);
    }
    if let Some(Pending { outputs, answer: make }) = pending.take() {
        *answer = Some(guarded(|| make(outputs.into_iter().flatten().collect()))?);
    }
    Ok(true)
}
