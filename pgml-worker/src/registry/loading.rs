//! Models on their way: into the cache of files, then into memory.

use std::sync::{Arc, OnceLock};

use pgml_core::{Result, Run};

use super::task::Task;
use super::{Asked, Key, Model, Shared, Slot, State, Wanted};
use crate::models::{Found, Loaded};

/// A model that is being loaded.
pub type Loading = Task<Arc<Model>>;

/// A model whose files are being brought here.
pub type Fetching = Task<Found>;

impl Shared {
    /// The fetch of what is `asked` that is under way, else a new one.
    pub fn fetching(self: &Arc<Self>, asked: &Asked, wanted: &Wanted<'_>) -> Arc<Fetching> {
        let what = (asked.clone(), wanted.access.clone());
        let mut state = self.lock();
        if let Some(fetching) = state.fetching.get(&what) {
            return Arc::clone(fetching);
        }
        let (of_work, of_end) = (Arc::clone(self), Arc::clone(self));
        let (work, settings, end) = (what.clone(), wanted.settings.clone(), what.clone());
        let fetching = Task::start(
            "fetching",
            move |run| of_work.models.fetch(&work.0.spec, &settings, &work.1, run),
            move |_| drop(of_end.lock().fetching.remove(&end)),
        );
        if !fetching.has_failed() {
            state.fetching.insert(what, Arc::clone(&fetching));
        }
        fetching
    }

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
        let (of_work, of_end) = (Arc::clone(self), Arc::clone(self));
        let (work, end) = (key.clone(), key.clone());
        let loading = Loading::start(
            "loading",
            move |run| of_work.load(&work, run),
            move |outcome| {
                if outcome.is_err() {
                    of_end.lock().give_up(&end);
                }
                of_end.changed.notify_all();
            },
        );
        if !loading.has_failed() {
            // Its bytes count only once there is room for them.
            state.slots.insert(key, Slot::Loading(Arc::clone(&loading), 0));
        }
        loading
    }

    /// Loads, and makes the model one of those in memory.
    fn load(&self, key: &Key, run: &Run) -> Result<Arc<Model>> {
        self.make_room(key, run)?;
        let loaded = self.models.load(&key.found, &key.spec, key.purpose, run)?;
        Ok(self.lock().ready(key, loaded))
    }
}

impl State {
    fn ready(&mut self, key: &Key, loaded: Loaded) -> Arc<Model> {
        let id = self.next_id;
        self.next_id += 1;
        let (statistics, generating, bytes) = (Arc::default(), OnceLock::new(), key.found.bytes);
        let model = Arc::new(Model { id, loaded, statistics, generating, bytes, key: key.clone() });
        self.slots.insert(key.clone(), Slot::Ready(Arc::clone(&model)));
        model
    }

    /// Forgets a model that could not be loaded.
    fn give_up(&mut self, key: &Key) {
        self.slots.remove(key);
        self.forget();
    }
}
