-- The tables of 2.10.0 become those of 20_tables.sql; a test compares the two.

-- Times were stored without a zone, as clocks of the server showed them: the zone is the database's own setting, the
-- configuration file's, or else this session's.
DO $$
DECLARE
    zone text := coalesce(
        (SELECT substr(setting, strpos(setting, '=') + 1)
           FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
          WHERE s.setdatabase = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND s.setrole = 0 AND lower(setting) LIKE 'timezone=%'),
        (SELECT f.setting FROM pg_file_settings AS f
          WHERE lower(f.name) = 'timezone' AND f.applied ORDER BY f.seqno DESC LIMIT 1),
        (SELECT g.reset_val FROM pg_settings AS g WHERE g.name = 'TimeZone'));
    -- Not every 2.10 has it: fresh installations lack it.
    has_logs boolean := to_regclass('pgml.logs') IS NOT NULL;
BEGIN
    EXECUTE format($sql$
        ALTER TABLE pgml.projects
            ALTER COLUMN task TYPE pgml.task USING replace(task::text, '-', '_'),
            ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE %1$L,
            ALTER COLUMN updated_at TYPE timestamptz USING updated_at AT TIME ZONE %1$L;
        ALTER TABLE pgml.snapshots
            ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE %1$L,
            ALTER COLUMN updated_at TYPE timestamptz USING updated_at AT TIME ZONE %1$L;
        ALTER TABLE pgml.models
            ALTER COLUMN runtime DROP DEFAULT,
            ALTER COLUMN runtime TYPE pgml.runtime USING runtime::text,
            ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE %1$L,
            ALTER COLUMN updated_at TYPE timestamptz USING updated_at AT TIME ZONE %1$L;
        ALTER TABLE pgml.deployments
            ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE %1$L;
        ALTER TABLE pgml.files
            ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE %1$L,
            ALTER COLUMN updated_at TYPE timestamptz USING updated_at AT TIME ZONE %1$L;
        $sql$, zone);
    IF has_logs THEN
        EXECUTE format('ALTER TABLE pgml.logs ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE %L', zone);
    ELSE
        CREATE TABLE pgml.logs (
            id serial PRIMARY KEY,
            model_id bigint,
            project_id bigint,
            created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
            logs jsonb
        );
    END IF;
END;
$$;

DROP TYPE pgml.algorithm_of_2_10;
DROP TYPE pgml.task_of_2_10;
DROP TYPE pgml.runtime_of_2_10;

-- Who trained what is not known: the projects that there are belong to the role that upgrades.
ALTER TABLE pgml.projects
    ADD COLUMN owner text NOT NULL DEFAULT CURRENT_USER,
    ADD COLUMN predict_roles text[],
    ADD COLUMN train_roles text[];
ALTER TABLE pgml.snapshots
    ADD COLUMN seed bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT test_size_is_not_negative CHECK (test_size >= 0);
ALTER TABLE pgml.models
    ALTER COLUMN runtime SET DEFAULT 'rust',
    ALTER COLUMN hyperparams SET DEFAULT '{}',
    ALTER COLUMN search_params SET DEFAULT '{}',
    ALTER COLUMN search_args SET DEFAULT '{}',
    ADD COLUMN num_classes integer,
    ADD COLUMN labels jsonb,
    ADD COLUMN error text;
ALTER TABLE pgml.files ALTER COLUMN data SET STORAGE EXTERNAL;

DROP INDEX pgml.deployments_project_id_created_at_idx, pgml.deployments_model_id_created_at_idx;
CREATE INDEX deployments_project_id_created_at_idx ON pgml.deployments (project_id, created_at DESC, id DESC);
CREATE INDEX deployments_model_id_created_at_idx ON pgml.deployments (model_id, created_at DESC, id DESC);

SELECT pgml.auto_updated_at('pgml.projects');
SELECT pgml.auto_updated_at('pgml.snapshots');
SELECT pgml.auto_updated_at('pgml.models');
SELECT pgml.auto_updated_at('pgml.files');

CREATE TRIGGER deployments_changed
    AFTER INSERT OR UPDATE OR DELETE ON pgml.deployments
    FOR EACH ROW EXECUTE FUNCTION pgml.deployments_changed();
ALTER TABLE pgml.deployments ENABLE ALWAYS TRIGGER deployments_changed;
