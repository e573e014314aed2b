-- Element-wise aggregates. The state is an array; rows that are NULL are skipped, rows of another length are an error,
-- and a group without rows gives an empty array.

CREATE FUNCTION pgml.sum_s_state(this real[], arg_one real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sum_s_state_wrapper';
COMMENT ON FUNCTION pgml.sum_s_state(real[], real[]) IS 'Step of the aggregate pgml.sum: takes in a row';

CREATE FUNCTION pgml.sum_s_combine(this real[], v real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sum_s_combine_wrapper';
COMMENT ON FUNCTION pgml.sum_s_combine(real[], real[]) IS 'Step of the aggregate pgml.sum: joins the states of two processes';

CREATE FUNCTION pgml.sum_s_finalize(this real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sum_s_finalize_wrapper';
COMMENT ON FUNCTION pgml.sum_s_finalize(real[]) IS 'Step of the aggregate pgml.sum: the result';

CREATE AGGREGATE pgml.sum(real[]) (
    SFUNC = pgml.sum_s_state,
    STYPE = real[],
    COMBINEFUNC = pgml.sum_s_combine,
    FINALFUNC = pgml.sum_s_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.sum(real[]) IS 'Element-wise sum of arrays';

CREATE FUNCTION pgml.sum_d_state(this double precision[], arg_one double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sum_d_state_wrapper';
COMMENT ON FUNCTION pgml.sum_d_state(double precision[], double precision[]) IS 'Step of the aggregate pgml.sum: takes in a row';

CREATE FUNCTION pgml.sum_d_combine(this double precision[], v double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sum_d_combine_wrapper';
COMMENT ON FUNCTION pgml.sum_d_combine(double precision[], double precision[]) IS 'Step of the aggregate pgml.sum: joins the states of two processes';

CREATE FUNCTION pgml.sum_d_finalize(this double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sum_d_finalize_wrapper';
COMMENT ON FUNCTION pgml.sum_d_finalize(double precision[]) IS 'Step of the aggregate pgml.sum: the result';

CREATE AGGREGATE pgml.sum(double precision[]) (
    SFUNC = pgml.sum_d_state,
    STYPE = double precision[],
    COMBINEFUNC = pgml.sum_d_combine,
    FINALFUNC = pgml.sum_d_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.sum(double precision[]) IS 'Element-wise sum of arrays';

CREATE FUNCTION pgml.max_s_state(this real[], arg_one real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_s_state_wrapper';
COMMENT ON FUNCTION pgml.max_s_state(real[], real[]) IS 'Step of the aggregate pgml.max: takes in a row';

CREATE FUNCTION pgml.max_s_combine(this real[], v real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_s_combine_wrapper';
COMMENT ON FUNCTION pgml.max_s_combine(real[], real[]) IS 'Step of the aggregate pgml.max: joins the states of two processes';

CREATE FUNCTION pgml.max_s_finalize(this real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_s_finalize_wrapper';
COMMENT ON FUNCTION pgml.max_s_finalize(real[]) IS 'Step of the aggregate pgml.max: the result';

CREATE AGGREGATE pgml.max(real[]) (
    SFUNC = pgml.max_s_state,
    STYPE = real[],
    COMBINEFUNC = pgml.max_s_combine,
    FINALFUNC = pgml.max_s_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.max(real[]) IS 'Element-wise largest value of arrays';

CREATE FUNCTION pgml.max_d_state(this double precision[], arg_one double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_d_state_wrapper';
COMMENT ON FUNCTION pgml.max_d_state(double precision[], double precision[]) IS 'Step of the aggregate pgml.max: takes in a row';

CREATE FUNCTION pgml.max_d_combine(this double precision[], v double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_d_combine_wrapper';
COMMENT ON FUNCTION pgml.max_d_combine(double precision[], double precision[]) IS 'Step of the aggregate pgml.max: joins the states of two processes';

CREATE FUNCTION pgml.max_d_finalize(this double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_d_finalize_wrapper';
COMMENT ON FUNCTION pgml.max_d_finalize(double precision[]) IS 'Step of the aggregate pgml.max: the result';

CREATE AGGREGATE pgml.max(double precision[]) (
    SFUNC = pgml.max_d_state,
    STYPE = double precision[],
    COMBINEFUNC = pgml.max_d_combine,
    FINALFUNC = pgml.max_d_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.max(double precision[]) IS 'Element-wise largest value of arrays';

CREATE FUNCTION pgml.min_s_state(this real[], arg_one real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_s_state_wrapper';
COMMENT ON FUNCTION pgml.min_s_state(real[], real[]) IS 'Step of the aggregate pgml.min: takes in a row';

CREATE FUNCTION pgml.min_s_combine(this real[], v real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_s_combine_wrapper';
COMMENT ON FUNCTION pgml.min_s_combine(real[], real[]) IS 'Step of the aggregate pgml.min: joins the states of two processes';

CREATE FUNCTION pgml.min_s_finalize(this real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_s_finalize_wrapper';
COMMENT ON FUNCTION pgml.min_s_finalize(real[]) IS 'Step of the aggregate pgml.min: the result';

CREATE AGGREGATE pgml.min(real[]) (
    SFUNC = pgml.min_s_state,
    STYPE = real[],
    COMBINEFUNC = pgml.min_s_combine,
    FINALFUNC = pgml.min_s_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.min(real[]) IS 'Element-wise smallest value of arrays';

CREATE FUNCTION pgml.min_d_state(this double precision[], arg_one double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_d_state_wrapper';
COMMENT ON FUNCTION pgml.min_d_state(double precision[], double precision[]) IS 'Step of the aggregate pgml.min: takes in a row';

CREATE FUNCTION pgml.min_d_combine(this double precision[], v double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_d_combine_wrapper';
COMMENT ON FUNCTION pgml.min_d_combine(double precision[], double precision[]) IS 'Step of the aggregate pgml.min: joins the states of two processes';

CREATE FUNCTION pgml.min_d_finalize(this double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_d_finalize_wrapper';
COMMENT ON FUNCTION pgml.min_d_finalize(double precision[]) IS 'Step of the aggregate pgml.min: the result';

CREATE AGGREGATE pgml.min(double precision[]) (
    SFUNC = pgml.min_d_state,
    STYPE = double precision[],
    COMBINEFUNC = pgml.min_d_combine,
    FINALFUNC = pgml.min_d_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.min(double precision[]) IS 'Element-wise smallest value of arrays';

CREATE FUNCTION pgml.max_abs_s_state(this real[], arg_one real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_abs_s_state_wrapper';
COMMENT ON FUNCTION pgml.max_abs_s_state(real[], real[]) IS 'Step of the aggregate pgml.max_abs: takes in a row';

CREATE FUNCTION pgml.max_abs_s_combine(this real[], v real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_abs_s_combine_wrapper';
COMMENT ON FUNCTION pgml.max_abs_s_combine(real[], real[]) IS 'Step of the aggregate pgml.max_abs: joins the states of two processes';

CREATE FUNCTION pgml.max_abs_s_finalize(this real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_abs_s_finalize_wrapper';
COMMENT ON FUNCTION pgml.max_abs_s_finalize(real[]) IS 'Step of the aggregate pgml.max_abs: the result';

CREATE AGGREGATE pgml.max_abs(real[]) (
    SFUNC = pgml.max_abs_s_state,
    STYPE = real[],
    COMBINEFUNC = pgml.max_abs_s_combine,
    FINALFUNC = pgml.max_abs_s_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.max_abs(real[]) IS 'Element-wise largest absolute value of arrays';

CREATE FUNCTION pgml.max_abs_d_state(this double precision[], arg_one double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_abs_d_state_wrapper';
COMMENT ON FUNCTION pgml.max_abs_d_state(double precision[], double precision[]) IS 'Step of the aggregate pgml.max_abs: takes in a row';

CREATE FUNCTION pgml.max_abs_d_combine(this double precision[], v double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_abs_d_combine_wrapper';
COMMENT ON FUNCTION pgml.max_abs_d_combine(double precision[], double precision[]) IS 'Step of the aggregate pgml.max_abs: joins the states of two processes';

CREATE FUNCTION pgml.max_abs_d_finalize(this double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'max_abs_d_finalize_wrapper';
COMMENT ON FUNCTION pgml.max_abs_d_finalize(double precision[]) IS 'Step of the aggregate pgml.max_abs: the result';

CREATE AGGREGATE pgml.max_abs(double precision[]) (
    SFUNC = pgml.max_abs_d_state,
    STYPE = double precision[],
    COMBINEFUNC = pgml.max_abs_d_combine,
    FINALFUNC = pgml.max_abs_d_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.max_abs(double precision[]) IS 'Element-wise largest absolute value of arrays';

CREATE FUNCTION pgml.min_abs_s_state(this real[], arg_one real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_abs_s_state_wrapper';
COMMENT ON FUNCTION pgml.min_abs_s_state(real[], real[]) IS 'Step of the aggregate pgml.min_abs: takes in a row';

CREATE FUNCTION pgml.min_abs_s_combine(this real[], v real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_abs_s_combine_wrapper';
COMMENT ON FUNCTION pgml.min_abs_s_combine(real[], real[]) IS 'Step of the aggregate pgml.min_abs: joins the states of two processes';

CREATE FUNCTION pgml.min_abs_s_finalize(this real[]) RETURNS real[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_abs_s_finalize_wrapper';
COMMENT ON FUNCTION pgml.min_abs_s_finalize(real[]) IS 'Step of the aggregate pgml.min_abs: the result';

CREATE AGGREGATE pgml.min_abs(real[]) (
    SFUNC = pgml.min_abs_s_state,
    STYPE = real[],
    COMBINEFUNC = pgml.min_abs_s_combine,
    FINALFUNC = pgml.min_abs_s_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.min_abs(real[]) IS 'Element-wise smallest absolute value of arrays';

CREATE FUNCTION pgml.min_abs_d_state(this double precision[], arg_one double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_abs_d_state_wrapper';
COMMENT ON FUNCTION pgml.min_abs_d_state(double precision[], double precision[]) IS 'Step of the aggregate pgml.min_abs: takes in a row';

CREATE FUNCTION pgml.min_abs_d_combine(this double precision[], v double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_abs_d_combine_wrapper';
COMMENT ON FUNCTION pgml.min_abs_d_combine(double precision[], double precision[]) IS 'Step of the aggregate pgml.min_abs: joins the states of two processes';

CREATE FUNCTION pgml.min_abs_d_finalize(this double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'min_abs_d_finalize_wrapper';
COMMENT ON FUNCTION pgml.min_abs_d_finalize(double precision[]) IS 'Step of the aggregate pgml.min_abs: the result';

CREATE AGGREGATE pgml.min_abs(double precision[]) (
    SFUNC = pgml.min_abs_d_state,
    STYPE = double precision[],
    COMBINEFUNC = pgml.min_abs_d_combine,
    FINALFUNC = pgml.min_abs_d_finalize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgml.min_abs(double precision[]) IS 'Element-wise smallest absolute value of arrays';
