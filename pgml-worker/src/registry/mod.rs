//! The models in memory: one copy of each form, loaded once however many ask, within a budget of bytes.

mod loading;
mod news;
mod room;
mod task;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pgml_core::frames::{LoadedModel, Settings};
use pgml_core::text::{ModelSpec, TextTask};
use pgml_core::{ErrorKind, Result};

use crate::connection::{Connection, Stop};
use crate::generating::Generating;
use crate::models::{Access, Found, Loaded, Models, Purpose};
use crate::statistics::Statistics;
use loading::{Fetching, Loading};

/// A model in memory. Whoever holds one keeps it there.
pub struct Model {
    /// Unique among all that were ever loaded.
    pub id: u64,
    /// The model itself.
    pub loaded: Loaded,
    /// What has been asked of it.
    pub statistics: Arc<Statistics>,
    /// Where its texts grow, if it generates any.
    pub generating: OnceLock<Generating>,
    bytes: u64,
    key: Key,
}

/// Two requests share a copy exactly if these are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    spec: ModelSpec,
    purpose: Purpose,
    found: Found,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which model, in which form.
    pub spec: &'a ModelSpec,
    /// What for.
    pub purpose: Purpose,
    /// What the server's settings say.
    pub settings: &'a Settings,
    /// How its files may be had.
    pub access: &'a Access,
}

/// What a caller names a model by, and where it is looked for: which files that means is looked up once, and holds as long
/// as the model is in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    spec: ModelSpec,
    purpose: Purpose,
    model_path: Vec<String>,
    model_cache: Option<String>,
}

/// Every model in memory.
pub struct Registry(Arc<Shared>);

struct Shared {
    models: Box<dyn Models>,
    state: Mutex<State>,
    /// Something was dropped, or may be.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    slots: HashMap<Key, Slot>,
    known: HashMap<Asked, Key>,
    fetching: HashMap<(Asked, Access), Arc<Fetching>>,
    /// As the last request said.
    settings: Settings,
    next_id: u64,
}

enum Slot {
    Loading(Arc<Loading>, u64),
    Ready(Arc<Model>),
}

impl Registry {
    /// A registry without models.
    pub fn new(models: Box<dyn Models>) -> Self {
        let shared = Shared { models, state: Mutex::default(), changed: Condvar::new() };
        Self(Arc::new(shared))
    }

    /// The model that a request asks for: fetched if its files are not here, loaded if it is not in memory.
    ///
    /// # Errors
    /// [`Stop::Closed`] when the caller goes away meanwhile; [`Stop::Failed`] when the model cannot be found, fetched or
    /// loaded, or is larger than the budget.
    pub fn get(&self, wanted: &Wanted<'_>, connection: &mut Connection) -> Result<Arc<Model>, Stop> {
        let asked = self.asked(wanted)?;
        self.0.lock().settings.clone_from(wanted.settings);
        until_not_cancelled(|| self.try_get(&asked, wanted, connection))
    }

    /// The files of the model that a request asks for, fetched if they are not here: their folder, and the paths in it of
    /// those that the model needs.
    ///
    /// # Errors
    /// As [`Registry::get`]; nothing is loaded.
    pub fn locate(&self, wanted: &Wanted<'_>, connection: &mut Connection) -> Result<(PathBuf, Vec<String>), Stop> {
        let asked = self.asked(wanted)?;
        let found = until_not_cancelled(|| self.found(&asked, wanted, connection))?;
        let files = self.0.models.files(&found, &asked.spec)?;
        Ok((found.folder, files))
    }

    /// The task that a model is made for.
    ///
    /// # Errors
    /// As [`Registry::get`]; nothing is loaded.
    pub fn task(&self, wanted: &Wanted<'_>, connection: &mut Connection) -> Result<TextTask, Stop> {
        let asked = self.asked(wanted)?;
        let found = until_not_cancelled(|| self.found(&asked, wanted, connection))?;
        Ok(self.0.models.task(&found)?)
    }

    /// What a request asks for: the settings' device where it names none.
    fn asked(&self, wanted: &Wanted<'_>) -> Result<Asked> {
        let Wanted { spec, purpose, settings, .. } = *wanted;
        let mut spec = ModelSpec { device: spec.device.clone().or_else(|| settings.device.clone()), ..spec.clone() };
        spec.device = Some(self.0.models.device(&spec)?);
        let (model_path, model_cache) = (settings.model_path.clone(), settings.model_cache.clone());
        Ok(Asked { spec, purpose, model_path, model_cache })
    }

