-- The catalog as files on the server, and back. Both run with the rights of the caller, who needs those of
-- pg_write_server_files or pg_read_server_files. Settings that change how values are written are fixed.

CREATE FUNCTION pgml.dump_all(path text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $$
DECLARE
    tbl text;
BEGIN
    -- Each COPY has a snapshot of its own; without the lock a model could be missing from under its deployment.
    LOCK TABLE pgml.projects, pgml.snapshots, pgml.models, pgml.files, pgml.deployments IN SHARE MODE;
    FOREACH tbl IN ARRAY ARRAY['projects', 'snapshots', 'models', 'files', 'deployments']::text[] LOOP
        EXECUTE format('COPY pgml.%I TO %L WITH (FORMAT csv, HEADER true)', tbl, path || '/' || tbl || '.csv');
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgml.dump_all(text) IS 'Writes projects, snapshots, models, files and deployments as CSV files into a folder of the server';

CREATE FUNCTION pgml.load_all(path text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    tbl text;
    taken bigint;
BEGIN
    LOCK TABLE pgml.projects, pgml.snapshots, pgml.models, pgml.files, pgml.deployments IN SHARE ROW EXCLUSIVE MODE;
    FOREACH tbl IN ARRAY ARRAY['projects', 'snapshots', 'models', 'files', 'deployments']::text[] LOOP
        EXECUTE format('CREATE TEMPORARY TABLE pgml_load_all (LIKE pgml.%I)', tbl);
        EXECUTE format('COPY pg_temp.pgml_load_all FROM %L WITH (FORMAT csv, HEADER match)', path || '/' || tbl || '.csv');
        -- What is there already stays; something else under the same id would be mixed up with it.
        EXECUTE format(
            'SELECT loaded.id FROM pg_temp.pgml_load_all AS loaded JOIN pgml.%I AS kept USING (id) '
            'WHERE loaded.* *<> kept.* ORDER BY id LIMIT 1', tbl) INTO taken;
        IF taken IS NOT NULL THEN
            RAISE EXCEPTION 'pgml.% has another row with id %', tbl, taken
                  USING ERRCODE = 'unique_violation', HINT = 'load into a database whose catalog is empty';
        END IF;
        EXECUTE format(
            'INSERT INTO pgml.%1$I SELECT loaded.* FROM pg_temp.pgml_load_all AS loaded '
            'WHERE NOT EXISTS (SELECT FROM pgml.%1$I AS kept WHERE kept.id = loaded.id)', tbl);
        EXECUTE format(
            'SELECT setval(%1$L, greatest(max(id), (SELECT last_value FROM pgml.%2$I))) FROM pgml.%3$I HAVING max(id) IS NOT NULL',
            'pgml.' || tbl || '_id_seq', tbl || '_id_seq', tbl);
        DROP TABLE pg_temp.pgml_load_all;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION pgml.load_all(text) IS 'Reads what pgml.dump_all() has written; rows that are there already stay';
