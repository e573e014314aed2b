//! One thread per model that generates text: the texts of all connections grow together in it, token by token. A request
//! takes part from the next round on, and leaves at once.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use pgml_core::text::{Event, GenerationBatch, Prepared, TextGenerator};
use pgml_core::{Error, ErrorKind, Result, Run};

use crate::connection::Waker;
use crate::guard::guarded;
use crate::statistics::Statistics;
use crate::turn::Turns;

/// The thread of one model. It ends when this is dropped.
pub struct Generating(Arc<Shared>);

struct Shared {
    generator: Arc<dyn TextGenerator>,
    statistics: Arc<Statistics>,
    turns: Arc<Turns>,
    threads: usize,
    /// Bytes that the texts may take beside the model.
    memory: u64,
    state: Mutex<State>,
    /// There is something to do for the thread.
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    entering: Vec<(u64, Prepared)>,
    leaving: Vec<u64>,
    inboxes: HashMap<u64, Arc<Inbox>>,
    next: u64,
    /// The round that is being computed.
    round: Option<Run>,
    ended: bool,
}

/// Where the news of one request arrive.
struct Inbox {
    events: Mutex<Vec<Event>>,
    waker: Arc<Waker>,
    /// Whose request it is.
    connection: u64,
}

/// One request's part in the batch. Dropping it takes the request out.
pub struct Growing {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    number: u64,
}

impl Generating {
    /// Starts the thread; the model may use `threads` threads while it is its turn.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        generator: Arc<dyn TextGenerator>,
        statistics: Arc<Statistics>,
        turns: Arc<Turns>,
        threads: usize,
        memory: u64,
    ) -> Result<Self> {
        let (state, arrived) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { generator, statistics, turns, threads, memory, state, arrived });
        let of_thread = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("generating".into());
        builder
            .spawn(move || of_thread.grow())
            .map_err(|e| Error::new(ErrorKind::Internal, format!("could not start a thread: {e}")))?;
        Ok(Self(shared))
    }

    /// Lets a request of a connection take part; `waker` is called when there is news.
    pub fn enter(&self, request: Prepared, connection: u64, waker: Arc<Waker>) -> Growing {
        let inbox = Arc::new(Inbox { events: Mutex::default(), waker, connection });
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        state.inboxes.insert(number, Arc::clone(&inbox));
        state.entering.push((number, request));
        drop(state);
        self.0.arrived.notify_one();
        Growing { shared: Arc::clone(&self.0), inbox, number }
    }
}

impl Drop for Generating {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        if let Some(run) = &state.round {
            run.cancel();
        }
        drop(state);
        self.0.arrived.notify_one();
    }
}

impl Growing {
    /// What has happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *lock(&self.inbox.events))
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.inboxes.remove(&self.number).is_none() {
            return;
        }
        state.leaving.push(self.number);
        // The round under way may read a long prompt of this request: it is begun again without it.
        if let Some(run) = &state.round {
            run.cancel();
        }
        drop(state);
        self.shared.arrived.notify_one();
    }
}

/// A batch, and by which of our numbers its requests are known.
struct Batch {
    batch: Box<dyn GenerationBatch>,
    ours: HashMap<u64, u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn new_batch(&self) -> Batch {
        Batch { batch: self.generator.batch(self.memory), ours: HashMap::new() }
    }

    /// The thread.
    fn grow(&self) {
        let mut batch = self.new_batch();
        while let Some(run) = self.next_round(&mut batch) {
            let outcome = {
                let _turn = self.turns.wait();
                guarded(|| Ok(batch.batch.round(&run)))
            };
            let mut state = self.lock();
            state.round = None;
            let events = match outcome {
                Ok(events) => events,
                Err(error) => {
                    // What the batch holds cannot be trusted any more.
                    let failed = batch.ours.keys().map(|theirs| (*theirs, Event::Failed(error.clone()))).collect();
                    batch.batch = self.generator.batch(self.memory);
                    failed
                }
            };
            for (theirs, event) in events {
                deliver(&mut state, &mut batch.ours, theirs, event);
            }
        }
    }

    /// Waits until there is something to do and brings the batch up to date; `None` at the end.
    fn next_round(&self, batch: &mut Batch) -> Option<Run> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let (entering, leaving) = (std::mem::take(&mut state.entering), std::mem::take(&mut state.leaving));
            for (ours, request) in entering {
                if state.inboxes.contains_key(&ours) {
                    batch.ours.insert(batch.batch.enter(request), ours);
                }
            }
            for left in leaving {
                let theirs = batch.ours.iter().find(|(_, ours)| **ours == left).map(|(theirs, _)| *theirs);
                if let Some(theirs) = theirs {
                    batch.ours.remove(&theirs);
                    batch.batch.leave(theirs);
                }
            }
            if !batch.batch.is_empty() {
                break;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut connections: Vec<u64> = state.inboxes.values().map(|inbox| inbox.connection).collect();
        connections.sort_unstable();
        connections.dedup();
        self.statistics.batch(connections.len());
        let run = Run::new().with_threads(self.threads);
        state.round = Some(run.clone());
        Some(run)
    }
}

fn deliver(state: &mut State, ours: &mut HashMap<u64, u64>, theirs: u64, event: Event) {
    let last = !matches!(event, Event::Piece { .. });
    let number = if last { ours.remove(&theirs) } else { ours.get(&theirs).copied() };
    let Some(number) = number else { return };
    let inbox = if last { state.inboxes.remove(&number) } else { state.inboxes.get(&number).cloned() };
    if let Some(inbox) = inbox {
        lock(&inbox.events).push(event);
        inbox.waker.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
