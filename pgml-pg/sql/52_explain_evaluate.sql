-- Why a model says what it says, and how well it does.

DO $explanations$
DECLARE
    subject text[];
    form text[];
BEGIN
    FOREACH subject SLICE 1 IN ARRAY ARRAY[
        ['project_name text', 'project', 'STABLE', 'text'],
        ['model_id bigint', 'model', 'STABLE', 'bigint']
    ] LOOP
        FOREACH form SLICE 1 IN ARRAY ARRAY[['features anyarray', '', 'anyarray'], ['"row" anynonarray', '_row', 'anynonarray']] LOOP
            EXECUTE pg_catalog.format(
                $f$CREATE FUNCTION pgml.explain(%s, %s, top_k integer DEFAULT NULL)
                   RETURNS TABLE (feature text, value text, contribution double precision, base double precision,
                                  prediction double precision, unit text, explains text)
                   LANGUAGE c %s PARALLEL SAFE COST 10000 ROWS 20 AS 'MODULE_PATHNAME', %L$f$,
                subject[1], form[1], subject[3], 'explain_' || subject[2] || form[2] || '_wrapper');
            EXECUTE pg_catalog.format('COMMENT ON FUNCTION pgml.explain(%s, %s, integer) IS %L', subject[4], form[3],
                E'Tells how much each feature adds to the prediction for one row.\n\nThe contributions and the base, which is the score of a row of which nothing is known, sum to the prediction, a score in the given unit; for classification, that of the predicted class, which stands under explains. They are Shapley values: exact for trees and linear models, sampled for others. With top_k, the largest come first and the rest as one row.');
        END LOOP;
        EXECUTE pg_catalog.format(
            $f$CREATE FUNCTION pgml.feature_importance(%s) RETURNS TABLE (feature text, importance double precision)
               LANGUAGE c %s STRICT PARALLEL SAFE COST 10000 ROWS 20 AS 'MODULE_PATHNAME', %L$f$,
            subject[1], subject[3], 'importance_' || subject[2] || '_wrapper');
        EXECUTE pg_catalog.format('COMMENT ON FUNCTION pgml.feature_importance(%s) IS %L', subject[4],
            E'Tells how much a model relies on each feature, as shares that sum to 1.\n\nFor trees, by how much its splits lower the impurity; for linear models, its coefficient times its standard deviation.');
    END LOOP;
END
$explanations$;

CREATE FUNCTION pgml.evaluate(project_name text, relation_name text)
RETURNS TABLE (metric text, value double precision)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'evaluate_wrapper';
COMMENT ON FUNCTION pgml.evaluate IS
'Compares the predictions of a project''s deployed model with the labels in any relation, metric by metric.

The relation has the columns that the model was trained on, the label among them.';

CREATE FUNCTION pgml.feature_importance(project_name text, relation_name text)
RETURNS TABLE (feature text, importance double precision)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'importance_by_shuffling_wrapper';
COMMENT ON FUNCTION pgml.feature_importance(text, text) IS
'Tells how much a project''s deployed model relies on each column: by how much its metric (r2 or f1) falls on a relation when that column is shuffled.

The relation has the columns that the model was trained on, the label among them. Works with every model; the mean of five shuffles.';

CREATE FUNCTION pgml.confusion_matrix(project_name text, relation_name text)
RETURNS TABLE (actual text, predicted text, count bigint)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'confusion_matrix_wrapper';
COMMENT ON FUNCTION pgml.confusion_matrix IS
'Counts which classes of a relation a classifier takes for which, one row per pair of classes.';

CREATE FUNCTION pgml.roc_curve(project_name text, relation_name text, class text DEFAULT NULL)
RETURNS TABLE (threshold double precision, false_positive_rate double precision, true_positive_rate double precision)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'roc_curve_wrapper';
COMMENT ON FUNCTION pgml.roc_curve IS
'Gives the ROC curve of one class of a relation, by the probability that the model gives it.

Without a class, that of the last one in sorted order: of two classes, the positive one.';

