-- Names are bytes of UTF-8, whatever the database's encoding. One row per live column of the relation $1.$2; $1 NULL follows the search path. Types are seen through domains.
WITH RECURSIVE relation AS (
    SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS quoted
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name
      AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
      AND CASE
              WHEN $1::pg_catalog.text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
              ELSE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name
          END
),
base (attnum, typ) AS (
    SELECT a.attnum, a.atttypid
    FROM relation AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) r.oid
    WHERE a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attnum, t.typbasetype
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.typ
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::"char"
)
SELECT pg_catalog.convert_to(r.quoted, 'UTF8'::pg_catalog.name),
       pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'::pg_catalog.name),
       NOT a.attnotnull,
       t.oid,
       pg_catalog.convert_to(COALESCE(e.typname, t.typname)::pg_catalog.text, 'UTF8'::pg_catalog.name),
       t.typcategory::pg_catalog.text,
       a.atttypid,
       a.atttypmod
FROM relation AS r
LEFT JOIN pg_catalog.pg_attribute AS a
       ON a.attrelid OPERATOR(pg_catalog.=) r.oid
      AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
      AND NOT a.attisdropped
LEFT JOIN base AS b ON b.attnum OPERATOR(pg_catalog.=) a.attnum
LEFT JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.typ
LEFT JOIN pg_catalog.pg_type AS e
       ON e.oid OPERATOR(pg_catalog.=) t.typelem
      AND t.typcategory OPERATOR(pg_catalog.=) 'A'::"char"
WHERE t.typtype IS DISTINCT FROM 'd'::"char"
ORDER BY a.attnum
