//! Every statement of this crate. All names are qualified, all values bound, every parameter cast to its type.

/// The project of a name.
pub const PROJECT_BY_NAME: &str = "SELECT id, name, task::text FROM pgml.projects WHERE name = $1::text";

/// Creates a project unless one of this name exists.
pub const PROJECT_CREATE: &str = "INSERT INTO pgml.projects (name, task) \
     VALUES ($1::text, $2::text::pgml.task) ON CONFLICT (name) DO NOTHING";

/// The same, in the name of another role than the connection's user.
pub const PROJECT_CREATE_OWNED: &str = "INSERT INTO pgml.projects (name, task, owner) \
     VALUES ($1::text, $2::text::pgml.task, $3::text) ON CONFLICT (name) DO NOTHING";

/// Every project, by name.
pub const PROJECT_LIST: &str = "SELECT id, name, task::text FROM pgml.projects ORDER BY name, id";

/// Deletes a project; its models, deployments and files go with it.
pub const PROJECT_DELETE: &str = "DELETE FROM pgml.projects WHERE id = $1::bigint";

/// The owner and the grants of the project of a name.
pub const GRANTS_BY_PROJECT: &str = "SELECT p.id, p.name, p.owner, p.predict_roles, p.train_roles \
     FROM pgml.projects p WHERE p.name = $1::text";

/// The owner and the grants of a project.
pub const GRANTS_BY_ID: &str = "SELECT p.id, p.name, p.owner, p.predict_roles, p.train_roles \
     FROM pgml.projects p WHERE p.id = $1::bigint";

/// As [`GRANTS_BY_PROJECT`], until the end of the transaction safe from other changes.
pub const GRANTS_LOCK: &str = "SELECT p.id, p.name, p.owner, p.predict_roles, p.train_roles \
     FROM pgml.projects p WHERE p.name = $1::text FOR NO KEY UPDATE";

/// The owner and the grants of the project of a model.
pub const GRANTS_BY_MODEL: &str = "SELECT p.id, p.name, p.owner, p.predict_roles, p.train_roles \
     FROM pgml.models m JOIN pgml.projects p ON p.id = m.project_id WHERE m.id = $1::bigint";

/// Stores the owner and the grants of a project.
pub const GRANTS_STORE: &str = "UPDATE pgml.projects \
     SET owner = $2::text, predict_roles = $3::text[], train_roles = $4::text[] WHERE id = $1::bigint";

/// Stores a snapshot.
pub const SNAPSHOT_INSERT: &str = "INSERT INTO pgml.snapshots \
     (relation_name, y_column_name, test_size, test_sampling, status, columns, analysis, materialized, seed) \
     VALUES ($1::text, $2::text[], $3::real, $4::text::pgml.sampling, 'successful', $5::jsonb, $6::jsonb, \
     $7::boolean, $8::bigint) RETURNING id";

/// The newest snapshot that a model of the project was trained on.
pub const SNAPSHOT_NEWEST: &str = "SELECT s.id, s.relation_name, s.y_column_name, s.test_size, s.test_sampling::text, \
     s.columns, s.analysis, coalesce(s.materialized, false), s.seed \
     FROM pgml.snapshots s \
     WHERE EXISTS (SELECT FROM pgml.models m WHERE m.snapshot_id = s.id AND m.project_id = $1::bigint) \
     ORDER BY s.id DESC LIMIT 1";

/// Replaces what is known about a snapshot's columns.
pub const SNAPSHOT_ANALYSE: &str =
    "UPDATE pgml.snapshots SET columns = $2::jsonb, analysis = $3::jsonb WHERE id = $1::bigint";

/// Snapshots that only models of one project were trained on.
pub const SNAPSHOTS_OF_PROJECT: &str = "SELECT s.id, coalesce(s.materialized, false) FROM pgml.snapshots s \
     WHERE EXISTS (SELECT FROM pgml.models m WHERE m.snapshot_id = s.id AND m.project_id = $1::bigint) \
     AND NOT EXISTS (SELECT FROM pgml.models m WHERE m.snapshot_id = s.id AND m.project_id <> $1::bigint)";

