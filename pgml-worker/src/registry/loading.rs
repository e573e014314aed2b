//! A model on its way into memory, on a thread of its own: who asked first may go away, others wait for it too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pgml_core::{Error, ErrorKind, Result, Run};

use super::{Asked, Key, Model, Shared, Slot, State};
use crate::connection::{Connection, Stop, Waker};
use crate::guard::guarded;

/// A model that is being loaded.
pub struct Loading {
    outcome: OnceLock<Result<Arc<Model>>>,
    waiting: Mutex<Vec<Arc<Waker>>>,
    callers: AtomicUsize,
    run: Run,
}

impl Loading {
    fn new(outcome: OnceLock<Result<Arc<Model>>>) -> Arc<Self> {
        let run = Run::new().with_threads(std::thread::available_parallelism().map_or(1, usize::from));
        Arc::new(Self { outcome, waiting: Mutex::default(), callers: AtomicUsize::new(0), run })
    }

    fn done(model: Arc<Model>) -> Arc<Self> {
        Self::new(OnceLock::from(Ok(model)))
    }

    /// Waits for the outcome. When the last caller goes away, loading stops.
    pub fn wait(&self, connection: &mut Connection) -> Result<Arc<Model>, Stop> {
        let _interest = Interest::of(self);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(connection.waker());
        loop {
            if let Some(outcome) = self.outcome.get() {
                return Ok(outcome.clone()?);
            }
            connection.wait(false, None)?;
        }
    }

    fn finish(&self, outcome: Result<Arc<Model>>) {
        // Set once, by the thread that loads.
        let _ = self.outcome.set(outcome);
        for waker in self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            waker.wake();
        }
    }
}

struct Interest<'a>(&'a Loading);

impl<'a> Interest<'a> {
    fn of(loading: &'a Loading) -> Self {
        loading.callers.fetch_add(1, Ordering::SeqCst);
        Self(loading)
    }
}

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        if self.0.callers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.run.cancel();
        }
    }
}

impl Shared {
    /// The load of `key` that is under way or has just ended, else a new one.
    pub fn loading(self: &Arc<Self>, key: Key, asked: &Asked) -> Arc<Loading> {
        let mut state = self.lock();
        state.known.insert(asked.clone(), key.clone());
        match state.slots.get(&key) {
            Some(Slot::Loading(loading, _)) => Arc::clone(loading),
            Some(Slot::Ready(model)) => Loading::done(Arc::clone(model)),
            None => self.start_loading(&mut state, key),
        }
    }

    /// Notes that `key` is being loaded and starts a thread that does it.
    fn start_loading(self: &Arc<Self>, state: &mut State, key: Key) -> Arc<Loading> {
        let loading = Loading::new(OnceLock::new());
        // Its bytes count only once there is room for them.
        state.slots.insert(key.clone(), Slot::Loading(Arc::clone(&loading), 0));
        let (shared, of_thread, key_of_thread) = (Arc::clone(self), Arc::clone(&loading), key.clone());
        let started = std::thread::Builder::new()
            .name("loading".into())
            .spawn(move || shared.load_and_tell(key_of_thread, &of_thread));
        if let Err(error) = started {
            state.slots.remove(&key);
            loading.finish(Err(Error::new(ErrorKind::Internal, format!("could not start a thread: {error}"))));
        }
        loading
    }

    fn load_and_tell(&self, key: Key, loading: &Arc<Loading>) {
        let outcome = self
            .make_room(&key, &loading.run)
            .and_then(|()| guarded(|| self.load(&key, &loading.run)))
            .map(|loaded| self.lock().ready(&key, loaded));
        if outcome.is_err() {
            let mut state = self.lock();
            state.slots.remove(&key);
            state.forget();
        }
        loading.finish(outcome);
        self.changed.notify_all();
    }
}

impl State {
    fn ready(&mut self, key: &Key, loaded: super::Loaded) -> Arc<Model> {
        let id = self.next_id;
        self.next_id += 1;
        let model =
            Arc::new(Model { id, loaded, statistics: Arc::default(), bytes: key.found.bytes, key: key.clone() });
        self.slots.insert(key.clone(), Slot::Ready(Arc::clone(&model)));
        model
    }
}
