//! One thread per device, which computes batches of the texts of all connections. A few texts that come while it has nothing
//! to do are computed by the thread that brings them: that spares two changes of threads, which for a single text count.

mod compose;
mod pace;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pgml_core::text::{Embedder, RankArgs, Reranker, TextPipeline, Tokens};
use pgml_core::{Error, ErrorKind, Result, Run};

use crate::connection::Waker;
use crate::guard::guarded;
use crate::statistics::Statistics;
use crate::turn::Turns;
use compose::{Batch, Caller, compose};
use pace::Paces;

/// What a model makes of one text.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Of an embedder, or of a task.
    Vector(Vec<f32>),
    /// Of a reranker.
    Score(f64),
}

/// What is computed: only texts of one work share a batch.
#[derive(Clone)]
pub struct Work {
    /// Which model; unique among the loaded ones.
    pub model: u64,
    /// How.
    pub kind: Kind,
    /// Where batches are counted.
    pub statistics: Arc<Statistics>,
}

/// How a batch is computed.
#[derive(Clone)]
pub enum Kind {
    /// Texts to vectors.
    Embed(Arc<dyn Embedder>),
    /// Pairs to scores, as the arguments say.
    Rank(Arc<dyn Reranker>, Arc<RankArgs>),
    /// Sequences of a task to numbers.
    Answer(Arc<dyn TextPipeline>),
}

impl Work {
    /// Whether texts of both may share a batch.
    fn joins(&self, other: &Self) -> bool {
        let same_kind = match (&self.kind, &other.kind) {
            (Kind::Embed(_), Kind::Embed(_)) | (Kind::Answer(_), Kind::Answer(_)) => true,
            (Kind::Rank(_, a), Kind::Rank(_, b)) => {
                (&a.activation, a.apply_softmax) == (&b.activation, b.apply_softmax)
            }
            _ => false,
        };
        self.model == other.model && same_kind
    }

    fn run(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Output>> {
        let outputs: Vec<Output> = match &self.kind {
            Kind::Embed(model) => model.embed_tokens(batch, run)?.into_iter().map(Output::Vector).collect(),
            Kind::Answer(model) => model.compute(batch, run)?.into_iter().map(Output::Vector).collect(),
            Kind::Rank(model, args) => model.score_tokens(batch, args, run)?.into_iter().map(Output::Score).collect(),
        };
        if outputs.len() == batch.len() {
            return Ok(outputs);
        }
        let message = format!("a model returned {} results of {} texts", outputs.len(), batch.len());
        Err(Error::new(ErrorKind::Internal, message))
    }
}

/// One text in a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its place among the texts of its request.
    pub place: usize,
    /// The text as the model reads it.
    pub tokens: Tokens,
}

/// Where the results of one request arrive.
struct Outbox {
    done: Mutex<Vec<(usize, Result<Output>)>>,
    waker: Arc<Waker>,
}

/// Computes batches on a thread of its own. That ends when this is dropped.
pub struct Scheduler(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to do for the thread.
    arrived: Condvar,
    turns: Arc<Turns>,
    run: Run,
}

#[derive(Default)]
struct State {
    callers: Vec<Caller>,
    next_caller: u64,
    paces: Paces,
    /// A batch is being computed: one at a time.
    computing: bool,
    ended: bool,
}

/// Most tokens of a batch that the thread computes which brings them: it cannot look after its connection meanwhile.
const FEW_TOKENS: usize = 256;

/// A request's place in the queue. Dropping it takes what is queued away.
pub struct Ticket {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    caller: u64,
}

impl Scheduler {
    /// Starts the thread. Models may use `threads` threads.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let run = Run::new().with_threads(threads);
        let shared = Arc::new(Shared { state: Mutex::default(), arrived: Condvar::new(), turns: Arc::default(), run });
        let of_thread = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("batches".into());
        builder.spawn(move || of_thread.compute())?;
        Ok(Self(shared))
    }

    /// Who else computes on the device takes turns with the batches.
    pub fn turns(&self) -> &Arc<Turns> {
        &self.0.turns
    }

    /// Lets a request queue texts for `work`; `waker` is called when results have come.
    pub fn enter(&self, work: Work, waker: Arc<Waker>) -> Ticket {
        let outbox = Arc::new(Outbox { done: Mutex::default(), waker });
        let mut state = self.0.lock();
        let caller = state.next_caller;
        state.next_caller += 1;
        state.callers.push(Caller::new(caller, work, Arc::clone(&outbox)));
        Ticket { shared: Arc::clone(&self.0), outbox, caller }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.arrived.notify_all();
    }
}