CREATE FUNCTION pgml.calibration(project_name text, relation_name text, class text DEFAULT NULL, n_bins integer DEFAULT 10)
RETURNS TABLE (
    bin_from double precision, bin_to double precision, count bigint, mean_predicted double precision, share double precision
)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'calibration_wrapper';
COMMENT ON FUNCTION pgml.calibration IS
'Tells whether probabilities mean what they say: in each bin, their mean and the share of rows that are of the class.

Without a class, the last one in sorted order. Bins without rows are left out.';

CREATE FUNCTION pgml.drift(project_name text, relation_name text)
RETURNS TABLE (
    feature text, psi double precision, ks double precision, missing_before double precision, missing_now double precision,
    drift text
)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'drift_wrapper';
COMMENT ON FUNCTION pgml.drift IS
'Compares the features of a relation with those of the rows that a project''s model was trained on, most changed first.

psi is the population stability index (below 0.1 stable, above 0.25 large), ks the Kolmogorov-Smirnov distance, both at 20 bins that are stored of the training rows.';

CREATE FUNCTION pgml.quoted_relation(relation_name text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'quoted_relation_wrapper';
COMMENT ON FUNCTION pgml.quoted_relation IS
'Finds a relation as pgml.train does and gives its name with its schema, quoted for SQL.';

CREATE FUNCTION pgml.predicts_labels(project_name text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'predicts_labels_wrapper';
COMMENT ON FUNCTION pgml.predicts_labels IS
'Tells whether a project''s deployed model predicts classes, which pgml.predict_label names.';

CREATE FUNCTION pgml.predict_quoted(project_name text, quoted_relation text)
RETURNS TABLE (input jsonb, prediction text)
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $predict_quoted$
BEGIN
    RETURN QUERY EXECUTE format(
        CASE WHEN pgml.predicts_labels(project_name)
            THEN 'SELECT to_jsonb(r), pgml.predict_label($1, r) FROM %s AS r'
            ELSE 'SELECT to_jsonb(r), pgml.predict($1, r)::text FROM %s AS r'
        END, quoted_relation) USING project_name;
END
$predict_quoted$;
COMMENT ON FUNCTION pgml.predict_quoted IS
'Predicts every row of a relation whose name is quoted for SQL; call pgml.predict_table instead.';

-- The name is looked for under the caller's search path, the rest is done under a fixed one.
CREATE FUNCTION pgml.predict_table(project_name text, relation_name text)
RETURNS TABLE (input jsonb, prediction text)
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT p.input, p.prediction FROM pgml.predict_quoted(project_name, pgml.quoted_relation(relation_name)) AS p;
END;
COMMENT ON FUNCTION pgml.predict_table(text, text) IS
'Predicts every row of a table or view by column name: the row as JSON, and the prediction, classes by their label.

To get the row''s own columns, name the row type: SELECT (input).*, prediction FROM pgml.predict_table(''project'', NULL::relation).';

CREATE FUNCTION pgml.predict_table(project_name text, relation anyelement, OUT input anyelement, OUT prediction text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $predict_table$
DECLARE
    relation_oid CONSTANT oid := (SELECT t.typrelid FROM pg_type AS t WHERE t.oid = pg_typeof(relation)::oid);
BEGIN
    IF relation_oid = 0 THEN
        RAISE EXCEPTION 'pgml.predict_table takes the name of a relation or a row of it, not a value of type %', pg_typeof(relation)
            USING ERRCODE = 'datatype_mismatch', HINT = 'write NULL::my_table to predict all rows of my_table';
    END IF;
    RETURN QUERY EXECUTE format(
        CASE WHEN pgml.predicts_labels(project_name)
            THEN 'SELECT r, pgml.predict_label($1, r) FROM %s AS r'
            ELSE 'SELECT r, pgml.predict($1, r)::text FROM %s AS r'
        END, relation_oid::regclass) USING project_name;
END
$predict_table$;
COMMENT ON FUNCTION pgml.predict_table(text, anyelement) IS
'Predicts every row of the table or view whose row type is given, for instance NULL::iris: the row, and the prediction.

SELECT (input).*, prediction FROM pgml.predict_table(''project'', NULL::iris) gives the columns and the prediction.';
