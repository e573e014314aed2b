-- A function that was kept for something of the user's must have been replaced: the old library's code is gone.
DO $$
DECLARE
    stale text;
BEGIN
    SELECT string_agg(f.oid::regprocedure::text, ', ')
      INTO stale
      FROM unnest(string_to_array(current_setting('pgml_upgrade.kept'), ';')) AS kept (entry)
      JOIN pg_proc AS f ON format('%s %s', f.oid, f.ctid) = kept.entry;
    IF stale IS NOT NULL THEN
        RAISE EXCEPTION 'objects of yours depend on functions that pgml 3.0.0 does not have: %', stale
              USING ERRCODE = 'dependent_objects_still_exist',
                    HINT = 'drop what depends on them, for instance with DROP FUNCTION … CASCADE, and update again';
    END IF;
END;
$$;
