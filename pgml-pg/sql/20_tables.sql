-- The catalog. Column names, order and meaning are PostgresML's, so that its clients read and write it unchanged; columns
-- that it did not have come last and have defaults.

CREATE FUNCTION pgml.set_updated_at() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- *<> compares the stored bytes, so it also works for types without an equality operator, such as json.
    IF NEW OPERATOR(pg_catalog.*<>) OLD AND NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := pg_catalog.clock_timestamp();
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION pgml.set_updated_at() IS 'Trigger that sets updated_at when a row has changed and updated_at was not set explicitly';

CREATE FUNCTION pgml.auto_updated_at(tbl pg_catalog.regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name pg_catalog.name;
BEGIN
    SELECT pg_catalog.left(c.relname, 47) || '_auto_updated_at'
      INTO trigger_name
      FROM pg_catalog.pg_class AS c
     WHERE c.oid OPERATOR(pg_catalog.=) tbl;
    EXECUTE pg_catalog.format('DROP TRIGGER IF EXISTS %I ON %s', trigger_name, tbl);
    EXECUTE pg_catalog.format(
        'CREATE TRIGGER %I BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION pgml.set_updated_at()', trigger_name, tbl);
END;
$$;
COMMENT ON FUNCTION pgml.auto_updated_at(pg_catalog.regclass) IS 'Makes a table keep its column updated_at up to date';

CREATE FUNCTION pgml.deployments_changed() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'deployments_changed_wrapper';
COMMENT ON FUNCTION pgml.deployments_changed() IS 'Trigger that tells every session what is deployed has changed, once the transaction commits';

-- projects --------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.projects (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    task pgml.task NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE UNIQUE INDEX projects_name_idx ON pgml.projects (name);
SELECT pgml.auto_updated_at('pgml.projects');
COMMENT ON TABLE pgml.projects IS 'What is learned: one row per project name';
COMMENT ON COLUMN pgml.projects.name IS 'The name that pgml.train() and pgml.predict() are called with';
COMMENT ON COLUMN pgml.projects.task IS 'What the project is for; it never changes';

-- snapshots -------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.snapshots (
    id bigserial PRIMARY KEY,
    relation_name text NOT NULL,
    y_column_name text[],
    test_size real NOT NULL CONSTRAINT test_size_is_not_negative CHECK (test_size >= 0),
    test_sampling pgml.sampling NOT NULL,
    status text NOT NULL,
    columns jsonb,
    analysis jsonb,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    materialized boolean DEFAULT false,
    seed bigint NOT NULL DEFAULT 0
);
SELECT pgml.auto_updated_at('pgml.snapshots');
COMMENT ON TABLE pgml.snapshots IS 'What was learned from: a relation, how it was split, and what its columns looked like';
COMMENT ON COLUMN pgml.snapshots.relation_name IS 'The table or view, as it was named in the call';
COMMENT ON COLUMN pgml.snapshots.y_column_name IS 'The label columns; NULL for unsupervised tasks';
COMMENT ON COLUMN pgml.snapshots.test_size IS 'Rows kept for testing: a fraction below 1, else a number of rows';
COMMENT ON COLUMN pgml.snapshots.test_sampling IS 'How the test rows were chosen';
COMMENT ON COLUMN pgml.snapshots.status IS 'in_progress, successful or failed';
COMMENT ON COLUMN pgml.snapshots.columns IS 'The columns in table order with their types, statistics and preprocessing';
COMMENT ON COLUMN pgml.snapshots.analysis IS 'What is known of the relation as a whole, for instance its number of rows';
COMMENT ON COLUMN pgml.snapshots.materialized IS 'Whether the rows were copied into the table pgml.snapshot_<id>';
COMMENT ON COLUMN pgml.snapshots.seed IS 'Seed of the sampling: trainings on one snapshot are tested on the same rows';

-- models ----------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.models (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL CONSTRAINT project_id_fk REFERENCES pgml.projects (id) ON DELETE CASCADE,
    snapshot_id bigint CONSTRAINT snapshot_id_fk REFERENCES pgml.snapshots (id) ON DELETE SET NULL,
    num_features integer NOT NULL,
    algorithm text NOT NULL,
    runtime pgml.runtime DEFAULT 'rust',
    hyperparams jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL,
    metrics jsonb,
    search text,
    search_params jsonb NOT NULL DEFAULT '{}',
    search_args jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    num_classes integer,
    labels jsonb,
    error text
);
CREATE INDEX models_project_id_idx ON pgml.models (project_id);
CREATE INDEX models_snapshot_id_idx ON pgml.models (snapshot_id);
SELECT pgml.auto_updated_at('pgml.models');
COMMENT ON TABLE pgml.models IS 'What was learned: one row per training; the bytes are in pgml.files';
COMMENT ON COLUMN pgml.models.num_features IS 'Length of the array that pgml.predict() takes';
COMMENT ON COLUMN pgml.models.hyperparams IS 'The effective parameters of the algorithm';
COMMENT ON COLUMN pgml.models.status IS 'in_progress, successful or failed';
COMMENT ON COLUMN pgml.models.metrics IS 'Quality on the test rows, by name';
COMMENT ON COLUMN pgml.models.search IS 'grid, random, or NULL when nothing was searched';
COMMENT ON COLUMN pgml.models.num_classes IS 'Number of classes; NULL when the task has none';
COMMENT ON COLUMN pgml.models.labels IS 'The class labels in the order of their numbers';
COMMENT ON COLUMN pgml.models.error IS 'Why the training failed';

-- deployments -----------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.deployments (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL CONSTRAINT project_id_fk REFERENCES pgml.projects (id) ON DELETE CASCADE,
    model_id bigint NOT NULL CONSTRAINT model_id_fk REFERENCES pgml.models (id) ON DELETE CASCADE,
    strategy pgml.strategy NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX deployments_project_id_created_at_idx ON pgml.deployments (project_id, created_at DESC, id DESC);
CREATE INDEX deployments_model_id_created_at_idx ON pgml.deployments (model_id, created_at DESC, id DESC);
CREATE TRIGGER deployments_changed
    AFTER INSERT OR UPDATE OR DELETE ON pgml.deployments
    FOR EACH ROW EXECUTE FUNCTION pgml.deployments_changed();
-- Logical replication applies rows with session_replication_role = replica, where only such triggers fire.
ALTER TABLE pgml.deployments ENABLE ALWAYS TRIGGER deployments_changed;
COMMENT ON TABLE pgml.deployments IS 'Which model answers for a project: the newest row of the project; older ones are the history';
COMMENT ON COLUMN pgml.deployments.strategy IS 'How the model was chosen';

-- files -----------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.files (
    id bigserial PRIMARY KEY,
    model_id bigint NOT NULL CONSTRAINT model_id_fk REFERENCES pgml.models (id) ON DELETE CASCADE,
    path text NOT NULL,
    part integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    data bytea NOT NULL
);
-- Weights do not compress; storing them as they are saves the attempt on every write and read.
ALTER TABLE pgml.files ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX files_model_id_path_part_idx ON pgml.files (model_id, path, part);
SELECT pgml.auto_updated_at('pgml.files');
COMMENT ON TABLE pgml.files IS 'The bytes of models, in parts';
COMMENT ON COLUMN pgml.files.path IS 'Name of the file within the model';
COMMENT ON COLUMN pgml.files.part IS 'Number of the part, from 0; a file is its parts one after the other';

-- logs ------------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.logs (
    id serial PRIMARY KEY,
    model_id bigint,
    project_id bigint,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    logs jsonb
);
COMMENT ON TABLE pgml.logs IS 'What trainings of transformers have reported, step by step';
