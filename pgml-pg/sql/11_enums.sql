-- Closed lists, enums as they were in PostgresML: a database upgraded in place keeps its columns and whatever users built
-- on them, so its upgrade leaves this file out.

CREATE TYPE pgml.sampling AS ENUM ('random', 'last', 'stratified');
CREATE TYPE pgml.search AS ENUM ('grid', 'random', 'halving', 'tpe');
CREATE TYPE pgml.status AS ENUM ('in_progress', 'successful', 'failed');
CREATE TYPE pgml.strategy AS ENUM ('new_score', 'best_score', 'most_recent', 'rollback', 'specific');
