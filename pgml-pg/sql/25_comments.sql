-- What types, tables and columns are, for \d+ and for tools that show comments.

COMMENT ON TYPE pgml.sampling IS 'How rows are chosen for the test set';
COMMENT ON TYPE pgml.search IS 'How hyperparameters are searched for';
COMMENT ON TYPE pgml.status IS 'How a training or snapshot went';
COMMENT ON TYPE pgml.strategy IS 'How the model to deploy was or is to be chosen';

COMMENT ON TABLE pgml.projects IS 'What is learned: one row per project name';
COMMENT ON COLUMN pgml.projects.name IS 'The name that pgml.train() and pgml.predict() are called with';
COMMENT ON COLUMN pgml.projects.task IS 'What the project is for; it never changes';

COMMENT ON COLUMN pgml.projects.owner IS 'The role that may do everything with the project: the one that created it, until pgml.alter_project_owner()';
COMMENT ON COLUMN pgml.projects.predict_roles IS 'The roles that may predict with it; NULL, the default, is every role, as is the name public';
COMMENT ON COLUMN pgml.projects.train_roles IS 'The roles that may train into it and deploy; NULL, the default, is every role, as is the name public';

COMMENT ON TABLE pgml.snapshots IS 'What was learned from: a relation, how it was split, and what its columns looked like';
COMMENT ON COLUMN pgml.snapshots.relation_name IS 'The table or view, as it was named in the call';
COMMENT ON COLUMN pgml.snapshots.y_column_name IS 'The label columns; NULL for unsupervised tasks';
COMMENT ON COLUMN pgml.snapshots.test_size IS 'Rows kept for testing: a fraction below 1, else a number of rows';
COMMENT ON COLUMN pgml.snapshots.test_sampling IS 'How the test rows were chosen';
COMMENT ON COLUMN pgml.snapshots.status IS 'in_progress, successful or failed';
COMMENT ON COLUMN pgml.snapshots.columns IS 'The columns in table order with their types, statistics and preprocessing';
COMMENT ON COLUMN pgml.snapshots.analysis IS 'What is known of the relation as a whole, for instance its number of rows';
COMMENT ON COLUMN pgml.snapshots.materialized IS 'Whether the rows were copied into the table pgml.snapshot_<id>';
COMMENT ON COLUMN pgml.snapshots.seed IS 'Seed of the sampling: trainings on one snapshot are tested on the same rows';

COMMENT ON TABLE pgml.models IS 'What was learned: one row per training; the bytes are in pgml.files';
COMMENT ON COLUMN pgml.models.num_features IS 'Length of the array that pgml.predict() takes';
COMMENT ON COLUMN pgml.models.hyperparams IS 'The effective parameters of the algorithm';
COMMENT ON COLUMN pgml.models.status IS 'in_progress, successful or failed';
COMMENT ON COLUMN pgml.models.metrics IS 'Quality on the test rows, by name';
COMMENT ON COLUMN pgml.models.search IS 'grid, random, or NULL when nothing was searched';
COMMENT ON COLUMN pgml.models.num_classes IS 'Number of classes; NULL when the task has none';
COMMENT ON COLUMN pgml.models.labels IS 'The class labels in the order of their numbers';
COMMENT ON COLUMN pgml.models.error IS 'Why the training failed';

COMMENT ON TABLE pgml.deployments IS 'Which model answers for a project: the newest row of the project; older ones are the history';
COMMENT ON COLUMN pgml.deployments.strategy IS 'How the model was chosen';

COMMENT ON TABLE pgml.files IS 'The bytes of models, in parts';
COMMENT ON COLUMN pgml.files.path IS 'Name of the file within the model';
COMMENT ON COLUMN pgml.files.part IS 'Number of the part, from 0; a file is its parts one after the other';

COMMENT ON TABLE pgml.logs IS 'What trainings of transformers have reported, step by step';
