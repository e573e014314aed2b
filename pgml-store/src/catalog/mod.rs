//! Projects, snapshots, models and deployments.
//!
//! What reads here is plain SELECT and works on a hot standby.

mod deployments;
mod drops;
mod grants;
mod models;
mod projects;
mod snapshots;

pub use deployments::{Strategy, candidate, deploy, deployed_model, deployed_model_of};
pub use drops::{drop_model, drop_project};
pub use grants::{
    Grants, PUBLIC, Privilege, grants_by_id, grants_of_model, grants_of_project, lock_grants, store_grants,
};
pub use models::{ModelRow, NewModel, insert_model, insert_transformer, model, next_model_id};
pub use projects::{Project, find_or_create_project, find_project, list_projects, project, unknown_project};
pub use snapshots::{NewSnapshot, Snapshot, analyse_snapshot, insert_snapshot, labels_of_model, newest_snapshot};

use pgml_core::{Error, ErrorKind, Result};

use crate::Row;

/// The single row that a statement must give.
fn only(rows: Vec<Row>) -> Result<Row> {
    rows.into_iter().next().ok_or_else(|| Error::new(ErrorKind::Internal, "a catalog statement gave no row"))
}
