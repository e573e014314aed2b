-- Transformers: embeddings, ranking, and what is in the memory of the inference program. An embedding costs about a
-- millisecond, some ten thousand times as much as an operator.

CREATE FUNCTION pgml.embed(transformer text, "text" text, kwargs jsonb DEFAULT '{}') RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'embed_wrapper';
COMMENT ON FUNCTION pgml.embed(text, text, jsonb) IS
'The vector that a transformer makes of a text, for comparing meanings.

The kwargs are those of sentence-transformers: prompt, prompt_name, normalize, truncate_dim, precision, revision, token, device, dtype, quantization. The empty text has a vector like any other; NULL gives NULL.';

CREATE FUNCTION pgml.embed(transformer text, inputs text[], kwargs jsonb DEFAULT '{}') RETURNS SETOF real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 ROWS 100
AS 'MODULE_PATHNAME', 'embed_batch_wrapper';
COMMENT ON FUNCTION pgml.embed(text, text[], jsonb) IS
'The vectors that a transformer makes of texts: one row per text, in order, NULL for NULL.';

CREATE FUNCTION pgml.rank(transformer text, query text, documents text[], kwargs jsonb DEFAULT '{}')
RETURNS TABLE (corpus_id bigint, score double precision, "text" text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 ROWS 100
AS 'MODULE_PATHNAME', 'rank_wrapper';
COMMENT ON FUNCTION pgml.rank(text, text, text[], jsonb) IS
'Documents in the order of how well they answer a query, best first, as a cross-encoder reads both together.

corpus_id counts the documents from 0. The kwargs are those of sentence-transformers: top_k, return_documents, activation, revision, token, device, dtype, quantization. A NULL document has no row.';

CREATE FUNCTION pgml.load_model(
    transformer text, task text DEFAULT 'embed', kwargs jsonb DEFAULT '{}', refresh boolean DEFAULT false
) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'load_model_wrapper';
COMMENT ON FUNCTION pgml.load_model(text, text, jsonb, boolean) IS
'Loads a transformer before it is needed, for embed, rank or a task of transform, and downloads it if it is not in the model cache.

The kwargs are those of the call that will use it; for a task of transform, what its first argument says beside task and model, such as dtype, quantization, device, revision, token.

A name means the same files for ever, as its first use found them; refresh accepts what it means on the hub now. Vectors of the old and the new model do not fit together.';

-- One argument: with a second one of text or jsonb, import_model('project', '\x00') would not know which function it means.
CREATE FUNCTION pgml.import_model(transformer text) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'import_transformer_wrapper';
COMMENT ON FUNCTION pgml.import_model(text) IS
'Stores the files of a transformer in pgml.files, so that replicas, dumps and backups carry it, and returns the id of the model.

It stores what the name means on this server, and downloads it if it is not here. The project of that name, for the task embedding, is created if there is none, and the model deployed: from then on the name means this model in this database, wherever it is restored. pgml.deploy goes back to one that was stored before.';

CREATE FUNCTION pgml.unload_model(transformer text) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'unload_model_wrapper';
COMMENT ON FUNCTION pgml.unload_model(text) IS
'Drops every loaded form of a transformer from memory and says how many there were. Calls under way are finished first.';

CREATE FUNCTION pgml.clear_gpu_cache(memory_usage real DEFAULT NULL) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'clear_gpu_cache_wrapper';
COMMENT ON FUNCTION pgml.clear_gpu_cache(real) IS
'An error where there is no GPU; pgml.unload_model gives back the memory of a model on any device.';

CREATE FUNCTION pgml.loaded_models_table()
RETURNS TABLE (
    model text, revision text, task text, device text, dtype text, bytes bigint, calls bigint, "rows" bigint,
    batches bigint, shared_batches bigint, p50_ms double precision, p99_ms double precision, last_use_micros bigint
)
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loaded_models_table_wrapper';
COMMENT ON FUNCTION pgml.loaded_models_table() IS 'Lists the transformers in memory; query the view pgml.loaded_models instead.';

CREATE VIEW pgml.loaded_models AS
SELECT t.model,
       t.revision,
       t.task,
       t.device,
       t.dtype,
       t.bytes,
       t.calls,
       t."rows",
       t.batches,
       t.shared_batches,
       t.p50_ms,
       t.p99_ms,
       pg_catalog.to_timestamp(t.last_use_micros::double precision / 1000000::double precision) AS last_use
  FROM pgml.loaded_models_table() AS t;
COMMENT ON VIEW pgml.loaded_models IS 'One row per transformer in the memory of the inference program: one copy for the whole server.';
COMMENT ON COLUMN pgml.loaded_models.model IS 'The name it was asked for by';
COMMENT ON COLUMN pgml.loaded_models.revision IS 'The branch, tag or commit that was asked for; NULL for the main branch';
COMMENT ON COLUMN pgml.loaded_models.task IS 'What it is loaded for: embed or rank';
COMMENT ON COLUMN pgml.loaded_models.device IS 'Where it runs, as the call or pgml.device said';
COMMENT ON COLUMN pgml.loaded_models.dtype IS 'The type of its weights';
COMMENT ON COLUMN pgml.loaded_models.bytes IS 'Memory that its weights take, which counts towards pgml.worker_memory';
COMMENT ON COLUMN pgml.loaded_models.calls IS 'Calls answered since it was loaded, by all sessions of all databases';
COMMENT ON COLUMN pgml.loaded_models."rows" IS 'Texts read';
COMMENT ON COLUMN pgml.loaded_models.batches IS 'Batches computed';
COMMENT ON COLUMN pgml.loaded_models.shared_batches IS 'Batches that held texts of several sessions';
COMMENT ON COLUMN pgml.loaded_models.p50_ms IS 'The median time of the last 1,024 calls, in milliseconds';
COMMENT ON COLUMN pgml.loaded_models.p99_ms IS '99 of 100 of the last 1,024 calls took no longer, in milliseconds';
COMMENT ON COLUMN pgml.loaded_models.last_use IS 'When it was last used; after pgml.keep_alive without use it is dropped';
