-- Sessions remember which project has which name, and models by their id. New rows cannot concern what is remembered;
-- renaming a project, and replacing or deleting a model, do. Training only inserts, so none of these slows it down.

DO $$
DECLARE
    table_name pg_catalog.text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['projects', 'models', 'files']::pg_catalog.text[] LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER %I AFTER UPDATE OR DELETE ON pgml.%I FOR EACH ROW EXECUTE FUNCTION pgml.deployments_changed()',
            table_name OPERATOR(pg_catalog.||) '_changed', table_name);
        EXECUTE pg_catalog.format('ALTER TABLE pgml.%I ENABLE ALWAYS TRIGGER %I',
            table_name, table_name OPERATOR(pg_catalog.||) '_changed');
    END LOOP;
END;
$$;

-- A plan made while a role had a privilege must not outlive it.
CREATE TRIGGER projects_grants_changed
    AFTER UPDATE ON pgml.projects
    FOR EACH ROW
    WHEN (OLD.owner IS DISTINCT FROM NEW.owner OR OLD.predict_roles IS DISTINCT FROM NEW.predict_roles)
    EXECUTE FUNCTION pgml.grants_changed();
ALTER TABLE pgml.projects ENABLE ALWAYS TRIGGER projects_grants_changed;
