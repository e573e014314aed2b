CREATE FUNCTION pgml.chunk(splitter text, "text" text, kwargs jsonb DEFAULT '{}') RETURNS TABLE (chunk_index bigint, chunk text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5000 ROWS 10
AS 'MODULE_PATHNAME', 'chunk_wrapper';
COMMENT ON FUNCTION pgml.chunk(text, text, jsonb) IS 'Splits a text into numbered chunks that fit a model: by characters, paragraphs, Markdown, LaTeX, Python code or sentences';
