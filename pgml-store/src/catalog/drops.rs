//! Deleting projects and models, with what only they use.

use pgml_core::{Error, ErrorKind, Result};

use super::{deployed_model_of, model, project};
use crate::{Ident, Port, queries};

/// Deletes a project with its models, deployments and files, and the snapshots that only it was trained on together
/// with their tables.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none of this name.
pub fn drop_project(port: &mut dyn Port, name: &str) -> Result<()> {
    let project = project(port, name)?;
    let snapshots = port.query(queries::SNAPSHOTS_OF_PROJECT, &[&project.id])?;
    port.execute(queries::PROJECT_DELETE, &[&project.id])?;
    drop_snapshots(port, &snapshots)
}

/// Deletes a model with its deployments and files, and its snapshot if no other model was trained on it.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none; [`ErrorKind::NotReady`] when it is its project's live model, which
/// predictions depend on.
pub fn drop_model(port: &mut dyn Port, id: i64) -> Result<()> {
    let model = model(port, id)?;
    if deployed_model_of(port, model.project_id)? == Some(id) {
        let message = format!("model {id} is the deployed model of project \"{}\"", model.project);
        return Err(Error::new(ErrorKind::NotReady, message)
            .with_hint("deploy another model first, or drop the whole project with pgml.drop_project"));
    }
    let snapshots = port.query(queries::SNAPSHOTS_OF_MODEL, &[&id])?;
    port.execute(queries::MODEL_DELETE, &[&id])?;
    drop_snapshots(port, &snapshots)
}

fn drop_snapshots(port: &mut dyn Port, snapshots: &[crate::Row]) -> Result<()> {
    let ids: Vec<i64> = snapshots.iter().map(|row| row.get(0)).collect::<Result<_>>()?;
    if ids.is_empty() {
        return Ok(());
    }
    port.execute(queries::SNAPSHOT_DELETE, &[&ids])?;
    for row in snapshots {
        if row.get::<bool>(1)? {
            let table = Ident::new(format!("snapshot_{}", row.get::<i64>(0)?))?;
            port.execute(&format!("DROP TABLE IF EXISTS pgml.{table}"), &[])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use postgres_types::Type;
    use serde_json::{Value, json};

    use super::*;
    use crate::Row;
    use crate::fake::{Fake, row};

    fn stored_model() -> Row {
        row(&[
            (Type::INT8, &5_i64),
            (Type::INT8, &3_i64),
            (Type::TEXT, &"p"),
            (Type::TEXT, &"regression"),
            (Type::INT8, &None::<i64>),
            (Type::INT4, &2_i32),
            (Type::TEXT, &"linear"),
            (Type::TEXT, &"rust"),
            (Type::JSONB, &json!({})),
            (Type::JSONB, &None::<Value>),
        ])
    }

    #[test]
    fn the_live_model_is_not_dropped() {
        let mut port = Fake::default()
            .expect(queries::MODEL_BY_ID, vec![stored_model()])
            .expect(queries::DEPLOYED_BY_PROJECT, vec![row(&[(Type::INT8, &5_i64)])]);
        let error = drop_model(&mut port, 5).expect_err("live");
        assert_eq!(error.message(), "model 5 is the deployed model of project \"p\"");
    }

    #[test]
    fn a_project_takes_its_own_snapshots_and_their_tables_along() {
        let snapshot = |id: i64, materialized: bool| row(&[(Type::INT8, &id), (Type::BOOL, &materialized)]);
        let project = row(&[(Type::INT8, &3_i64), (Type::TEXT, &"p"), (Type::TEXT, &"regression")]);
        let mut port = Fake::default()
            .expect(queries::PROJECT_BY_NAME, vec![project])
            .expect(queries::SNAPSHOTS_OF_PROJECT, vec![snapshot(8, false), snapshot(9, true)])
            .expect(queries::PROJECT_DELETE, vec![])
            .expect(queries::SNAPSHOT_DELETE, vec![])
            .expect("DROP TABLE IF EXISTS pgml.\"snapshot_9\"", vec![]);
        drop_project(&mut port, "p").expect("dropped");
        port.assert_done();
    }
}
