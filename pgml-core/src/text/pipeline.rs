//! Tasks that read each input once and answer with JSON: classification and its kin.

use serde_json::{Map, Value};

use super::Tokens;
use crate::{Result, Run};

/// What one input asks of a model.
pub struct Question {
    /// The sequences to read.
    pub sequences: Vec<Tokens>,
    /// Makes the answer of what the model computed, one list of numbers per sequence, in their order.
    pub answer: Box<dyn FnOnce(Vec<Vec<f32>>) -> Result<Value> + Send>,
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
            let question = self.ask(input, args)?;
            let sequences: Vec<&Tokens> = question.sequences.iter().collect();
            (question.answer)(self.compute(&sequences, run)?)
        };
        inputs.iter().map(answer).collect()
    }
}
