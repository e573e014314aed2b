//! Who may use a project: its owner, the roles that it was granted to, and those who may do everything.
//!
//! The grants stand in the project's row and are remembered as deployments are: until an invalidation of `pgml.projects`.
//! Who is a member of what is asked of PostgreSQL's own caches, once in a statement, so it needs no memory here.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;

use pgml_core::{Error, ErrorKind, Result};
use pgml_store::catalog::{self, Grants, Privilege};
use pgrx::pg_sys;
use pgrx::spi::quote_literal;

use crate::owner::{as_owner, catalog_owner};
use crate::snapshot::SnapshotKey;
use crate::spi_port::SpiPort;

thread_local! {
    /// By model id, with the snapshot that they were read under.
    static REMEMBERED: RefCell<HashMap<i64, (Rc<Grants>, SnapshotKey)>> = RefCell::default();
}

/// Refuses a model whose project the current user may not predict with.
///
/// `outlives` tells, after the grants were read under `key`, whether they may be remembered beyond the statement.
///
/// # Errors
/// [`ErrorKind::PermissionDenied`], and [`ErrorKind::NotFound`] when there is no such model.
pub fn require_predict(
    model: i64,
    key: Option<SnapshotKey>,
    outlives: impl FnOnce() -> Option<SnapshotKey>,
) -> Result<()> {
    let remembered = REMEMBERED.with_borrow(|all| all.get(&model).cloned());
    if let (Some((grants, made_under)), Some(key)) = (remembered, key)
        && key.is_not_older_than(&made_under)
    {
        return Role::current().require(Privilege::Predict, &grants);
    }
    let grants = Rc::new(as_owner(|| catalog::grants_of_model(&mut SpiPort::read_only(), model))?);
    if let Some(made_under) = outlives() {
        REMEMBERED.with_borrow_mut(|all| all.insert(model, (Rc::clone(&grants), made_under)));
    }
    Role::current().require(Privilege::Predict, &grants)
}

/// Forgets all grants: some may have changed.
pub fn forget() {
    REMEMBERED.with_borrow_mut(HashMap::clear);
}

/// A role of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role(pg_sys::Oid);

impl Role {
    /// The current user: the caller's, unless [`as_owner`] is under way.
    pub fn current() -> Self {
        // SAFETY: reads a variable of this process.
        Self(unsafe { pg_sys::GetUserId() })
    }

    /// The role of this name, if there is one.
    pub fn find(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: a look-up in the system caches; a missing role is 0.
        let oid = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
        (oid != pg_sys::InvalidOid).then_some(Self(oid))
    }

    /// The role of this name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub fn named(name: &str) -> Result<Self> {
        Self::find(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("role \"{name}\" does not exist")))
    }

    /// Its name; its number when it has been dropped.
    pub fn name(self) -> String {
        // SAFETY: a look-up in the system caches; the name is copied.
        unsafe {
            let name = pg_sys::GetUserNameFromId(self.0, true);
            if name.is_null() {
                self.0.to_u32().to_string()
            } else {
                CStr::from_ptr(name).to_string_lossy().into_owned()
            }
        }
    }

    /// Whether it may do everything with every project: superusers, members of `pgml_admin`, the owner of the catalog.
    pub fn administers(self) -> bool {
        catalog_owner().is_ok_and(|owner| self.has_rights_of(Self(owner))) || self.has_rights_of_named("pgml_admin")
    }

    /// Whether it is the project's owner, a member of it, or administers.
    pub fn owns(self, grants: &Grants) -> bool {
        self.has_rights_of_named(&grants.owner) || self.administers()
    }

    /// Whether it has `privilege`. A name without a role grants nothing.
    pub fn may(self, privilege: Privilege, grants: &Grants) -> bool {
        grants.is_public(privilege)
            || grants.roles(privilege).unwrap_or_default().iter().any(|role| self.has_rights_of_named(role))
            || self.owns(grants)
    }

    /// Refuses a role that does not have `privilege`.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] with the statement that grants it.
    pub fn require(self, privilege: Privilege, grants: &Grants) -> Result<()> {
        if self.may(privilege, grants) {
            return Ok(());
        }
        let (role, privilege) = (self.name(), privilege.name());
        Err(denied(grants, &format!("role \"{role}\" does not have privilege \"{privilege}\"")).with_hint(format!(
            "its owner \"{}\" or a member of pgml_admin can grant it: SELECT pgml.grant_project({}, {}, '{privilege}')",
            grants.owner,
            quote_literal(&grants.project),
            quote_literal(&role)
        )))
    }

    /// Refuses a role that does not own the project.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] with the statement that makes it the owner.
    pub fn require_ownership(self, grants: &Grants) -> Result<()> {
        if self.owns(grants) {
            return Ok(());
        }
        let role = self.name();
        Err(denied(grants, &format!("role \"{role}\" is not its owner")).with_hint(format!(
            "its owner \"{}\" or a member of pgml_admin can give it away: SELECT pgml.alter_project_owner({}, {})",
            grants.owner,
            quote_literal(&grants.project),
            quote_literal(&role)
        )))
    }

    fn has_rights_of_named(self, name: &str) -> bool {
        Self::find(name).is_some_and(|role| self.has_rights_of(role))
    }

    fn has_rights_of(self, role: Self) -> bool {
        // SAFETY: look-ups in the system caches, which changes of roles and memberships invalidate.
        unsafe { pg_sys::has_privs_of_role(self.0, role.0) }
    }
}

fn denied(grants: &Grants, why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, format!("permission denied for project \"{}\": {why}", grants.project))
}

/// Changes the owner or the grants of a project in the name of the current user, who must own it.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such project, [`ErrorKind::PermissionDenied`] when the user does not own it,
/// and those of `change`.
pub fn change(project: &str, change: impl FnOnce(&mut Grants) -> Result<()>) -> Result<()> {
    let caller = Role::current();
    as_owner(|| {
        let port = &mut SpiPort::new();
        let mut grants = catalog::lock_grants(port, project)?;
        caller.require_ownership(&grants)?;
        change(&mut grants)?;
        catalog::store_grants(port, &grants)
    })
}
