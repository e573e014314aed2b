-- The catalog. Column names, order and meaning are PostgresML's, so that its clients read and write it unchanged; columns
-- that it did not have come last and have defaults.

-- projects --------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.projects (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    task pgml.task NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    -- Roles by name: a dump has to load where a role is absent, and then that role has no privilege.
    owner text NOT NULL DEFAULT CURRENT_USER,
    predict_roles text[],
    train_roles text[]
);
CREATE UNIQUE INDEX projects_name_idx ON pgml.projects (name);
SELECT pgml.auto_updated_at('pgml.projects');

-- snapshots -------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.snapshots (
    id bigserial PRIMARY KEY,
    relation_name text NOT NULL,
    y_column_name text[],
    test_size real NOT NULL CONSTRAINT test_size_is_not_negative CHECK (test_size OPERATOR(pg_catalog.>=) 0),
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

-- logs ------------------------------------------------------------------------------------------------------------------

CREATE TABLE pgml.logs (
    id serial PRIMARY KEY,
    model_id bigint,
    project_id bigint,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    logs jsonb
);
