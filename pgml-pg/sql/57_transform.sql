-- What transformers do with texts. IMMUTABLE, as in PostgresML, so that generated columns may use it: text that is drawn at
-- random is drawn once where the arguments are constant.

CREATE FUNCTION pgml.transform(
    task jsonb, args jsonb DEFAULT '{}', inputs text[] DEFAULT ARRAY[]::text[], cache boolean DEFAULT false
) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'transform_texts_wrapper';
COMMENT ON FUNCTION pgml.transform(jsonb, jsonb, text[], boolean) IS
'What a transformer makes of texts: for text-generation, how they go on.

The task is a name, or JSON with task, model, revision, token, device, dtype, quantization. The args are those of transformers (max_new_tokens, do_sample, temperature, top_p, ...) and of the OpenAI API (max_tokens, stop, ...).';

CREATE FUNCTION pgml.transform(
    task text, args jsonb DEFAULT '{}', inputs text[] DEFAULT ARRAY[]::text[], cache boolean DEFAULT false
) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'transform_texts_named_wrapper';
COMMENT ON FUNCTION pgml.transform(text, jsonb, text[], boolean) IS
'What the default model of a task makes of texts.';

CREATE FUNCTION pgml.transform(
    task jsonb, args jsonb DEFAULT '{}', inputs jsonb[] DEFAULT ARRAY[]::jsonb[], cache boolean DEFAULT false
) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'transform_messages_wrapper';
COMMENT ON FUNCTION pgml.transform(jsonb, jsonb, jsonb[], boolean) IS
'The answer of a chat model to a conversation, given as messages with role and content.';

CREATE FUNCTION pgml.transform(
    task text, args jsonb DEFAULT '{}', inputs jsonb[] DEFAULT ARRAY[]::jsonb[], cache boolean DEFAULT false
) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'transform_messages_named_wrapper';
COMMENT ON FUNCTION pgml.transform(text, jsonb, jsonb[], boolean) IS
'The answer of a task''s default model to a conversation, given as messages with role and content.';

CREATE FUNCTION pgml.transform_stream(
    task jsonb, args jsonb DEFAULT '{}', input text DEFAULT '', cache boolean DEFAULT false
) RETURNS SETOF jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000 ROWS 100
AS 'MODULE_PATHNAME', 'transform_stream_text_wrapper';
COMMENT ON FUNCTION pgml.transform_stream(jsonb, jsonb, text, boolean) IS
'How a text goes on, row by row while it is generated: each row is an array with what comes next.

In the list of a SELECT, or from a cursor, rows come as they are made; in FROM, PostgreSQL collects them first.';

CREATE FUNCTION pgml.transform_stream(
    task text, args jsonb DEFAULT '{}', input text DEFAULT '', cache boolean DEFAULT false
) RETURNS SETOF jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000 ROWS 100
AS 'MODULE_PATHNAME', 'transform_stream_text_named_wrapper';
COMMENT ON FUNCTION pgml.transform_stream(text, jsonb, text, boolean) IS
'How a text goes on by the default model of a task, row by row while it is generated.';

CREATE FUNCTION pgml.transform_stream(
    task jsonb, args jsonb DEFAULT '{}', inputs jsonb[] DEFAULT ARRAY[]::jsonb[], cache boolean DEFAULT false
) RETURNS SETOF jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000 ROWS 100
AS 'MODULE_PATHNAME', 'transform_stream_messages_wrapper';
COMMENT ON FUNCTION pgml.transform_stream(jsonb, jsonb, jsonb[], boolean) IS
'The answer of a chat model to a conversation, row by row while it is generated.';

CREATE FUNCTION pgml.transform_stream(
    task text, args jsonb DEFAULT '{}', inputs jsonb[] DEFAULT ARRAY[]::jsonb[], cache boolean DEFAULT false
) RETURNS SETOF jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000 ROWS 100
AS 'MODULE_PATHNAME', 'transform_stream_messages_named_wrapper';
COMMENT ON FUNCTION pgml.transform_stream(text, jsonb, jsonb[], boolean) IS
'The answer of a task''s default model to a conversation, row by row while it is generated.';