    fn try_get(&self, asked: &Asked, wanted: &Wanted<'_>, connection: &mut Connection) -> Result<Arc<Model>, Stop> {
        if wanted.access.refresh {
            let found = self.0.fetching(asked, wanted).wait(connection)?;
            self.0.lock().drop_other_files(&asked.spec.name, &found);
            return self.0.loading(asked.key(found), asked).wait(connection);
        }
        if let Some(model) = self.0.lock().known(asked) {
            return Ok(model);
        }
        let found = self.found(asked, wanted, connection)?;
        self.0.loading(asked.key(found), asked).wait(connection)
    }

    fn found(&self, asked: &Asked, wanted: &Wanted<'_>, connection: &mut Connection) -> Result<Found, Stop> {
        match self.0.models.find(&asked.spec, wanted.settings)? {
            Some(found) => Ok(found),
            None => self.0.fetching(asked, wanted).wait(connection),
        }
    }

    /// Drops every form of a model; how many there were. Requests under way keep theirs to the end.
    pub fn unload(&self, name: &str) -> u64 {
        let mut state = self.0.lock();
        let before = state.slots.len();
        state.slots.retain(|key, slot| key.spec.name != name || matches!(slot, Slot::Loading(..)));
        let dropped = before - state.slots.len();
        state.forget();
        drop(state);
        room::give_back_to_the_system();
        self.0.changed.notify_all();
        dropped as u64
    }

    /// What is loaded, by name.
    pub fn list(&self) -> Vec<LoadedModel> {
        let state = self.0.lock();
        let ready = state.slots.values().filter_map(|slot| match slot {
            Slot::Ready(model) => Some(model.describe()),
            Slot::Loading(..) => None,
        });
        let mut models: Vec<LoadedModel> = ready.collect();
        models.sort_by(|a, b| (&a.model.name, &a.purpose, a.bytes).cmp(&(&b.model.name, &b.purpose, b.bytes)));
        models
    }

    /// Drops models that nobody has used for long, again and again. Never returns.
    pub fn keep_tidy(&self) -> ! {
        loop {
            std::thread::sleep(Duration::from_millis(250));
            if self.0.lock().drop_idle() {
                room::give_back_to_the_system();
            }
        }
    }
}

impl Model {
    fn describe(&self) -> LoadedModel {
        let counts = self.statistics.counts();
        LoadedModel {
            model: self.key.spec.clone(),
            purpose: self.key.purpose.name().to_owned(),
            bytes: self.bytes,
            calls: counts.calls,
            rows: counts.rows,
            batches: counts.batches,
            shared_batches: counts.shared_batches,
            p50_ms: counts.quantile(0.5),
            p99_ms: counts.quantile(0.99),
            last_use: counts.last_use_micros(),
        }
    }

    /// The device it is on.
    pub fn device(&self) -> &str {
        self.key.spec.device.as_deref().unwrap_or_default()
    }
}

impl Asked {
    fn key(&self, found: Found) -> Key {
        Key { spec: self.spec.clone(), purpose: self.purpose, found }
    }
}

impl State {
    /// The model that is asked for, if it is in memory. Notes that it is in use.
    fn known(&self, asked: &Asked) -> Option<Arc<Model>> {
        match self.slots.get(self.known.get(asked)?)? {
            Slot::Ready(model) => {
                model.statistics.touch();
                Some(Arc::clone(model))
            }
            Slot::Loading(..) => None,
        }
    }

    /// Drops the forms of a model that were loaded from other files than those that its name means now. What a database
    /// stores under that name stays.
    fn drop_other_files(&mut self, name: &str, now: &Found) {
        let stays =
            |spec: &ModelSpec, found: &Found| spec.name != name || spec.folder.is_some() || found.folder == now.folder;
        self.slots.retain(|key, slot| stays(&key.spec, &key.found) || matches!(slot, Slot::Loading(..)));
        self.known.retain(|asked, key| stays(&asked.spec, &key.found));
    }

    /// Forgets the names of models that are not in memory.
    fn forget(&mut self) {
        self.known.retain(|_, key| self.slots.contains_key(key));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who had asked for the same may go away just before this caller comes; then its turn is next.
fn until_not_cancelled<T>(mut work: impl FnMut() -> Result<T, Stop>) -> Result<T, Stop> {
    loop {
        match work() {
            Err(Stop::Failed(error)) if error.kind() == ErrorKind::Cancelled => {}
            outcome => return outcome,
        }
    }
}
