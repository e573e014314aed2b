//! Tasks that read each input once and answer with JSON: classification and its kin.

use serde_json::{Map, Value};

use super::Tokens;
use crate::{Result, Run};

/// What one input asks of a model.
pub struct Question {
    /// The sequences to read.
    pub sequences: Vec<Tokens>,
    /// Goes on with what the model computed, one list of numbers per sequence, in their order.
    pub then: Box<dyn FnOnce(Vec<Vec<f32>>) -> Result<Answer> + Send>,
}

/// What comes of a question.
pub enum Answer {
    /// The answer.
    Known(Value),
    /// What must be asked first, knowing what was computed.
    Depends(Question),
}

impl Question {
    /// A question that `answer` answers by what the model computed of `sequences`.
    pub fn new(sequences: Vec<Tokens>, answer: impl FnOnce(Vec<Vec<f32>>) -> Result<Value> + Send + 'static) -> Self {
        Self { sequences, then: Box::new(|outputs| answer(outputs).map(Answer::Known)) }
    }
}

/// A model for one task.
pub trait TextPipeline: Send + Sync {
    /// Reads an input. `args` are the task's arguments.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for arguments that cannot be, listing what is known.
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question>;

    /// What the model makes of each sequence, whatever else is in the batch.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled); failures of the device.
    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>>;

    /// The answers to all inputs, for programs with one caller.
    ///
    /// # Errors
    /// Those of the other methods.
    fn answer(&self, inputs: &[&str], args: &Map<String, Value>, run: &Run) -> Result<Vec<Value>> {
        let answer = |input: &&str| {
            let mut question = self.ask(input, args)?;
            loop {
                let sequences: Vec<&Tokens> = question.sequences.iter().collect();
                match (question.then)(self.compute(&sequences, run)?)? {
                    Answer::Known(answer) => return Ok(answer),
                    Answer::Depends(next) => question = next,
                }
            }
        };
        inputs.iter().map(answer).collect()
    }
}