/// The snapshot of a model, if no other model was trained on it.
pub const SNAPSHOTS_OF_MODEL: &str = "SELECT s.id, coalesce(s.materialized, false) FROM pgml.snapshots s \
     WHERE EXISTS (SELECT FROM pgml.models m WHERE m.snapshot_id = s.id AND m.id = $1::bigint) \
     AND NOT EXISTS (SELECT FROM pgml.models m WHERE m.snapshot_id = s.id AND m.id <> $1::bigint)";

/// The label columns that a model was trained on, in the order in which they were named.
pub const LABELS_OF_MODEL: &str = "SELECT s.y_column_name FROM pgml.models m JOIN pgml.snapshots s \
     ON s.id = m.snapshot_id WHERE m.id = $1::bigint";

/// Deletes snapshots.
pub const SNAPSHOT_DELETE: &str = "DELETE FROM pgml.snapshots WHERE id = ANY($1::bigint[])";

/// Reserves the id of a model that is about to be trained.
pub const MODEL_NEXT_ID: &str = "SELECT nextval('pgml.models_id_seq')";

/// Stores a model.
pub const MODEL_INSERT: &str = "INSERT INTO pgml.models \
     (id, project_id, snapshot_id, num_features, algorithm, runtime, hyperparams, status, metrics, search, \
     search_params, search_args, num_classes, labels) \
     VALUES ($1::bigint, $2::bigint, $3::bigint, $4::integer, $5::text, $6::text::pgml.runtime, $7::jsonb, \
     'successful', $8::jsonb, $9::text, $10::jsonb, $11::jsonb, $12::integer, $13::jsonb)";

/// A model with its project.
pub const MODEL_BY_ID: &str = "SELECT m.id, m.project_id, p.name, p.task::text, m.snapshot_id, m.num_features, \
     m.algorithm, m.runtime::text, m.hyperparams, m.metrics \
     FROM pgml.models m JOIN pgml.projects p ON p.id = m.project_id WHERE m.id = $1::bigint";

/// The columns that a model was trained on, as its snapshot describes them.
pub const MODEL_COLUMNS: &str = "SELECT s.columns FROM pgml.models m JOIN pgml.snapshots s ON s.id = m.snapshot_id \
     WHERE m.id = $1::bigint";

/// Deletes a model; its deployments and files go with it.
pub const MODEL_DELETE: &str = "DELETE FROM pgml.models WHERE id = $1::bigint";

/// The algorithms that a project has models of.
pub const ALGORITHMS_OF_PROJECT: &str = "SELECT m.algorithm FROM pgml.models m WHERE m.project_id = $1::bigint \
     AND m.status = 'successful' GROUP BY m.algorithm ORDER BY m.algorithm COLLATE \"C\"";

/// The id of the newest successful model of a project, optionally of one algorithm.
pub const CANDIDATE_MOST_RECENT: &str = "SELECT m.id FROM pgml.models m \
     WHERE m.project_id = $1::bigint AND m.status = 'successful' \
     AND ($2::text IS NULL OR m.algorithm = $2::text) \
     ORDER BY m.created_at DESC, m.id DESC LIMIT 1";

/// The id of the model with the highest metric `$3`. Metrics are compared as numbers; a model without comes last.
pub const CANDIDATE_HIGHEST: &str = "SELECT m.id FROM pgml.models m \
     WHERE m.project_id = $1::bigint AND m.status = 'successful' \
     AND ($2::text IS NULL OR m.algorithm = $2::text) \
     ORDER BY CASE WHEN jsonb_typeof(m.metrics -> $3::text) = 'number' \
     THEN (m.metrics ->> $3::text)::numeric END DESC NULLS LAST, m.created_at DESC, m.id DESC LIMIT 1";

/// The id of the model with the lowest metric `$3`.
pub const CANDIDATE_LOWEST: &str = "SELECT m.id FROM pgml.models m \
     WHERE m.project_id = $1::bigint AND m.status = 'successful' \
     AND ($2::text IS NULL OR m.algorithm = $2::text) \
     ORDER BY CASE WHEN jsonb_typeof(m.metrics -> $3::text) = 'number' \
     THEN (m.metrics ->> $3::text)::numeric END ASC NULLS LAST, m.created_at DESC, m.id DESC LIMIT 1";

