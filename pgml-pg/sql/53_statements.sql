-- Models as statements.

CREATE FUNCTION pgml.run(statement text)
RETURNS TABLE (model text, task text, algorithm text, deployed boolean, metrics jsonb)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'run_statement_wrapper';
COMMENT ON FUNCTION pgml.run IS
'Runs CREATE MODEL, DROP MODEL or SHOW MODELS, written as a statement.

CREATE MODEL name [TYPE task] [USING algorithm (param = value, ...)] PREDICT column FROM relation trains as pgml.train does; a text or boolean column means classification. Predict with pgml.predict(name, ...) or pgml.predict_table(name, relation).';
