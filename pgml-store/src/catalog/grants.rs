//! Who may use a project: the owner and the grants in its row of `pgml.projects`.
//!
//! Roles are kept by name, so that a dump loads where a role is absent; a name without a role grants nothing.

use std::str::FromStr;

use pgml_core::error::unknown_name;
use pgml_core::{Error, ErrorKind, Result};

use super::{models, projects};
use crate::{Port, Row, queries};

/// The name that means every role. PostgreSQL lets no role have it.
pub const PUBLIC: &str = "public";

/// What a role may be granted on a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Score with its models.
    Predict,
    /// Train into it, deploy, import and export.
    Train,
}

impl Privilege {
    /// Every privilege.
    pub const ALL: [Self; 2] = [Self::Predict, Self::Train];

    /// The SQL name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Train => "train",
        }
    }
}

impl FromStr for Privilege {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|privilege| privilege.name() == text).ok_or_else(|| {
            unknown_name(ErrorKind::InvalidParameter, "privilege", text, Self::ALL.iter().map(|p| p.name()))
        })
    }
}

/// The owner and the grants of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// The project's id.
    pub project_id: i64,
    /// Its name.
    pub project: String,
    /// The role that may do everything with it.
    pub owner: String,
    /// Who may predict; `None` until something was granted or revoked, which means [`PUBLIC`].
    pub predict: Option<Vec<String>>,
    /// Who may train; as above.
    pub train: Option<Vec<String>>,
}

impl Grants {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            project_id: row.get(0)?,
            project: row.get(1)?,
            owner: row.get(2)?,
            predict: row.get(3)?,
            train: row.get(4)?,
        })
    }

    /// The roles that were granted `privilege`; `None` stands for the default, every role.
    #[must_use]
    pub fn roles(&self, privilege: Privilege) -> Option<&[String]> {
        match privilege {
            Privilege::Predict => self.predict.as_deref(),
            Privilege::Train => self.train.as_deref(),
        }
    }

    /// Whether every role has `privilege`.
    #[must_use]
    pub fn is_public(&self, privilege: Privilege) -> bool {
        self.roles(privilege).is_none_or(|roles| roles.iter().any(|role| role == PUBLIC))
    }

    /// Adds `role` to those that have `privilege`.
    pub fn grant(&mut self, privilege: Privilege, role: &str) {
        let roles = self.materialized(privilege);
        if !roles.iter().any(|known| known == role) {
            roles.push(role.to_owned());
        }
    }

    /// Takes `role` from those that have `privilege`, and tells whether it was among them.
    pub fn revoke(&mut self, privilege: Privilege, role: &str) -> bool {
        let roles = self.materialized(privilege);
        let before = roles.len();
        roles.retain(|known| known != role);
        roles.len() < before
    }

    /// The roles written out: the first change makes the default explicit, as it does for PostgreSQL's own privileges.
    fn materialized(&mut self, privilege: Privilege) -> &mut Vec<String> {
        let roles = match privilege {
            Privilege::Predict => &mut self.predict,
            Privilege::Train => &mut self.train,
        };
        roles.get_or_insert_with(|| vec![PUBLIC.to_owned()])
    }
}

/// The grants of the project of this name.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none.
pub fn grants_of_project(port: &mut dyn Port, name: &str) -> Result<Grants> {
    let rows = port.query(queries::GRANTS_BY_PROJECT, &[&name])?;
    match rows.first() {
        Some(row) => Grants::read(row),
        None => Err(projects::not_found(port, name)?),
    }
}

/// The grants of the project of this id, if there is one.
///
/// # Errors
/// Whatever the database says.
pub fn grants_by_id(port: &mut dyn Port, project_id: i64) -> Result<Option<Grants>> {
    port.query(queries::GRANTS_BY_ID, &[&project_id])?.first().map(Grants::read).transpose()
}

