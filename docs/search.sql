-- Search by meaning, with pgvector.
CREATE EXTENSION IF NOT EXISTS vector;

-- The column of vectors keeps itself: pgml.embed runs MiniLM, one copy for the whole server.
DROP TABLE IF EXISTS notes;
CREATE TABLE notes (
    body text PRIMARY KEY,
    embedding vector(384) GENERATED ALWAYS AS (
        pgml.embed('sentence-transformers/all-MiniLM-L6-v2', body)
    ) STORED
);

-- The documents: two dozen facts.
INSERT INTO notes (body) VALUES
    ('A backup that was never restored is only a hope.'),
    ('Alpine swifts sleep in the air and stay there for months.'),
    ('An octopus has three hearts and blue blood.'),
    ('Basalt columns form when lava cools slowly and cracks.'),
    ('Beeswax keeps a cutting board from drying out.'),
    ('Bread dough rises faster in a warm kitchen.'),
    ('Deserts get very cold at night because dry air holds little heat.'),
    ('Honey found in old tombs could still be eaten.'),
    ('Indexes make reading quicker and writing slower.'),
    ('Lemon juice stops cut apples from turning brown.'),
    ('Penguins keep their eggs warm on their feet.'),
    ('Plaster casts hold a fractured arm still until it has healed.'),
    ('Salt lowers the temperature at which water freezes.'),
    ('Sourdough needs flour, water, salt and patience.'),
    ('Steam engines turned coal into motion.'),
    ('The first computer programs were woven into looms.'),
    ('The Moon moves away from the Earth by four centimetres a year.'),
    ('Tides are higher when Sun and Moon pull in one line.'),
    ('Transactions either happen whole or not at all.'),
    ('Trains were the reason that towns agreed on one time.'),
    ('Vaccines teach the body to know an illness before it comes.'),
    ('Violins are tuned in fifths.'),
    ('Washing hands saved more lives in hospitals than any medicine of its day.'),
    ('Wind turbines face the wind and turn their blades out of a storm.');

-- An HNSW index over the vectors; the planner is told to use it although the table is small.
CREATE INDEX ON notes USING hnsw (embedding vector_cosine_ops);
SET enable_seqscan = off;

-- Three questions, and what answers them best. None shares its words with the answer.
SELECT question, found.body AS "best answer", round(found.likeness::numeric, 2) AS likeness,
       repeat('█', (greatest(found.likeness, 0) * 20)::integer) AS " "
FROM (VALUES ('How do doctors treat a broken bone?'),
             ('Which animal lives in the sky?'),
             ('How can I be sure that my data is not lost?')) AS asked (question)
CROSS JOIN LATERAL (
    SELECT body, 1 - (embedding <=> query) AS likeness
    FROM (SELECT pgml.embed('sentence-transformers/all-MiniLM-L6-v2', question)::vector AS query) AS q, notes
    ORDER BY embedding <=> query LIMIT 2
) AS found;
RESET enable_seqscan;

-- One copy of the model served all of that.
SELECT model, device, pg_size_pretty(bytes) AS memory, calls, "rows" FROM pgml.loaded_models;
