//! One request of `transform` that generates text: prompts in, JSON out, whole or piece by piece.

use std::sync::Arc;

use pgml_core::frames::{PIECE_BYTES, Reply, Request};
use pgml_core::text::{Event, GenerateArgs, Generated, Prompt, TextGenerator, TextTask};
use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::connection::{Connection, Stop};
use crate::generating::{Generating, Growing};
use crate::guard::guarded;

/// Prompts of one request that grow at the same time; more wait their turn.
const AT_ONCE: usize = 32;

/// What is asked.
pub struct Transform<'a> {
    /// The model.
    pub generator: &'a Arc<dyn TextGenerator>,
    /// Where its texts grow.
    pub generating: &'a Generating,
    /// What is done with the prompts.
    pub task: TextTask,
    /// The task's name as the caller gave it: that of a translation may have its languages in it.
    pub name: &'a str,
    /// How.
    pub args: &'a GenerateArgs,
    /// Whether each input is a list of messages, as JSON.
    pub chat: bool,
    /// Whether pieces are sent as they come.
    pub stream: bool,
    /// Whether answers are the new texts alone, without a name.
    pub plain: bool,
    /// A number that tells connections apart.
    pub connection: u64,
}

impl Transform<'_> {
    /// Answers all prompts.
    ///
    /// # Errors
    /// [`Stop::Closed`] when the caller is gone; [`Stop::Failed`] with the first error.
    pub fn run(&self, inputs: Vec<String>, connection: &mut Connection) -> Result<(), Stop> {
        let total = inputs.len();
        let mut waiting = 0..total;
        let mut growing: Vec<(usize, Growing)> = Vec::new();
        let mut results: Vec<Option<Value>> = vec![None; total];
        loop {
            while growing.len() < AT_ONCE
                && let Some(place) = waiting.next()
            {
                growing.push((place, self.begin(&inputs[place], connection)?));
            }
            if growing.is_empty() {
                break;
            }
            let mut ended = Vec::new();
            for (place, request) in &growing {
                for event in request.events() {
                    match event {
                        Event::Piece { text, piece } => self.piece(text, piece, connection)?,
                        Event::Done(texts) => {
                            results[*place] = Some(self.result(&inputs[*place], texts));
                            ended.push(*place);
                        }
                        Event::Failed(error) => return Err(error.into()),
                    }
                }
            }
            growing.retain(|(place, _)| !ended.contains(place));
            if ended.is_empty() {
                connection.wait(false, None)?;
            }
        }
        if self.stream {
            return Ok(());
        }
        let results: Option<Vec<Value>> = results.into_iter().collect();
        match results {
            Some(results) => send(&self.task.whole(results), connection),
            None => Err(Error::new(ErrorKind::Internal, "a prompt was not answered").into()),
        }
    }

    /// Reads a prompt and lets it grow.
    fn begin(&self, input: &str, connection: &mut Connection) -> Result<Growing, Stop> {
        let prompt = match self.task {
            _ if self.chat => Prompt::Chat(input.to_owned()),
            // A text alone is what a user says.
            TextTask::Conversational => Prompt::Chat(json!([{"role": "user", "content": input}]).to_string()),
            task if task.made_key().is_some() => Prompt::Source { task: self.name.to_owned(), text: input.to_owned() },
            _ => Prompt::Text(input.to_owned()),
        };
        let prepared = guarded(|| self.generator.prepare(&prompt, self.args, self.stream))?;
        if self.stream && self.shows_prompt() {
            self.piece(0, input.to_owned(), connection)?;
        }
        // Only a look whether the caller is still there.
        connection.wait(false, Some(std::time::Duration::ZERO))?;
        Ok(self.generating.enter(prepared, self.connection, connection.waker()))
    }

    fn piece(&self, text: usize, piece: String, connection: &mut Connection) -> Result<(), Stop> {
        if self.stream { connection.send(&Reply::Json(row(text, piece).to_string())) } else { Ok(()) }
    }

    /// Whether texts begin with their prompts, as in transformers' pipeline.
    fn shows_prompt(&self) -> bool {
        if self.task.made_key().is_some() {
            return false;
        }
        let asked = self.args.return_full_text.or(self.args.echo);
        asked.unwrap_or(self.task == TextTask::TextGeneration && !self.chat && !self.plain)
    }

    /// What the task makes of the texts of one prompt.
    fn result(&self, input: &str, texts: Vec<Generated>) -> Value {
        if let Some(key) = self.task.made_key() {
            return texts.into_iter().map(|text| json!({key: printable(text.text)})).collect();
        }
        match self.task {
            TextTask::TextGeneration if !self.chat && !self.plain => {
                let before = if self.shows_prompt() { input } else { "" };
                let text = |text: Generated| json!({"generated_text": printable(format!("{before}{}", text.text))});
                texts.into_iter().map(text).collect::<Vec<_>>().into()
            }
            _ => texts.into_iter().next().map(|text| printable(text.text)).into(),
        }
    }
}

/// Sends the whole answer, in pieces of moderate size.
///
/// # Errors
/// [`Stop::Closed`] when the caller is gone.
pub fn send(whole: &Value, connection: &mut Connection) -> Result<(), Stop> {
    let json = whole.to_string();
    let mut rest = json.as_str();
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
        connection.send(&Reply::Json(piece.to_owned()))?;
        rest = more;
    }
    Ok(())
}

/// A row of `transform_stream`: what comes next in each text.
fn row(text: usize, piece: String) -> Value {
    let mut row = vec![String::new(); text + 1];
    row[text] = printable(piece);
    row.into()
}

/// A text as PostgreSQL can store it: it has no character 0.
fn printable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Reads the `total` inputs that follow a request.
///
/// # Errors
/// [`Stop::Closed`] when the caller is gone; [`Stop::Failed`] when something else comes.
pub fn inputs(total: u64, connection: &mut Connection) -> Result<Vec<String>, Stop> {
    let mut inputs: Vec<String> = Vec::new();
    while (inputs.len() as u64) < total {
        match connection.receive()? {
            Request::Texts(texts) => inputs.extend(texts),
            _ => return Err(Error::new(ErrorKind::Internal, "a request came in the middle of another").into()),
        }
    }
    Ok(inputs)
}
