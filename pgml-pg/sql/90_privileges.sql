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
GRANT SELECT ON pgml.overview, pgml.trained_models, pgml.deployed_models TO pgml_reader;
GRANT SELECT (id, model_id, path, part, created_at, updated_at) ON pgml.files TO pgml_reader;

-- A trainer adds projects and models, and deploys. Nothing is deleted.
GRANT INSERT, UPDATE ON pgml.projects, pgml.snapshots, pgml.models, pgml.deployments TO pgml_trainer;
GRANT SELECT, INSERT, UPDATE ON pgml.files TO pgml_trainer;
GRANT SELECT, INSERT ON pgml.logs TO pgml_trainer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA pgml TO pgml_trainer;

-- An admin owns the contents.
GRANT CREATE ON SCHEMA pgml TO pgml_admin;
GRANT ALL ON ALL TABLES IN SCHEMA pgml TO pgml_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA pgml TO pgml_admin;

-- PUBLIC may not use the schema, so it reaches no function; a trigger function is no one's to call.
REVOKE EXECUTE ON FUNCTION pgml.deployments_changed() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pgml.auto_updated_at(pg_catalog.regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgml.auto_updated_at(pg_catalog.regclass) TO pgml_admin;
