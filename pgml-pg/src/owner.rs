//! Acting as the owner of the catalog, for reading what a caller may use but not see: the bytes of models.

use std::ffi::CStr;

use pgml_core::{Error, ErrorKind, Result};
use pgrx::pg_sys;

/// Runs `body` with the rights of the owner of the catalog's tables, and comes back to the caller's on every way out.
///
/// Only statements of this crate may run in it: never text, relations or functions that a user has named.
///
/// # Errors
/// Those of `body`, and [`ErrorKind::NotReady`] when the extension is not installed in this database.
pub fn as_owner<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let owner = catalog_owner()?;
    let _identity = Identity::switch(owner);
    body()
}

/// The relation `pgml.<name>`.
///
/// # Errors
/// [`ErrorKind::NotReady`] when the extension is not installed in this database.
pub fn catalog_relation(name: &CStr) -> Result<pg_sys::Oid> {
    // SAFETY: two lookups in the system caches.
    let relation = unsafe {
        let schema = pg_sys::get_namespace_oid(c"pgml".as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    if relation == pg_sys::InvalidOid {
        return Err(Error::new(ErrorKind::NotReady, "the extension pgml is not installed in this database")
            .with_hint("run CREATE EXTENSION pgml"));
    }
    Ok(relation)
}

/// The role that owns the catalog's tables.
///
/// # Errors
/// [`ErrorKind::NotReady`] when the extension is not installed in this database.
pub fn catalog_owner() -> Result<pg_sys::Oid> {
    let relation = catalog_relation(c"files")?;
    // SAFETY: the tuple is released before its fields would go away; it exists, for the relation was just found.
    unsafe {
        let id = pg_sys::SysCacheIdentifier::RELOID as i32;
        let tuple = pg_sys::SearchSysCache1(id, pg_sys::Datum::from(relation));
        if tuple.is_null() {
            return Err(Error::new(ErrorKind::NotReady, "the extension pgml was dropped meanwhile"));
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Ok(owner)
    }
}

/// The user and settings to come back to.
struct Identity {
    user: pg_sys::Oid,
    context: i32,
    settings: i32,
}

impl Identity {
    fn switch(owner: pg_sys::Oid) -> Self {
        let mut before = Self { user: pg_sys::InvalidOid, context: 0, settings: 0 };
        // SAFETY: state of this process alone; `drop` restores it, and so does an abort of the transaction.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&raw mut before.user, &raw mut before.context);
            let local = pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
            pg_sys::SetUserIdAndSecContext(owner, before.context | local);
            before.settings = pg_sys::NewGUCNestLevel();
            // With the caller's search path an operator of the caller's could run with the owner's rights.
            pg_sys::set_config_option(
                c"search_path".as_ptr(),
                c"pg_catalog, pg_temp".as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        before
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // An error of Postgres aborts the (sub)transaction, which restores both.
        if !std::thread::panicking() {
            // SAFETY: as in `switch`.
            unsafe {
                pg_sys::AtEOXact_GUC(false, self.settings);
                pg_sys::SetUserIdAndSecContext(self.user, self.context);
            }
        }
    }
}
