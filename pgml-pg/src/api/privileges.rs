//! `pgml.grant_project`, `pgml.revoke_project`, `pgml.alter_project_owner` and `pgml.has_project_privilege`.

use pgml_core::{Error, ErrorKind, Result};
use pgml_store::catalog::{self, Grants, PUBLIC, Privilege};
use pgrx::prelude::*;
use pgrx::spi::quote_literal;

use crate::message;
use crate::owner::as_owner;
use crate::privilege::{self, Role};
use crate::report::{Report, SqlResult, sql};
use crate::spi_port::SpiPort;

/// A NULL must not look like a grant or revoke that was made.
fn given<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str> {
    value.ok_or_else(|| Error::new(ErrorKind::InvalidParameter, format!("{name} must not be NULL")))
}

/// `all` stands for every privilege.
fn privileges(name: &str) -> Result<Vec<Privilege>> {
    match name {
        "all" => Ok(Privilege::ALL.to_vec()),
        name => Ok(vec![name.parse()?]),
    }
}

#[pg_extern(sql = false)]
fn grant_project(project_name: Option<&str>, role_name: Option<&str>, privilege: Option<&str>) -> SqlResult<()> {
    sql(|| {
        let (project, role) = (given("project_name", project_name)?, given("role_name", role_name)?);
        let privileges = privileges(given("privilege", privilege)?)?;
        if role != PUBLIC {
            Role::named(role)?;
        }
        privilege::change(project, |grants| {
            privileges.iter().for_each(|privilege| grants.grant(*privilege, role));
            Ok(())
        })
    })
}

#[pg_extern(sql = false)]
fn revoke_project(project_name: Option<&str>, role_name: Option<&str>, privilege: Option<&str>) -> SqlResult<()> {
    sql(|| {
        let (project, role) = (given("project_name", project_name)?, given("role_name", role_name)?);
        let privileges = privileges(given("privilege", privilege)?)?;
        privilege::change(project, |grants| revoke(grants, role, &privileges))
    })
}

/// A role that was dropped can still be taken off the list; a name that means nothing is a mistake.
fn revoke(grants: &mut Grants, role: &str, privileges: &[Privilege]) -> Result<()> {
    let removed = privileges.iter().filter(|privilege| grants.revoke(**privilege, role)).count();
    if removed == 0 && role != PUBLIC {
        Role::named(role)?;
    }
    for privilege in privileges.iter().filter(|privilege| role != PUBLIC && grants.is_public(**privilege)) {
        let (project, name) = (quote_literal(&grants.project), privilege.name());
        message::warning(&format!(
            "every role still has privilege \"{name}\" on project \"{}\"; to revoke that: SELECT pgml.revoke_project({project}, '{PUBLIC}', '{name}')",
            grants.project
        ));
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn alter_project_owner(project_name: Option<&str>, role_name: Option<&str>) -> SqlResult<()> {
    sql(|| {
        let (project, role) = (given("project_name", project_name)?, given("role_name", role_name)?);
        Role::named(role)?;
        privilege::change(project, |grants| {
            role.clone_into(&mut grants.owner);
            Ok(())
        })
    })
}

fn has(role: Role, grants: &Grants, privilege: &str) -> Result<bool> {
    match privilege {
        "owner" => Ok(role.owns(grants)),
        name => {
            let parsed =
                name.parse().map_err(|e: Error| e.with_hint("\"owner\" asks whether the role owns the project"))?;
            Ok(role.may(parsed, grants))
        }
    }
}

#[pg_extern(sql = false)]
fn has_privilege(project_name: &str, privilege: &str) -> SqlResult<bool> {
    let role = Role::current();
    as_owner(|| has(role, &catalog::grants_of_project(&mut SpiPort::read_only(), project_name)?, privilege)).report()
}

#[pg_extern(sql = false)]
fn has_privilege_of_role(role_name: &str, project_name: &str, privilege: &str) -> SqlResult<bool> {
    sql(|| {
        let role = Role::named(role_name)?;
        as_owner(|| has(role, &catalog::grants_of_project(&mut SpiPort::read_only(), project_name)?, privilege))
    })
}

/// For the row-level security of the catalog: whoever administers is not looked up, and of what is not there nobody has
/// anything.
#[pg_extern(sql = false)]
fn has_privilege_on_id(project_id: i64, privilege: &str) -> SqlResult<bool> {
    let role = Role::current();
    if role.administers() {
        return Ok(true);
    }
    as_owner(|| {
        let grants = catalog::grants_by_id(&mut SpiPort::read_only(), project_id)?;
        grants.map_or(Ok(false), |grants| has(role, &grants, privilege))
    })
    .report()
}
