-- Who may do what. Roles belong to the whole cluster: they are created once and stay when the extension is dropped.

DO $$
DECLARE
    role_name pg_catalog.text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['pgml_reader', 'pgml_trainer', 'pgml_admin']::pg_catalog.text[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) role_name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END;
$$;

GRANT pgml_reader TO pgml_trainer;
GRANT pgml_trainer TO pgml_admin;

-- A reader scores and looks: everything but the bytes of models and what trainings have logged.
GRANT USAGE ON SCHEMA pgml TO pgml_reader;
GRANT SELECT ON pgml.projects, pgml.snapshots, pgml.models, pgml.deployments TO pgml_reader;
GRANT SELECT (id, model_id, path, part, created_at, updated_at) ON pgml.files TO pgml_reader;

-- A trainer adds projects and models, and deploys. Nothing is deleted but with pgml.drop_model() and pgml.drop_project(),
-- which ask for the project's owner; and owners and grants are changed by functions that ask for them too.
GRANT INSERT (id, name, task, created_at, updated_at), UPDATE (id, name, task, created_at, updated_at)
    ON pgml.projects TO pgml_trainer;
GRANT INSERT, UPDATE ON pgml.snapshots, pgml.models, pgml.deployments TO pgml_trainer;
GRANT SELECT, INSERT, UPDATE ON pgml.files TO pgml_trainer;
GRANT SELECT, INSERT ON pgml.logs TO pgml_trainer;
GRANT USAGE ON SEQUENCE pgml.projects_id_seq, pgml.snapshots_id_seq, pgml.models_id_seq, pgml.deployments_id_seq,
    pgml.files_id_seq, pgml.logs_id_seq TO pgml_trainer;

-- An admin owns the contents. But no TRIGGER: it would run with the rights of the extension's owner.
GRANT CREATE ON SCHEMA pgml TO pgml_admin;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES
    ON pgml.projects, pgml.snapshots, pgml.models, pgml.deployments, pgml.files, pgml.logs TO pgml_admin;
GRANT ALL ON SEQUENCE pgml.projects_id_seq, pgml.snapshots_id_seq, pgml.models_id_seq, pgml.deployments_id_seq,
    pgml.files_id_seq, pgml.logs_id_seq TO pgml_admin;

-- PUBLIC may not use the schema, so it reaches no function. Of those that write, a reader learns at once, and not after an
-- hour of training, that they are not theirs; they run with the rights of their caller in any case.
DO $$
DECLARE
    writer record;
BEGIN
    FOR writer IN
        SELECT pg_catalog.format('%I.%I(%s)', 'pgml', f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS signature,
               f.proname OPERATOR(pg_catalog.=) ANY (ARRAY[
                   'train', 'train_joint', 'snapshot', 'deploy', 'tune', 'import_model', 'export_model',
                   'drop_model', 'drop_project', 'grant_project', 'revoke_project', 'alter_project_owner', 'run'
                   ]::pg_catalog.name[]) AS by_trainer
          FROM pg_catalog.pg_proc AS f
         WHERE f.pronamespace OPERATOR(pg_catalog.=) 'pgml'::pg_catalog.regnamespace
           AND f.proname OPERATOR(pg_catalog.=) ANY (ARRAY[
                   'train', 'train_joint', 'snapshot', 'deploy', 'tune',
                   'drop_model', 'drop_project', 'grant_project', 'revoke_project', 'alter_project_owner',
                   'import_model', 'export_model', 'load_dataset', 'dump_all', 'load_all',
                   'load_model', 'unload_model', 'clear_gpu_cache', 'run',
                   'auto_updated_at', 'set_updated_at', 'deployments_changed', 'grants_changed']::pg_catalog.name[])
    LOOP
        EXECUTE 'REVOKE EXECUTE ON FUNCTION ' OPERATOR(pg_catalog.||) writer.signature OPERATOR(pg_catalog.||) ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' OPERATOR(pg_catalog.||) writer.signature OPERATOR(pg_catalog.||) ' TO '
            OPERATOR(pg_catalog.||) CASE WHEN writer.by_trainer THEN 'pgml_trainer' ELSE 'pgml_admin' END;
    END LOOP;
END;
$$;

-- Views show what their owner may see of tables that a reader may read anyway.
DO $$
DECLARE
    view_name pg_catalog.text;
BEGIN
    FOR view_name IN
        SELECT c.relname FROM pg_catalog.pg_class AS c
         WHERE c.relnamespace OPERATOR(pg_catalog.=) 'pgml'::pg_catalog.regnamespace
           AND c.relkind OPERATOR(pg_catalog.=) 'v'
           AND EXISTS (
                SELECT FROM pg_catalog.pg_depend AS d
                 WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND d.objid OPERATOR(pg_catalog.=) c.oid
                   AND d.deptype OPERATOR(pg_catalog.=) 'e')
    LOOP
        EXECUTE pg_catalog.format('GRANT SELECT ON pgml.%I TO pgml_reader', view_name);
    END LOOP;
END;
$$;