/// As [`grants_of_project`], for changing them: other changes wait until the transaction ends, trainings do not.
///
/// # Errors
/// As [`grants_of_project`].
pub fn lock_grants(port: &mut dyn Port, name: &str) -> Result<Grants> {
    let rows = port.query(queries::GRANTS_LOCK, &[&name])?;
    match rows.first() {
        Some(row) => Grants::read(row),
        None => Err(projects::not_found(port, name)?),
    }
}

/// The grants of the project that a model belongs to.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such model.
pub fn grants_of_model(port: &mut dyn Port, id: i64) -> Result<Grants> {
    let rows = port.query(queries::GRANTS_BY_MODEL, &[&id])?;
    rows.first().map_or_else(|| Err(models::not_found(id)), Grants::read)
}

/// Stores the owner and the grants. Seen by others when the transaction commits.
///
/// # Errors
/// Whatever the database says.
pub fn store_grants(port: &mut dyn Port, grants: &Grants) -> Result<()> {
    port.execute(queries::GRANTS_STORE, &[&grants.project_id, &grants.owner, &grants.predict, &grants.train])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use postgres_types::Type;

    use super::*;
    use crate::fake::{Fake, row};

    fn untouched() -> Grants {
        Grants { project_id: 3, project: "p".to_owned(), owner: "ada".to_owned(), predict: None, train: None }
    }

    #[test]
    fn every_privilege_reads_back_from_its_name() {
        for privilege in Privilege::ALL {
            assert_eq!(privilege.name().parse(), Ok(privilege));
        }
        let error = "predikt".parse::<Privilege>().expect_err("a misspelling");
        assert_eq!(error.message(), "unknown privilege \"predikt\"; did you mean \"predict\"?");
    }

    #[test]
    fn a_grant_leaves_the_default_to_everybody_and_a_revoke_from_public_leaves_the_others() {
        let mut grants = untouched();
        assert!(grants.is_public(Privilege::Predict));
        grants.grant(Privilege::Predict, "bob");
        grants.grant(Privilege::Predict, "bob");
        assert_eq!(grants.predict.as_deref(), Some(["public".to_owned(), "bob".to_owned()].as_slice()));
        assert!(grants.revoke(Privilege::Predict, PUBLIC));
        assert!(!grants.is_public(Privilege::Predict));
        assert_eq!(grants.roles(Privilege::Predict), Some(["bob".to_owned()].as_slice()));
        assert!(grants.train.is_none(), "the other privilege stays the default");
    }

    #[test]
    fn an_empty_list_is_nobody_and_not_the_default() {
        let mut grants = untouched();
        assert!(!grants.revoke(Privilege::Train, "bob"), "the default names nobody");
        assert!(grants.is_public(Privilege::Train));
        assert!(grants.revoke(Privilege::Train, PUBLIC));
        assert_eq!(grants.train, Some(vec![]));
        assert!(!grants.is_public(Privilege::Train));
    }

    #[test]
    fn what_does_not_exist_has_no_grants() {
        let mut port = Fake::default().expect(queries::GRANTS_BY_MODEL, vec![]);
        assert_eq!(grants_of_model(&mut port, 7).map_err(|e| e.kind()), Err(ErrorKind::NotFound));
        let mut port = Fake::default().expect(queries::GRANTS_BY_PROJECT, vec![]).expect(queries::PROJECT_LIST, vec![]);
        assert_eq!(grants_of_project(&mut port, "p").map_err(|e| e.kind()), Err(ErrorKind::NotFound));
    }

    #[test]
    fn a_stored_default_and_a_stored_list_are_told_apart() {
        let stored = row(&[
            (Type::INT8, &3_i64),
            (Type::TEXT, &"p"),
            (Type::TEXT, &"ada"),
            (Type::TEXT_ARRAY, &None::<Vec<String>>),
            (Type::TEXT_ARRAY, &Vec::<String>::new()),
        ]);
        let mut port = Fake::default().expect(queries::GRANTS_BY_PROJECT, vec![stored]);
        let grants = grants_of_project(&mut port, "p").expect("grants");
        assert_eq!(grants, Grants { train: Some(vec![]), ..untouched() });
    }
}
