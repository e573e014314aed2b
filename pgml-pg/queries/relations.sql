-- The relations that could have been meant: schema, name, and whether the search path finds them. System schemas are not.
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, pg_catalog.pg_table_is_visible(c.oid)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND n.nspname OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)'::pg_catalog.text
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'::pg_catalog.text)
ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC, c.oid
LIMIT 10000
