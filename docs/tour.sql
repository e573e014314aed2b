-- Images of handwritten digits: 8 × 8 grey values each, and the digit that they show.
SELECT * FROM pgml.load_dataset('digits');

-- Train XGBoost on three quarters of them. The rest is held out, to score the model.
SELECT * FROM pgml.train(
    'Handwritten digits', 'classification', 'pgml.digits', 'target',
    algorithm => 'xgboost', hyperparams => '{"n_estimators": 50, "max_depth": 4}'
);

-- The metrics are scikit-learn's, on rows that the model has not seen.
SELECT algorithm,
       round((metrics->>'f1')::numeric, 4) AS f1,
       round((metrics->>'accuracy')::numeric, 4) AS accuracy,
       round((metrics->>'fit_time')::numeric, 2) AS seconds
FROM pgml.models ORDER BY id DESC LIMIT 1;

-- It answers at once, to every session. Five images, and what the model reads in them.
WITH images AS (
    SELECT row_number() OVER () AS n, image, target, pgml.predict('Handwritten digits', image) AS reads
    FROM (SELECT * FROM pgml.digits OFFSET 1000 LIMIT 5) AS chosen
), lines AS (
    SELECT n, y, (SELECT string_agg(repeat(substr(' ·░▒▓█', 1 + image[y][x] * 5 / 16, 1), 2), '' ORDER BY x)
                  FROM generate_series(1, 8) AS x) AS line
    FROM images, generate_series(1, 8) AS y
    UNION ALL
    SELECT n, 9, rpad(format('   %s reads as %s', target, reads), 16) FROM images
)
SELECT string_agg(line, '  ' ORDER BY n) AS "what the model sees" FROM lines GROUP BY y ORDER BY y;

-- Two more algorithms on the same rows. Each is deployed only if it is better.
SELECT * FROM pgml.train('Handwritten digits', algorithm => 'random_forest');
SELECT * FROM pgml.train('Handwritten digits', algorithm => 'svm');

-- Which is best?
SELECT m.algorithm,
       round((m.metrics->>'f1')::numeric, 4) AS f1,
       repeat('█', ((m.metrics->>'f1')::float8 * 400 - 360)::integer) AS "f1 from 0.90 to 1.00",
       CASE WHEN t.deployed THEN 'deployed' ELSE '' END AS status
FROM pgml.models AS m
JOIN pgml.trained_models AS t USING (id)
WHERE t.name = 'Handwritten digits'
ORDER BY f1 DESC;

-- A deploy is an ordinary fact of a transaction: it can be rolled back like any other.
BEGIN;
SELECT * FROM pgml.deploy('Handwritten digits', 'most_recent', 'xgboost');
ROLLBACK;

-- And "rollback" is a strategy too: back to the model that answered before.
SELECT * FROM pgml.deploy('Handwritten digits', 'rollback');

-- Labels can be text. A table's row goes in as it is, and the label comes back.
SELECT * FROM pgml.load_dataset('iris');
CREATE OR REPLACE VIEW flowers AS
SELECT sepal_length, sepal_width, petal_length, petal_width,
       (ARRAY['setosa', 'versicolor', 'virginica'])[target + 1] AS species
FROM pgml.iris;
SELECT * FROM pgml.train('Flowers', 'classification', 'flowers', 'species', algorithm => 'linear');
SELECT DISTINCT ON (species) petal_length, petal_width, species,
       pgml.predict_label('Flowers', flowers) AS predicted,
       pgml.predict_proba('Flowers', flowers) AS probabilities
FROM flowers;

-- Text grows, a row for each piece as soon as it is there. This model is tiny and knows ten sentences by heart; any decoder on
-- the hub does the same, for instance {"task": "text-generation", "model": "HuggingFaceTB/SmolLM2-135M"}.
SELECT pgml.transform_stream('{"task": "text-generation", "model": "pgml/writer"}'::jsonb,
                             input => 'Every morning', args => '{"max_new_tokens": 40}') ->> 0 AS "how a text grows";
SELECT pgml.transform('{"task": "text-generation", "model": "pgml/writer"}'::jsonb,
                      inputs => ARRAY['The captain', 'In winter'], args => '{"max_new_tokens": 40}') AS "two texts at once";
