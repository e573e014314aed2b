//! One request: texts in, results out in the order of the texts, while both flow.

use std::collections::VecDeque;
use std::sync::Arc;

use pgml_core::frames::{PIECE_BYTES, Reply, Request};
use pgml_core::text::{EmbedArgs, Embedder, Reranker, Tokens};
use pgml_core::{Error, ErrorKind, Result};

use crate::connection::{Connection, Stop};
use crate::guard::guarded;
use crate::scheduler::{Item, Output, Ticket};

/// How many tokens of one request wait at most. Those of like length among them share batches.
const QUEUED_TOKENS: usize = 128 << 10;

/// How many texts are tokenised before the connection is looked after again.
const AT_ONCE: usize = 64;

/// What differs between requests for vectors and for scores.
pub enum Job {
    /// Vectors.
    Embed(Arc<dyn Embedder>, Box<EmbedArgs>),
    /// Scores of documents against this query.
    Rank(Arc<dyn Reranker>, String),
}

impl Job {
    fn tokenize(&self, texts: &[&str]) -> Result<Vec<Tokens>> {
        match self {
            Self::Embed(model, args) => model.tokenize(texts, args),
            Self::Rank(model, query) => model.tokenize(query, texts),
        }
    }

    /// What one output is to its caller.
    fn finish(&self, output: Output) -> Result<Output> {
        match (self, output) {
            (Self::Embed(_, args), Output::Vector(vector)) => args.finish(vector).map(Output::Vector),
            (_, output) => Ok(output),
        }
    }
}

/// The state of one request.
pub struct Stream<'a> {
    job: &'a Job,
    ticket: &'a Ticket,
    /// How many texts there are.
    total: usize,
    /// Texts that have arrived and are not tokenised.
    texts: VecDeque<String>,
    /// How many texts have arrived.
    arrived: usize,
    /// How many texts are tokenised.
    tokenised: usize,
    /// Outputs from the first one on that is not sent.
    outputs: VecDeque<Option<Output>>,
    /// How many outputs are sent.
    sent: usize,
}

impl<'a> Stream<'a> {
    /// A request of `total` texts.
    pub fn new(job: &'a Job, ticket: &'a Ticket, total: usize) -> Self {
        let (texts, outputs) = (VecDeque::new(), VecDeque::new());
        Self { job, ticket, total, texts, arrived: 0, tokenised: 0, outputs, sent: 0 }
    }

    /// How many texts are still to come.
    pub fn missing(&self) -> usize {
        self.total - self.arrived
    }

    /// Answers all of it.
    ///
    /// # Errors
    /// [`Stop::Closed`] when the caller is gone, [`Stop::Failed`] with the first error.
    pub fn run(&mut self, connection: &mut Connection) -> Result<(), Stop> {
        loop {
            self.collect()?;
            self.answer(connection)?;
            if self.sent == self.total {
                return Ok(());
            }
            let room = self.ticket.queued() < QUEUED_TOKENS && connection.unsent() < 4 * PIECE_BYTES;
            let wanted = room && self.texts.is_empty() && self.missing() > 0;
            if wanted && let Some(request) = connection.received()? {
                self.accept(request)?;
            }
            if room && !self.texts.is_empty() {
                self.tokenise()?;
                // Only a look whether the caller is still there.
                connection.wait(false, Some(std::time::Duration::ZERO))?;
                continue;
            }
            connection.wait(room && self.missing() > 0, None)?;
        }
    }

    fn accept(&mut self, request: Request) -> Result<()> {
        let Request::Texts(texts) = request else {
            return Err(Error::new(ErrorKind::Internal, "a request came in the middle of another"));
        };
        if texts.len() > self.missing() {
            return Err(Error::new(ErrorKind::Internal, "more texts came than were announced"));
        }
        self.arrived += texts.len();
        self.texts.extend(texts);
        Ok(())
    }

    /// Queues the next texts, the longest first: those of like length then share batches.
    fn tokenise(&mut self) -> Result<()> {
        let texts: Vec<String> = self.texts.drain(..self.texts.len().min(AT_ONCE)).collect();
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let tokens = guarded(|| self.job.tokenize(&borrowed))?;
        if tokens.len() != texts.len() {
            return Err(Error::new(ErrorKind::Internal, "a tokenizer returned another number of texts than it got"));
        }
        let first = self.tokenised;
        let place = |(at, tokens)| Item { place: first + at, tokens };
        let mut items: Vec<Item> = tokens.into_iter().enumerate().map(place).collect();
        items.sort_by_key(|item| std::cmp::Reverse(item.tokens.len()));
        self.tokenised += items.len();
        self.outputs.extend(std::iter::repeat_n(None, items.len()));
        self.ticket.submit(items);
        Ok(())
    }

    fn collect(&mut self) -> Result<()> {
        for (place, result) in self.ticket.results() {
            let output = result.and_then(|output| self.job.finish(output))?;
            self.outputs[place - self.sent] = Some(output);
        }
        Ok(())
    }

    /// Sends the outputs that are next.
    fn answer(&mut self, connection: &mut Connection) -> Result<(), Stop> {
        let mut piece = Piece::default();
        while let Some(Some(_)) = self.outputs.front() {
            let Some(Some(output)) = self.outputs.pop_front() else { break };
            self.sent += 1;
            piece.push(output);
            if piece.bytes() >= PIECE_BYTES {
                connection.send(&std::mem::take(&mut piece).reply())?;
            }
        }
        if piece.bytes() > 0 {
            connection.send(&piece.reply())?;
        }
        Ok(())
    }
}

/// Outputs for one frame.
#[derive(Default)]
struct Piece {
    dimensions: u32,
    values: Vec<f32>,
    scores: Vec<f64>,
}

impl Piece {
    fn push(&mut self, output: Output) {
        match output {
            Output::Vector(vector) => {
                self.dimensions = vector.len() as u32;
                self.values.extend(vector);
            }
            Output::Score(score) => self.scores.push(score),
        }
    }

    fn bytes(&self) -> usize {
        4 * self.values.len() + 8 * self.scores.len()
    }

    fn reply(self) -> Reply {
        if self.scores.is_empty() {
            return Reply::Vectors { dimensions: self.dimensions, values: self.values };
        }
        Reply::Scores(self.scores)
    }
}