impl Ticket {
    /// Queues texts, in the order in which they are to be computed. If they are few and nobody else has any, they are
    /// computed before this returns.
    pub fn submit(&self, items: Vec<Item>) {
        let mut state = self.shared.lock();
        if let Some(caller) = state.callers.iter_mut().find(|caller| caller.id == self.caller) {
            caller.push(items);
        }
        let waiting: usize = state.callers.iter().map(|caller| caller.tokens).sum();
        let alone = state.callers.iter().all(|caller| caller.id == self.caller || caller.tokens == 0);
        if alone && !state.computing && waiting <= FEW_TOKENS {
            drop(self.shared.compute_next(state));
        } else {
            drop(state);
            self.shared.arrived.notify_one();
        }
    }

    /// Tokens that are queued and not yet in a batch.
    pub fn queued(&self) -> usize {
        self.shared.lock().callers.iter().find(|caller| caller.id == self.caller).map_or(0, |caller| caller.tokens)
    }

    /// The results that have come since the last call, each with its text's place.
    pub fn results(&self) -> Vec<(usize, Result<Output>)> {
        std::mem::take(&mut *lock(&self.outbox.done))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let left = state.callers.iter().position(|caller| caller.id == self.caller).map(|at| state.callers.remove(at));
        drop(state);
        // The queue may be long: freed without the lock.
        drop(left);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The thread.
    fn compute(&self) {
        let mut state = self.lock();
        while !state.ended {
            state = if !state.computing && state.callers.iter().any(|caller| caller.tokens > 0) {
                self.compute_next(state)
            } else {
                self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// Computes the next batch, if there is one; nobody else computes meanwhile.
    fn compute_next<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let State { callers, paces, .. } = &mut *state;
        let Some(batch) = compose(callers, |model| paces.budget(model)) else { return state };
        state.computing = true;
        drop(state);
        let turn = self.turns.wait();
        let start = Instant::now();
        compute(&batch, &self.run);
        drop(turn);
        let mut state = self.lock();
        state.computing = false;
        state.paces.note(batch.work.model, batch.tokens(), start.elapsed());
        if state.callers.iter().any(|caller| caller.tokens > 0) {
            self.arrived.notify_one();
        }
        state
    }
}

/// Computes a batch and delivers its results. If it fails, each request's part is computed alone, so that the texts of
/// one do not fail the others.
fn compute(batch: &Batch, run: &Run) {
    batch.work.statistics.batch(batch.parts.len());
    let inputs: Vec<&Tokens> = batch.parts.iter().flat_map(|part| &part.items).map(|item| &item.tokens).collect();
    match guarded(|| batch.work.run(&inputs, run)) {
        Ok(outputs) => {
            let mut outputs = outputs.into_iter();
            for part in &batch.parts {
                deliver(part, outputs.by_ref().take(part.items.len()).map(Ok));
            }
        }
        Err(error) if batch.parts.len() == 1 => deliver(&batch.parts[0], std::iter::repeat(Err(error))),
        Err(_) => {
            for part in &batch.parts {
                let alone: Vec<&Tokens> = part.items.iter().map(|item| &item.tokens).collect();
                match guarded(|| batch.work.run(&alone, run)) {
                    Ok(outputs) => deliver(part, outputs.into_iter().map(Ok)),
                    Err(error) => deliver(part, std::iter::repeat(Err(error))),
                }
            }
        }
    }
}

fn deliver(part: &compose::Part, results: impl Iterator<Item = Result<Output>>) {
    let places = part.items.iter().map(|item| item.place);
    lock(&part.outbox.done).extend(places.zip(results));
    part.outbox.waker.wake();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Texts of one caller that wait.
type Queue = VecDeque<Item>;
