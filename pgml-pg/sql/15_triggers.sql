-- What the triggers of the catalog do.

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

CREATE FUNCTION pgml.grants_changed() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'grants_changed_wrapper';
COMMENT ON FUNCTION pgml.grants_changed() IS 'Trigger that makes every session plan its statements anew, once the transaction commits';
