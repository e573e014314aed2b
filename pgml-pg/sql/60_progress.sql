-- How far the trainings, downloads and imports of all sessions have come.

CREATE FUNCTION pgml.progress_table()
RETURNS TABLE (
    pid integer, database oid, owner oid, project text, algorithm text, phase text,
    done bigint, total bigint, started_at timestamptz, phase_started_at timestamptz
)
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'progress_table_wrapper';
COMMENT ON FUNCTION pgml.progress_table() IS 'Lists the running trainings and downloads that the caller may see; query the view pgml.progress instead.';

-- The function shows only work whose process still runs, and of other roles only to those who train themselves
-- (pgml_trainer, pgml_admin) or watch the server (pg_read_all_stats).
CREATE VIEW pgml.progress AS
SELECT p.pid,
       (SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.oid OPERATOR(pg_catalog.=) p.database) AS datname,
       pg_catalog.pg_get_userbyid(p.owner) AS usename,
       p.project,
       p.algorithm,
       p.phase,
       p.done,
       p.total,
       p.done::double precision / NULLIF(p.seconds, 0::double precision) AS rate,
       CASE WHEN p.done > 0 AND p.total >= p.done
            THEN pg_catalog.make_interval(secs => p.seconds * (p.total - p.done)::double precision / p.done::double precision)
       END AS estimate,
       p.started_at
FROM (
    SELECT t.*,
           pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - t.phase_started_at) AS seconds
    FROM pgml.progress_table() AS t
) AS p;
COMMENT ON VIEW pgml.progress IS 'One row per running training, and per session that waits for a download: its phase, how much of it is done, how fast, and how long it will take. Those of other roles are shown to members of pgml_trainer, pgml_admin and pg_read_all_stats.';
COMMENT ON COLUMN pgml.progress.done IS 'Units done in this phase: rows read, candidates searched, rounds or trees trained, bytes downloaded, stored or unpacked';
COMMENT ON COLUMN pgml.progress.total IS 'Units of this phase in all; NULL when not known';
COMMENT ON COLUMN pgml.progress.rate IS 'Units a second in this phase';
COMMENT ON COLUMN pgml.progress.estimate IS 'How long the rest of this phase will take at this rate';