/// The id of the model that was live before the one that is live now.
pub const CANDIDATE_ROLLBACK: &str = "SELECT m.id FROM pgml.deployments d JOIN pgml.models m ON m.id = d.model_id \
     WHERE d.project_id = $1::bigint AND ($2::text IS NULL OR m.algorithm = $2::text) \
     AND d.model_id <> (SELECT live.model_id FROM pgml.deployments live WHERE live.project_id = $1::bigint \
     ORDER BY live.created_at DESC, live.id DESC LIMIT 1) \
     ORDER BY d.created_at DESC, d.id DESC LIMIT 1";

/// Makes a model the live one of its project.
pub const DEPLOYMENT_INSERT: &str = "INSERT INTO pgml.deployments (project_id, model_id, strategy) \
     VALUES ($1::bigint, $2::bigint, $3::text::pgml.strategy) RETURNING id";

/// The live model of the project of a name.
pub const DEPLOYED_BY_NAME: &str = "SELECT d.model_id FROM pgml.deployments d \
     JOIN pgml.projects p ON p.id = d.project_id WHERE p.name = $1::text \
     ORDER BY d.created_at DESC, d.id DESC LIMIT 1";

/// The live model of a project.
pub const DEPLOYED_BY_PROJECT: &str = "SELECT d.model_id FROM pgml.deployments d WHERE d.project_id = $1::bigint \
     ORDER BY d.created_at DESC, d.id DESC LIMIT 1";

/// The live model of the project of a name, if it is a transformer.
pub const TRANSFORMER_DEPLOYED: &str = "SELECT m.id FROM pgml.projects p JOIN pgml.models m ON m.project_id = p.id \
     WHERE p.name = $1::text AND p.task::text = 'embedding' AND m.algorithm = 'transformers' \
     AND m.id = (SELECT d.model_id FROM pgml.deployments d WHERE d.project_id = p.id \
     ORDER BY d.created_at DESC, d.id DESC LIMIT 1)";

/// How the bytes of a model are stored: path, part number and length of each row.
pub const FILE_LAYOUT: &str = "SELECT path, part, octet_length(data)::bigint FROM pgml.files \
     WHERE model_id = $1::bigint ORDER BY path COLLATE \"C\", part";

/// One row's bytes.
pub const FILE_READ: &str =
    "SELECT data FROM pgml.files WHERE model_id = $1::bigint AND path = $2::text AND part = $3::integer";

/// Stores one row's bytes.
pub const FILE_INSERT: &str =
    "INSERT INTO pgml.files (model_id, path, part, data) VALUES ($1::bigint, $2::text, $3::integer, $4::bytea)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::parameter_types;

    #[test]
    fn every_parameter_of_every_statement_has_a_type() {
        for (sql, n) in [
            (PROJECT_BY_NAME, 1),
            (PROJECT_CREATE, 2),
            (PROJECT_CREATE_OWNED, 3),
            (PROJECT_LIST, 0),
            (PROJECT_DELETE, 1),
            (GRANTS_BY_PROJECT, 1),
            (GRANTS_BY_ID, 1),
            (GRANTS_LOCK, 1),
            (GRANTS_BY_MODEL, 1),
            (GRANTS_STORE, 4),
            (SNAPSHOT_INSERT, 8),
            (SNAPSHOT_NEWEST, 1),
            (SNAPSHOT_ANALYSE, 3),
            (SNAPSHOTS_OF_PROJECT, 1),
            (SNAPSHOTS_OF_MODEL, 1),
            (LABELS_OF_MODEL, 1),
            (SNAPSHOT_DELETE, 1),
            (MODEL_NEXT_ID, 0),
            (MODEL_INSERT, 13),
            (MODEL_BY_ID, 1),
            (MODEL_COLUMNS, 1),
            (MODEL_DELETE, 1),
            (ALGORITHMS_OF_PROJECT, 1),
            (CANDIDATE_MOST_RECENT, 2),
            (CANDIDATE_HIGHEST, 3),
            (CANDIDATE_LOWEST, 3),
            (CANDIDATE_ROLLBACK, 2),
            (DEPLOYMENT_INSERT, 3),
            (DEPLOYED_BY_NAME, 1),
            (DEPLOYED_BY_PROJECT, 1),
            (TRANSFORMER_DEPLOYED, 1),
            (FILE_LAYOUT, 1),
            (FILE_READ, 3),
            (FILE_INSERT, 4),
        ] {
            assert_eq!(parameter_types(sql).map(|types| types.len()), Ok(n), "{sql}");
        }
    }
}
