CREATE FUNCTION pgml.load_dataset(
    source text,
    subset text DEFAULT NULL,
    "limit" bigint DEFAULT NULL,
    kwargs jsonb DEFAULT '{}'
) RETURNS TABLE (table_name text, "rows" bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'load_dataset_wrapper';
COMMENT ON FUNCTION pgml.load_dataset(text, text, bigint, jsonb) IS 'Makes a table of schema pgml from a built-in data set: breast_cancer, diabetes, digits, iris, linnerud or wine';
