-- Metrics of two arrays, with scikit-learn's definitions.

CREATE FUNCTION pgml.sklearn_f1_score(ground_truth real[], y_hat real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sklearn_f1_score_wrapper';
COMMENT ON FUNCTION pgml.sklearn_f1_score(real[], real[]) IS 'F1 score of predicted labels of two classes, of which 1 is the positive one';

CREATE FUNCTION pgml.sklearn_r2_score(ground_truth real[], y_hat real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sklearn_r2_score_wrapper';
COMMENT ON FUNCTION pgml.sklearn_r2_score(real[], real[]) IS 'Coefficient of determination of predicted numbers';

CREATE FUNCTION pgml.sklearn_regression_metrics(ground_truth real[], y_hat real[]) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sklearn_regression_metrics_wrapper';
COMMENT ON FUNCTION pgml.sklearn_regression_metrics(real[], real[]) IS 'Quality of predicted numbers: r2, mse and mae';

CREATE FUNCTION pgml.sklearn_classification_metrics(ground_truth real[], y_hat real[], num_classes bigint) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sklearn_classification_metrics_wrapper';
COMMENT ON FUNCTION pgml.sklearn_classification_metrics(real[], real[], bigint) IS 'Quality of predicted labels: f1, f1_micro, precision, recall, accuracy, mcc, and roc_auc for two classes';
