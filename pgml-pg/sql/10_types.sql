-- Types. Algorithms, tasks and runtimes are open lists: the library knows the names, says which are known when it is
-- given another one, and a new algorithm needs no change here. A domain over text keeps 'xgboost'::pgml.algorithm,
-- defaults, named arguments and overloads working. Sampling, search, status and strategy are closed lists, and enums as
-- they were in PostgresML, so that a database upgraded in place keeps its columns and whatever users built on them.

CREATE DOMAIN pgml.algorithm AS pg_catalog.text
    CONSTRAINT algorithm_is_named CHECK (VALUE <> '');
COMMENT ON DOMAIN pgml.algorithm IS 'The name of an algorithm, for instance xgboost; pgml.train() says which are known';

CREATE DOMAIN pgml.task AS pg_catalog.text
    CONSTRAINT task_is_named CHECK (VALUE <> '');
COMMENT ON DOMAIN pgml.task IS 'What a project is for, for instance regression or classification';

CREATE DOMAIN pgml.runtime AS pg_catalog.text
    CONSTRAINT runtime_is_named CHECK (VALUE <> '');
COMMENT ON DOMAIN pgml.runtime IS 'What a model runs in: rust (this library); python and openai are kept for older rows and clients';

CREATE TYPE pgml.sampling AS ENUM ('random', 'last', 'stratified');
COMMENT ON TYPE pgml.sampling IS 'How rows are chosen for the test set';

CREATE TYPE pgml.search AS ENUM ('grid', 'random');
COMMENT ON TYPE pgml.search IS 'How hyperparameters are searched for';

CREATE TYPE pgml.status AS ENUM ('in_progress', 'successful', 'failed');
COMMENT ON TYPE pgml.status IS 'How a training or snapshot went';

CREATE TYPE pgml.strategy AS ENUM ('new_score', 'best_score', 'most_recent', 'rollback', 'specific');
COMMENT ON TYPE pgml.strategy IS 'How the model to deploy was or is to be chosen';
