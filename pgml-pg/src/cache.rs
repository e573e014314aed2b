//! Which model answers for a project, in this session and this statement.
//!
//! What is deployed is a row. A session remembers project → model until a relcache invalidation of `pgml.deployments`
//! (sent by a row trigger) says that some deploy, rollback or restore happened; a statement keeps the models that it
//! began with. An entry is only used under a snapshot that sees all it was made from, so answers equal what a plain
//! SELECT of the deployments would give, but for the moment between a commit's becoming visible and its invalidation's
//! arrival, in which COMMIT has not returned yet.

mod transformers;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pgml_core::Result;
use pgml_core::predictor::Predictor;
use pgml_store::{catalog, files};
use pgrx::{pg_guard, pg_sys};

use crate::owner::as_owner;
use crate::privilege;
use crate::row::RowPlan;
use crate::snapshot::SnapshotKey;
use crate::spi_port::SpiPort;
use crate::{guc, spool};

pub use transformers::stored_transformer;

/// Counts relcache invalidations that may concern deployments or models.
/// Starts at 1, so that a session begins by looking its tables up.
static INVALIDATIONS: AtomicU64 = AtomicU64::new(1);
/// Counts relcache invalidations of any relation: types of rows may have changed.
static RELATION_CHANGES: AtomicU64 = AtomicU64::new(0);
/// Counts ends of transactions and subtransactions: what a statement saw before may have been rolled back.
static ENDINGS: AtomicU64 = AtomicU64::new(0);
/// Whether this transaction has loaded a model: one that it made itself goes with a rollback.
static LOADED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SESSION: RefCell<Session> = RefCell::default();
}

/// A model in memory.
pub struct Loaded {
    /// Its id.
    pub id: i64,
    /// The model with its preprocessing and labels.
    pub predictor: Predictor,
    /// Where its columns are in rows of the type that it last predicted from.
    pub row_plan: RefCell<Option<RowPlan>>,
    bytes: usize,
}

#[derive(Default)]
struct Session {
    invalidations: u64,
    endings: u64,
    /// What the statement with this snapshot has been answered; the last answer comes first.
    statement: Option<SnapshotKey>,
    last: Option<(String, Rc<Loaded>)>,
    pinned: HashMap<String, Rc<Loaded>>,
    /// The model that the statement's user was last found to be allowed to predict with.
    permitted: Option<i64>,
    /// Project name → model id, and the snapshot that it was read under.
    deployed: HashMap<String, (i64, SnapshotKey)>,
    models: Models,
    transformers: transformers::Known,
}

/// Models by id, least recently used ones dropped beyond `pgml.cache_memory`, in which mapped bytes do not count.
#[derive(Default)]
struct Models {
    by_id: HashMap<i64, (u64, Rc<Loaded>)>,
    clock: u64,
    bytes: usize,
}

/// The model deployed for `project`, as the current statement sees it.
///
/// # Errors
/// [`NotFound`](pgml_core::ErrorKind::NotFound) when nothing is deployed under that name,
/// [`PermissionDenied`](pgml_core::ErrorKind::PermissionDenied) when the current user may not predict with the project, and
/// what loading a model can fail with.
pub fn deployed(project: &str) -> Result<Rc<Loaded>> {
    let key = SnapshotKey::active();
    let hit = SESSION.with_borrow(|session| match &session.last {
        Some((name, model)) if name == project && session.continues(key) => Some(Rc::clone(model)),
        _ => None,
    });
    match hit {
        Some(model) => Ok(model),
        None => resolve(project, key),
    }
}

/// The model `id`, as the current statement sees it.
///
/// # Errors
/// [`NotFound`](pgml_core::ErrorKind::NotFound) when there is no such model,
/// [`PermissionDenied`](pgml_core::ErrorKind::PermissionDenied) when the current user may not predict with its project, and
/// what loading one can fail with.
pub fn model(id: i64) -> Result<Rc<Loaded>> {
    let key = SnapshotKey::active();
    begin_statement(key);
    permit(id, key)?;
    load(id)
}

fn resolve(project: &str, key: Option<SnapshotKey>) -> Result<Rc<Loaded>> {
    begin_statement(key);
    let pinned = SESSION.with_borrow(|session| session.pinned.get(project).cloned());
    let model = match pinned {
        Some(model) => model,
        None => {
            let id = deployed_id(project, key)?;
            permit(id, key)?;
            load(id)?
        }
    };
    SESSION.with_borrow_mut(|session| {
        session.pinned.insert(project.to_owned(), Rc::clone(&model));
        session.last = Some((project.to_owned(), Rc::clone(&model)));
    });
    Ok(model)
}

/// Forgets the last statement's answers when another one has begun, and whatever invalidations concern.
fn begin_statement(key: Option<SnapshotKey>) {
    register_callbacks();
    if SESSION.with_borrow(|session| session.continues(key)) {
        return;
    }
    // SAFETY: in a transaction; callbacks run inside and only count.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    let changed = SESSION.with_borrow_mut(|session| {
        session.statement = key;
        session.endings = ENDINGS.load(Ordering::Relaxed);
        session.last = None;
        session.pinned.clear();
        session.transformers.pinned.clear();
        session.permitted = None;
        let invalidations = INVALIDATIONS.load(Ordering::Relaxed);
        let changed = session.invalidations != invalidations;
        if changed {
            session.invalidations = invalidations;
            session.deployed.clear();
            session.models = Models::default();
            session.transformers = transformers::Known::default();
        }
        changed
    });
    if changed {
        privilege::forget();
        crate::invalidation::look_up_tables();
    }
}

