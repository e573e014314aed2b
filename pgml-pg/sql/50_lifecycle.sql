-- Training, snapshots, deployment and prediction.

CREATE FUNCTION pgml.train(
    project_name text,
    task text DEFAULT NULL,
    relation_name text DEFAULT NULL,
    y_column_name text DEFAULT NULL,
    algorithm pgml.algorithm DEFAULT 'linear',
    hyperparams jsonb DEFAULT '{}',
    search pgml.search DEFAULT NULL,
    search_params jsonb DEFAULT '{}',
    search_args jsonb DEFAULT '{}',
    test_size real DEFAULT 0.25,
    test_sampling pgml.sampling DEFAULT 'stratified',
    runtime pgml.runtime DEFAULT NULL,
    automatic_deploy boolean DEFAULT true,
    materialize_snapshot boolean DEFAULT false,
    preprocess jsonb DEFAULT '{}',
    group_by text DEFAULT NULL
) RETURNS TABLE (project text, task text, algorithm text, deployed boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'train_wrapper';
COMMENT ON FUNCTION pgml.train IS
'Trains a model on a table or view, scores it on rows held out, and deploys it if it is better than the deployed one.

Give the task, relation and label column the first time; later calls for the same project may leave them out and train another algorithm on the same snapshot. The algorithm auto tries several within max_seconds of search_args and deploys the best; group_by trains a model for each value of a column.';

CREATE FUNCTION pgml.train_joint(
    project_name text,
    task text DEFAULT NULL,
    relation_name text DEFAULT NULL,
    y_column_name text[] DEFAULT NULL,
    algorithm pgml.algorithm DEFAULT 'linear',
    hyperparams jsonb DEFAULT '{}',
    search pgml.search DEFAULT NULL,
    search_params jsonb DEFAULT '{}',
    search_args jsonb DEFAULT '{}',
    test_size real DEFAULT 0.25,
    test_sampling pgml.sampling DEFAULT 'stratified',
    runtime pgml.runtime DEFAULT NULL,
    automatic_deploy boolean DEFAULT true,
    materialize_snapshot boolean DEFAULT false,
    preprocess jsonb DEFAULT '{}',
    group_by text DEFAULT NULL
) RETURNS TABLE (project text, task text, algorithm text, deployed boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'train_joint_wrapper';
COMMENT ON FUNCTION pgml.train_joint IS
'Trains one model for several label columns at once; otherwise as pgml.train.';

CREATE FUNCTION pgml.snapshot(
    relation_name text,
    y_column_name text,
    test_size real DEFAULT 0.25,
    test_sampling pgml.sampling DEFAULT 'stratified',
    preprocess jsonb DEFAULT '{}'
) RETURNS TABLE (relation text, y_column_name text)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'snapshot_wrapper';
COMMENT ON FUNCTION pgml.snapshot IS
'Copies a table or view into pgml.snapshot_<id>, so that what was trained on can be looked at later.';

CREATE FUNCTION pgml.deploy(model_id bigint)
RETURNS TABLE (project text, strategy text, algorithm text)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'deploy_model_wrapper';
COMMENT ON FUNCTION pgml.deploy(bigint) IS
'Makes this model answer for its project, for every session once the transaction commits.';

CREATE FUNCTION pgml.deploy(
    project_name text,
    strategy pgml.strategy DEFAULT 'best_score',
    algorithm pgml.algorithm DEFAULT NULL
) RETURNS TABLE (project text, strategy text, algorithm text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'deploy_strategy_wrapper';
COMMENT ON FUNCTION pgml.deploy(text, pgml.strategy, pgml.algorithm) IS
'Chooses a model of the project and makes it answer: best_score, most_recent, or rollback to the one before.';

CREATE FUNCTION pgml.drop_model(model_id bigint)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'drop_model_wrapper';
COMMENT ON FUNCTION pgml.drop_model IS
'Deletes a model and its files; refuses the one that is deployed.';

CREATE FUNCTION pgml.drop_project(project_name text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'drop_project_named_wrapper';
COMMENT ON FUNCTION pgml.drop_project IS
'Deletes a project with all its models, deployments and files.';

CREATE FUNCTION pgml.export_model(model_id bigint)
RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'export_model_wrapper';
COMMENT ON FUNCTION pgml.export_model IS
'Gives a model as one value, with its manifest and digests, to import into another database.';

CREATE FUNCTION pgml.import_model(project_name text, model bytea, algorithm pgml.algorithm DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'import_model_wrapper';
COMMENT ON FUNCTION pgml.import_model(text, bytea, pgml.algorithm) IS
'Adds a model to a project and returns its id: one from pgml.export_model, or a file saved by XGBoost or LightGBM.

For a file of XGBoost (JSON or UBJSON) or LightGBM (text), name the algorithm. Deploy it with pgml.deploy(id).';

CREATE FUNCTION pgml.algorithms_table()
RETURNS TABLE (name text, tasks text[], source text, description text)
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'algorithms_table_wrapper';
COMMENT ON FUNCTION pgml.algorithms_table IS 'Lists every algorithm; query the view pgml.algorithms instead.';

CREATE VIEW pgml.algorithms AS SELECT * FROM pgml.algorithms_table();
COMMENT ON VIEW pgml.algorithms IS 'Every algorithm that pgml.train knows, with the tasks it can be trained for.';

CREATE FUNCTION pgml.hyperparams_table()
RETURNS TABLE (
    algorithm text, name text, type text, "default" jsonb, range text, choices text[], aliases text[],
    has_effect boolean, description text
)
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hyperparams_table_wrapper';
COMMENT ON FUNCTION pgml.hyperparams_table IS 'Lists every hyperparameter; query the view pgml.hyperparams instead.';

CREATE VIEW pgml.hyperparams AS SELECT * FROM pgml.hyperparams_table();
COMMENT ON VIEW pgml.hyperparams IS
'Every hyperparameter of every algorithm: type, default, range, choices and other names it is known by.';

-- Each kind of prediction exists for a project and for a model, for an array of any number type and for a row. A project
-- may be deployed anew, so its predictions are STABLE; a model never changes, so its are IMMUTABLE.
--
-- A vector of pgvector's goes to the form for rows, which casts it. Were there a form for real[], to which pgvector casts
-- implicitly, such a call would be ambiguous: so all arrays share one form that takes arrays alone. In a database that
-- came from PostgresML and where something of the user's needs its forms, those stay, and vectors have to be cast.
DO $predictions$
DECLARE
    -- name, C prefix, result, first line of the comment
    kinds CONSTANT text[] := ARRAY[
        ['predict', 'predict', 'real',
         'Predicts a value, a class or a cluster for one row of features.'],
        ['predict_proba', 'proba', 'real[]',
         'Predicts the probability of each class, in the order of the sorted labels.'],
        ['predict_joint', 'joint', 'real[]',
         'Predicts every label column of a model that pgml.train_joint trained.'],
        ['predict_label', 'label', 'text',
         'Predicts a class and returns its label as it stands in the training data.'],
        ['anomaly_score', 'anomaly', 'double precision',
         'Tells how strange a row is: above 0 for an anomaly, the greater the stranger.'],
        ['decompose', 'decompose', 'real[]',
         'Expresses a row of features in the components of a decomposition.']
    ];
    arrays CONSTANT text[] := ARRAY['real[]', 'double precision[]', 'smallint[]', 'integer[]', 'bigint[]', 'boolean[]', 'numeric[]'];
    subjects CONSTANT text[] := ARRAY[
        ['project_name text', 'project', 'STABLE', 'text'],
        ['model_id bigint', 'model', 'IMMUTABLE', 'bigint']
    ];
    kind text[];
    kept CONSTANT boolean := EXISTS (
        SELECT FROM pg_catalog.pg_proc AS f
         WHERE f.pronamespace OPERATOR(pg_catalog.=) 'pgml'::pg_catalog.regnamespace
           AND f.proname OPERATOR(pg_catalog.=) ANY (ARRAY[
               'predict', 'predict_proba', 'predict_joint', 'decompose']::pg_catalog.name[]));
    forms CONSTANT text[] := CASE WHEN kept THEN arrays ELSE ARRAY['anyarray'] END;
    row_form CONSTANT text := CASE WHEN kept THEN 'anyelement' ELSE 'anynonarray' END;
    subject text[];
    element text;
    argument text;
BEGIN
    FOREACH kind SLICE 1 IN ARRAY kinds LOOP
        FOREACH subject SLICE 1 IN ARRAY subjects LOOP
            argument := CASE kind[1] WHEN 'decompose' THEN 'vector' ELSE 'features' END;
            FOREACH element IN ARRAY forms LOOP
                EXECUTE pg_catalog.format(
                    $f$CREATE FUNCTION pgml.%I(%s, %s %s) RETURNS %s
                       LANGUAGE c %s STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', %L$f$,
                    kind[1], subject[1], argument, element, kind[3], subject[3],
                    kind[2] || '_' || subject[2] || '_wrapper');
                EXECUTE pg_catalog.format('COMMENT ON FUNCTION pgml.%I(%s, %s) IS %L',
                    kind[1], subject[4], element, kind[4]);
            END LOOP;
            EXECUTE pg_catalog.format(
                $f$CREATE FUNCTION pgml.%I(%s, "row" %s) RETURNS %s
                   LANGUAGE c %s STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', %L$f$,
                kind[1], subject[1], row_form, kind[3], subject[3],
                kind[2] || '_' || subject[2] || '_row_wrapper');
            EXECUTE pg_catalog.format('COMMENT ON FUNCTION pgml.%I(%s, %s) IS %L',
                kind[1], subject[4], row_form,
                kind[4] || E'\n\nA table''s row is matched to the model''s columns by name, ROW(…) by position. A vector counts as an array.');
        END LOOP;
    END LOOP;

    FOREACH element IN ARRAY arrays LOOP
        EXECUTE pg_catalog.format(
            $f$CREATE FUNCTION pgml.predict_batch(project_name text, features %s) RETURNS SETOF real
               LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME', 'batch_project_wrapper'$f$, element);
        EXECUTE pg_catalog.format(
            $f$CREATE FUNCTION pgml.predict_batch(model_id bigint, features %s) RETURNS real[]
               LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME', 'batch_model_wrapper'$f$, element);
        EXECUTE pg_catalog.format('COMMENT ON FUNCTION pgml.predict_batch(text, %s) IS %L', element,
            'Predicts for many rows of features at once, one result row each.');
        EXECUTE pg_catalog.format('COMMENT ON FUNCTION pgml.predict_batch(bigint, %s) IS %L', element,
            'Predicts for many rows of features at once, as one array.');
    END LOOP;
END
$predictions$;
