-- What the columns mean whose tables and views do not say so where they are made.

DO $comments$
DECLARE
    relation text;
    names text;
    meaning text;
    name text;
BEGIN
    FOR relation, names, meaning IN VALUES
        ('projects', 'id', 'Number of the project'),
        ('snapshots', 'id', 'Number of the snapshot'),
        ('models', 'id', 'Number of the model, for pgml.predict(model_id, …) and pgml.deploy(model_id)'),
        ('models', 'project_id', 'The project it was trained for'),
        ('models', 'snapshot_id', 'What it was trained on'),
        ('models', 'algorithm', 'One of pgml.algorithms'),
        ('models', 'runtime', 'rust for what pgml trained; python for what PostgresML trained there'),
        ('models', 'search_params', 'The values that were searched, by name of the parameter'),
        ('models', 'search_args', 'How they were searched: cv, n_iter'),
        ('deployments', 'id', 'Number of the deployment'),
        ('deployments', 'project_id', 'The project whose model was chosen'),
        ('deployments', 'model_id', 'The model that was chosen'),
        ('deployments', 'created_at', 'When it was deployed'),
        ('files', 'id', 'Number of the row'),
        ('files', 'model_id', 'The model whose bytes these are'),
        ('files', 'data', 'The bytes, at most 16 MiB'),
        ('logs', 'id', 'Number of the entry'),
        ('logs', 'model_id', 'The model that was trained'),
        ('logs', 'project_id', 'The project it was trained for'),
        ('logs', 'logs', 'What the training said'),
        ('projects snapshots models files logs', 'created_at', 'When the row was made'),
        ('projects snapshots models files', 'updated_at', 'When the row was changed last'),
        ('overview trained_models deployed_models', 'name', 'The project'),
        ('overview trained_models deployed_models', 'task', 'What the project is for'),
        ('overview trained_models deployed_models', 'algorithm', 'What the model was trained with'),
        ('overview trained_models deployed_models', 'runtime', 'What the model was trained by'),
        ('overview deployed_models', 'deployed_at', 'When the model was deployed'),
        ('project_privileges', 'name', 'The project'),
        ('project_privileges', 'role_name', 'The role; public is every role'),
        ('project_privileges', 'privilege', 'owner, predict or train'),
        ('project_privileges', 'is_default', 'True where nothing was granted or revoked yet'),
        ('project_privileges', 'role_exists', 'False for a name without a role, which has no privilege'),
        ('overview', 'relation_name', 'The table or view it was trained on'),
        ('overview', 'y_column_name', 'The label columns'),
        ('overview trained_models', 'test_sampling', 'How the test rows were chosen'),
        ('overview trained_models', 'test_size', 'How many rows were kept for testing'),
        ('trained_models deployed_models', 'id', 'Number of the model'),
        ('trained_models', 'created_at', 'When the model was trained'),
        ('trained_models', 'deployed', 'Whether the model answers for its project now'),
        ('algorithms', 'name', 'The name to pass as algorithm'),
        ('algorithms', 'tasks', 'What it can be trained for'),
        ('algorithms', 'source', 'The paper and the library that it follows'),
        ('algorithms', 'description', 'What it does'),
        ('hyperparams', 'algorithm', 'The algorithm'),
        ('hyperparams', 'name', 'The name to use in hyperparams and search_params'),
        ('hyperparams', 'type', 'boolean, integer, number, text or json'),
        ('hyperparams', 'default', 'The value when it is left out; null leaves the choice to the algorithm'),
        ('hyperparams', 'range', 'The bounds that a number must keep'),
        ('hyperparams', 'choices', 'The values that a text may have'),
        ('hyperparams', 'aliases', 'Other names it is known by'),
        ('hyperparams', 'has_effect', 'False for parameters that are accepted for compatibility alone'),
        ('hyperparams', 'description', 'What it does'),
        ('progress', 'pid', 'Process that trains or waits, for pg_cancel_backend(pid)'),
        ('progress', 'datname', 'Its database'),
        ('progress', 'usename', 'Its user'),
        ('progress', 'project', 'The project or the transformer, cut at 64 bytes'),
        ('progress', 'algorithm', 'What is trained; transformer for a download'),
        ('progress', 'phase', 'reading, preparing, search, training or scoring; downloading'),
        ('progress', 'started_at', 'When it began')
    LOOP
        FOREACH name IN ARRAY pg_catalog.string_to_array(relation, ' ') LOOP
            EXECUTE pg_catalog.format('COMMENT ON COLUMN pgml.%I.%I IS %L', name, names, meaning);
        END LOOP;
    END LOOP;
END
$comments$;
