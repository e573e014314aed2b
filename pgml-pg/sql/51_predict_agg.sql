-- Predictions of many rows as one array: the whole relation without building an array of its features first. The state
-- lives in the memory of the process. A row is a table's row variable, any other composite value, or an array of numbers.

CREATE FUNCTION pgml.predict_agg_state(state internal, project_name text, "row" anyelement) RETURNS internal
LANGUAGE c STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'predict_agg_project_wrapper';
COMMENT ON FUNCTION pgml.predict_agg_state(internal, text, anyelement) IS 'Step of the aggregate pgml.predict_agg: takes in a row';

CREATE FUNCTION pgml.predict_agg_state(state internal, model_id bigint, "row" anyelement) RETURNS internal
LANGUAGE c STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'predict_agg_model_wrapper';
COMMENT ON FUNCTION pgml.predict_agg_state(internal, bigint, anyelement) IS 'Step of the aggregate pgml.predict_agg: takes in a row';

CREATE FUNCTION pgml.predict_proba_agg_state(state internal, project_name text, "row" anyelement) RETURNS internal
LANGUAGE c STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'proba_agg_project_wrapper';
COMMENT ON FUNCTION pgml.predict_proba_agg_state(internal, text, anyelement) IS 'Step of the aggregate pgml.predict_proba_agg: takes in a row';

CREATE FUNCTION pgml.predict_proba_agg_state(state internal, model_id bigint, "row" anyelement) RETURNS internal
LANGUAGE c STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'proba_agg_model_wrapper';
COMMENT ON FUNCTION pgml.predict_proba_agg_state(internal, bigint, anyelement) IS 'Step of the aggregate pgml.predict_proba_agg: takes in a row';

CREATE FUNCTION pgml.predict_agg_final(state internal) RETURNS real[]
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'predict_agg_final_wrapper';
COMMENT ON FUNCTION pgml.predict_agg_final(internal) IS 'Step of the aggregates pgml.predict_agg and pgml.predict_proba_agg: the result';

CREATE AGGREGATE pgml.predict_agg(project_name text, "row" anyelement) (
    SFUNC = pgml.predict_agg_state,
    STYPE = internal,
    FINALFUNC = pgml.predict_agg_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.predict_agg(text, anyelement) IS
'Predicts for every row of a group, in the order of the aggregate, as one array.

The fastest form for a whole relation: SELECT pgml.predict_agg(''project'', t) FROM t. Rows are matched as by pgml.predict; a NULL row has a NULL prediction. Several outputs of a row make a matrix.';

CREATE AGGREGATE pgml.predict_agg(model_id bigint, "row" anyelement) (
    SFUNC = pgml.predict_agg_state,
    STYPE = internal,
    FINALFUNC = pgml.predict_agg_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.predict_agg(bigint, anyelement) IS
'Predicts for every row of a group, in the order of the aggregate, as one array.

The fastest form for a whole relation: SELECT pgml.predict_agg(1, t) FROM t. Rows are matched as by pgml.predict; a NULL row has a NULL prediction. Several outputs of a row make a matrix.';

CREATE AGGREGATE pgml.predict_proba_agg(project_name text, "row" anyelement) (
    SFUNC = pgml.predict_proba_agg_state,
    STYPE = internal,
    FINALFUNC = pgml.predict_agg_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.predict_proba_agg(text, anyelement) IS
'Predicts the probability of each class for every row of a group, as a matrix: a line per row, in the order of the aggregate.';

CREATE AGGREGATE pgml.predict_proba_agg(model_id bigint, "row" anyelement) (
    SFUNC = pgml.predict_proba_agg_state,
    STYPE = internal,
    FINALFUNC = pgml.predict_agg_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.predict_proba_agg(bigint, anyelement) IS
'Predicts the probability of each class for every row of a group, as a matrix: a line per row, in the order of the aggregate.';
