-- The tables of `cargo xtask bench peers`: seeded, synthetic, all features `real`.
-- Variables: rows (of the large tables).

SELECT setseed(0.5);

-- Flights: ten features in the ranges of the American on-time table, and the delay to be predicted.
CREATE TABLE flights AS
SELECT id::integer AS key,
       year::real, month::real, day::real, weekday::real, hour::real, minute::real,
       origin::real, destination::real, distance::real, duration::real,
       (CASE WHEN hour > 16 THEN 12 ELSE 3 END + CASE WHEN month IN (1, 7, 12) THEN 6 ELSE 0 END
        + abs(origin - 150) / 40.0 + duration * random() / 30)::real AS delay
FROM (
    SELECT id, 2010 + floor(random() * 10) AS year, 1 + floor(random() * 12) AS month,
           1 + floor(random() * 31) AS day, 1 + floor(random() * 7) AS weekday, floor(random() * 24) AS hour,
           floor(random() * 60) AS minute, floor(random() * 300) AS origin, floor(random() * 300) AS destination,
           100 + floor(random() * 2500) AS distance, 30 + floor(random() * 330) AS duration
    FROM generate_series(1, :rows) AS id OFFSET 0
) AS drawn;
ALTER TABLE flights ADD PRIMARY KEY (key);

-- Higgs: 28 normal features, and a class that depends on some of them, alone and together.
CREATE TABLE higgs AS
SELECT x.*,
       (x1 + 0.7 * x2 * x3 + 0.5 * x4 * x4 - 0.5 + sin(2 * x5) + CASE WHEN x6 > 0.3 THEN x7 ELSE -x8 END
        + 0.4 * abs(x9) + 0.8 * random_normal() > 0.3)::integer::real AS target
FROM (
    SELECT random_normal()::real AS x1, random_normal()::real AS x2, random_normal()::real AS x3,
           random_normal()::real AS x4, random_normal()::real AS x5, random_normal()::real AS x6,
           random_normal()::real AS x7, random_normal()::real AS x8, random_normal()::real AS x9,
           random_normal()::real AS x10, random_normal()::real AS x11, random_normal()::real AS x12,
           random_normal()::real AS x13, random_normal()::real AS x14, random_normal()::real AS x15,
           random_normal()::real AS x16, random_normal()::real AS x17, random_normal()::real AS x18,
           random_normal()::real AS x19, random_normal()::real AS x20, random_normal()::real AS x21,
           random_normal()::real AS x22, random_normal()::real AS x23, random_normal()::real AS x24,
           random_normal()::real AS x25, random_normal()::real AS x26, random_normal()::real AS x27,
           random_normal()::real AS x28
    FROM generate_series(1, :rows) OFFSET 0
) AS x;

-- Parts of them, always the same ones: a scan must not start where another one is.
SET synchronize_seqscans = off;
CREATE TABLE flights_sample AS
SELECT year, month, day, weekday, hour, minute, origin, destination, distance, duration, delay
FROM flights LIMIT 50000;
CREATE TABLE higgs_sample AS SELECT * FROM higgs LIMIT 50000;
CREATE TABLE higgs_keyed AS SELECT row_number() OVER ()::integer AS key, * FROM higgs LIMIT 10000;
ALTER TABLE higgs_keyed ADD PRIMARY KEY (key);
CREATE TABLE forest_rows AS SELECT * FROM higgs LIMIT 20000;
CREATE TABLE forest_test AS SELECT * FROM higgs OFFSET 20000 LIMIT 20000;
CREATE TABLE thread_rows AS SELECT * FROM higgs LIMIT 200000;

VACUUM (FREEZE, ANALYZE)
    flights, flights_sample, higgs, higgs_sample, higgs_keyed, forest_rows, forest_test, thread_rows;
CHECKPOINT;
