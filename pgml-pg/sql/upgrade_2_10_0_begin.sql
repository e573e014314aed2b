-- From PostgresML 2.10.0, in place: tables, sequences and enums stay the objects they are, so that foreign keys, grants,
-- publications and the tables of client libraries that refer to them stay too.

-- Nothing that a user has put into schema pgml is called by this script.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Their columns change type. A view of a user that reads one of them must be dropped first; PostgreSQL names it.
DROP VIEW pgml.overview, pgml.trained_models, pgml.deployed_models;

-- Every UPDATE of the table failed on it: there is no column updated_at.
DROP TRIGGER IF EXISTS deployments_auto_updated_at ON pgml.deployments;

-- Functions go unless something of the user's needs them (a generated column, an index, a view). Those stay, and are
-- replaced below; upgrade_2_10_0_end.sql checks that they all were.
DO $$
DECLARE
    old record;
    kept text := '';
BEGIN
    FOR old IN
        SELECT f.oid, f.prokind, f.ctid, format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)) AS signature
          FROM pg_proc AS f
          JOIN pg_namespace AS n ON n.oid = f.pronamespace
          JOIN pg_depend AS member ON member.classid = 'pg_proc'::regclass AND member.objid = f.oid
           AND member.refclassid = 'pg_extension'::regclass AND member.deptype = 'e'
          JOIN pg_extension AS e ON e.oid = member.refobjid AND e.extname = 'pgml'
         -- An aggregate before the functions it is made of.
         ORDER BY f.prokind <> 'a', f.oid
    LOOP
        IF EXISTS (SELECT FROM pg_depend AS d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = old.oid) THEN
            kept := kept || format('%s %s;', old.oid, old.ctid);
        ELSIF old.prokind = 'a' THEN
            EXECUTE 'DROP AGGREGATE ' || old.signature;
        ELSE
            EXECUTE 'DROP FUNCTION ' || old.signature;
        END IF;
    END LOOP;
    PERFORM set_config('pgml_upgrade.kept', kept, true);
END;
$$;

-- Enums that become domains over text: a new algorithm, task or runtime then needs no change here.
ALTER TYPE pgml.algorithm RENAME TO algorithm_of_2_10;
ALTER TYPE pgml.task RENAME TO task_of_2_10;
ALTER TYPE pgml.runtime RENAME TO runtime_of_2_10;

-- The list of searches has grown.
ALTER TYPE pgml.search ADD VALUE IF NOT EXISTS 'halving';
ALTER TYPE pgml.search ADD VALUE IF NOT EXISTS 'tpe';
