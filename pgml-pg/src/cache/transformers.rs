//! Which transformers this database stores, by the names that callers use; that a name is none of one, too.

use std::path::PathBuf;

use pgml_core::Result;
use pgml_store::transformers;

use super::*;
use crate::owner::catalog_relation;

/// What a session remembers of stored transformers, as it does of models.
#[derive(Default)]
pub(super) struct Known {
    /// What the statement was answered: the folder of each name, if it is a stored transformer's.
    pub(super) pinned: HashMap<String, Option<(i64, PathBuf)>>,
    /// Name → model id, if it has one, and the snapshot that it was read under.
    deployed: HashMap<String, (Option<i64>, SnapshotKey)>,
    /// By model id.
    copies: HashMap<i64, transformers::Copy>,
}

/// The folder of the stored transformer that is deployed under this name, as the current statement sees it; `None` when the
/// name is none of a stored transformer.
///
/// # Errors
/// [`PermissionDenied`](pgml_core::ErrorKind::PermissionDenied) when the current user may not predict with it, and what
/// laying it out as files can fail with.
pub fn stored_transformer(name: &str) -> Result<Option<PathBuf>> {
    let key = SnapshotKey::active();
    begin_statement(key);
    let pinned = SESSION.with_borrow(|session| session.transformers.pinned.get(name).cloned());
    if let Some(found) = pinned {
        let Some((id, folder)) = found else { return Ok(None) };
        permit(id, key)?;
        return Ok(Some(folder));
    }
    let found = match deployed_id(name, key)? {
        Some(id) => {
            permit(id, key)?;
            Some((id, folder(id)?))
        }
        None => None,
    };
    let path = found.as_ref().map(|(_, folder)| folder.clone());
    SESSION.with_borrow_mut(|session| session.transformers.pinned.insert(name.to_owned(), found));
    Ok(path)
}

fn deployed_id(name: &str, key: Option<SnapshotKey>) -> Result<Option<i64>> {
    if !anything_is_deployed()? {
        return Ok(None);
    }
    let remembered = SESSION.with_borrow(|session| session.transformers.deployed.get(name).copied());
    if let (Some((id, made_under)), Some(key)) = (remembered, key)
        && key.is_not_older_than(&made_under)
    {
        return Ok(id);
    }
    let before = INVALIDATIONS.load(Ordering::Relaxed);
    let id = as_owner(|| transformers::deployed(&mut SpiPort::read_only(), name))?;
    if let Some(key) = outlives_statement(key, before) {
        SESSION.with_borrow_mut(|session| session.transformers.deployed.insert(name.to_owned(), (id, key)));
    }
    Ok(id)
}

/// Whether anything is deployed in this database, or was. The query for one name leaves half a megabyte of caches in each
/// session; where nothing is deployed, the length of a table answers for all names.
fn anything_is_deployed() -> Result<bool> {
    let deployments = catalog_relation(c"deployments")?;
    // SAFETY: in a transaction; the table is closed here, and its lock is kept as any reader keeps it.
    unsafe {
        let table = pg_sys::table_open(deployments, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let blocks = pg_sys::RelationGetNumberOfBlocksInFork(table, pg_sys::ForkNumber::MAIN_FORKNUM);
        pg_sys::table_close(table, pg_sys::NoLock as pg_sys::LOCKMODE);
        Ok(blocks > 0)
    }
}

/// The folder of model `id`, made if it is not there.
fn folder(id: i64) -> Result<PathBuf> {
    let known = SESSION.with_borrow(|session| session.transformers.copies.get(&id).cloned());
    if let Some(copy) = known.filter(transformers::Copy::is_there) {
        return Ok(copy.folder);
    }
    let before = INVALIDATIONS.load(Ordering::Relaxed);
    let copy = crate::transformers::unpack(id)?;
    LOADED.store(true, Ordering::Relaxed);
    let folder = copy.folder.clone();
    if before == INVALIDATIONS.load(Ordering::Relaxed) {
        SESSION.with_borrow_mut(|session| session.transformers.copies.insert(id, copy));
    }
    Ok(folder)
}
