-- Types. Algorithms, tasks and runtimes are open lists: the library knows the names, says which are known when it is
-- given another one, and a new algorithm needs no change here. A domain over text keeps 'xgboost'::pgml.algorithm,
-- defaults, named arguments and overloads working.

CREATE DOMAIN pgml.algorithm AS pg_catalog.text
    CONSTRAINT algorithm_is_named CHECK (VALUE OPERATOR(pg_catalog.<>) '');
COMMENT ON DOMAIN pgml.algorithm IS 'The name of an algorithm, for instance xgboost; pgml.train() says which are known';

CREATE DOMAIN pgml.task AS pg_catalog.text
    CONSTRAINT task_is_named CHECK (VALUE OPERATOR(pg_catalog.<>) '');
COMMENT ON DOMAIN pgml.task IS 'What a project is for, for instance regression or classification';

CREATE DOMAIN pgml.runtime AS pg_catalog.text
    CONSTRAINT runtime_is_named CHECK (VALUE OPERATOR(pg_catalog.<>) '');
COMMENT ON DOMAIN pgml.runtime IS 'What a model runs in: rust (this library); python and openai are kept for older rows and clients';