fn deployed_id(project: &str, key: Option<SnapshotKey>) -> Result<i64> {
    let remembered = SESSION.with_borrow(|session| session.deployed.get(project).copied());
    if let (Some((id, made_under)), Some(key)) = (remembered, key)
        && key.is_not_older_than(&made_under)
    {
        return Ok(id);
    }
    let before = INVALIDATIONS.load(Ordering::Relaxed);
    let id = as_owner(|| catalog::deployed_model(&mut SpiPort::read_only(), project))?;
    if let Some(key) = outlives_statement(key, before) {
        SESSION.with_borrow_mut(|session| session.deployed.insert(project.to_owned(), (id, key)));
    }
    Ok(id)
}

/// The snapshot to remember an answer under that was read since `before`; it outlives its statement only if it is the latest
/// there is.
fn outlives_statement(key: Option<SnapshotKey>, before: u64) -> Option<SnapshotKey> {
    let latest = SnapshotKey::latest()?;
    key.filter(|key| key.shows_same_rows_as(&latest) && before == INVALIDATIONS.load(Ordering::Relaxed))
}

/// Refuses a model whose project the current user may not predict with; asked once in a statement.
fn permit(id: i64, key: Option<SnapshotKey>) -> Result<()> {
    if SESSION.with_borrow(|session| session.permitted == Some(id)) {
        return Ok(());
    }
    let before = INVALIDATIONS.load(Ordering::Relaxed);
    privilege::require_predict(id, key, || outlives_statement(key, before))?;
    SESSION.with_borrow_mut(|session| session.permitted = Some(id));
    Ok(())
}

fn load(id: i64) -> Result<Rc<Loaded>> {
    if let Some(model) = SESSION.with_borrow_mut(|session| session.models.get(id)) {
        return Ok(model);
    }
    let before = INVALIDATIONS.load(Ordering::Relaxed);
    let predictor = as_owner(|| {
        let port = &mut SpiPort::read_only();
        let row = catalog::model(port, id)?;
        files::load(port, &row, Some(&spool::of_this_server()), &pgml_models::algorithm)
    })?;
    let bytes = predictor.bytes();
    let model = Rc::new(Loaded { id, predictor, row_plan: RefCell::default(), bytes });
    LOADED.store(true, Ordering::Relaxed);
    if before == INVALIDATIONS.load(Ordering::Relaxed) {
        SESSION.with_borrow_mut(|session| {
            session.models.insert(&model, usize::try_from(guc::cache_memory()).unwrap_or(usize::MAX))
        });
    }
    Ok(model)
}

impl Session {
    #[inline]
    fn continues(&self, key: Option<SnapshotKey>) -> bool {
        key.is_some() && self.statement == key && self.endings == ENDINGS.load(Ordering::Relaxed)
    }
}

impl Models {
    fn get(&mut self, id: i64) -> Option<Rc<Loaded>> {
        self.clock += 1;
        let (used, model) = self.by_id.get_mut(&id)?;
        *used = self.clock;
        Some(Rc::clone(model))
    }

    fn insert(&mut self, model: &Rc<Loaded>, limit: usize) {
        self.clock += 1;
        self.bytes += model.bytes;
        if let Some((_, replaced)) = self.by_id.insert(model.id, (self.clock, Rc::clone(model))) {
            self.bytes -= replaced.bytes;
        }
        while self.bytes > limit && self.by_id.len() > 1 {
            let oldest = self.by_id.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            let Some((_, evicted)) = oldest.and_then(|id| self.by_id.remove(&id)) else { break };
            self.bytes -= evicted.bytes;
        }
    }
}

/// How often a relation has changed, as far as this session has heard, since it first asked for a model.
#[inline]
pub fn relation_changes() -> u64 {
    RELATION_CHANGES.load(Ordering::Relaxed)
}

fn register_callbacks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callbacks are functions of this library, which PostgreSQL never unloads.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::null());
            pg_sys::RegisterXactCallback(Some(transaction_ended), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(subtransaction_ended), std::ptr::null_mut());
        }
    });
}

/// Runs in the middle of anything, so it only sets a flag.
#[pg_guard]
unsafe extern "C-unwind" fn relation_changed(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    RELATION_CHANGES.fetch_add(1, Ordering::Relaxed);
    if relation == pg_sys::InvalidOid || crate::invalidation::concerns_models(relation) {
        INVALIDATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ended(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    ENDINGS.fetch_add(1, Ordering::Relaxed);
    match event {
        pg_sys::XactEvent::XACT_EVENT_ABORT => rolled_back(),
        pg_sys::XactEvent::XACT_EVENT_COMMIT => LOADED.store(false, Ordering::Relaxed),
        _ => {}
    }
}

/// Models loaded since the transaction began may never have been committed.
fn rolled_back() {
    if LOADED.swap(false, Ordering::Relaxed) {
        INVALIDATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn subtransaction_ended(
    event: pg_sys::SubXactEvent::Type,
    _mine: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut std::ffi::c_void,
) {
    ENDINGS.fetch_add(1, Ordering::Relaxed);
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        rolled_back();
    }
}
