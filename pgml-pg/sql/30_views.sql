-- Views for people. The newest deployment of a project is the one that counts; ids break ties of time.

CREATE VIEW pgml.overview AS
SELECT p.name,
       d.created_at AS deployed_at,
       p.task,
       m.algorithm,
       m.runtime,
       s.relation_name,
       s.y_column_name,
       s.test_sampling,
       s.test_size
  FROM pgml.projects AS p
  JOIN pgml.models AS m ON m.project_id OPERATOR(pg_catalog.=) p.id
  JOIN pgml.deployments AS d
    ON d.project_id OPERATOR(pg_catalog.=) p.id AND d.model_id OPERATOR(pg_catalog.=) m.id
  JOIN pgml.snapshots AS s ON s.id OPERATOR(pg_catalog.=) m.snapshot_id
 ORDER BY d.created_at DESC, d.id DESC;
COMMENT ON VIEW pgml.overview IS 'Every deployment ever made, newest first, with what was learned from what';

CREATE VIEW pgml.trained_models AS
SELECT m.id,
       p.name,
       p.task,
       m.algorithm,
       m.runtime,
       m.created_at,
       s.test_sampling,
       s.test_size,
       (live.model_id IS NOT NULL) AS deployed
  FROM pgml.models AS m
  JOIN pgml.projects AS p ON p.id OPERATOR(pg_catalog.=) m.project_id
  JOIN pgml.snapshots AS s ON s.id OPERATOR(pg_catalog.=) m.snapshot_id
  LEFT JOIN (
        SELECT DISTINCT ON (d.project_id) d.project_id, d.model_id
          FROM pgml.deployments AS d
         ORDER BY d.project_id, d.created_at DESC, d.id DESC
       ) AS live
    ON live.project_id OPERATOR(pg_catalog.=) m.project_id AND live.model_id OPERATOR(pg_catalog.=) m.id
 ORDER BY m.created_at DESC, m.id DESC;
COMMENT ON VIEW pgml.trained_models IS 'Every trained model, newest first, and whether it answers for its project';

CREATE VIEW pgml.deployed_models AS
SELECT m.id,
       p.name,
       p.task,
       m.algorithm,
       m.runtime,
       d.created_at AS deployed_at
  FROM (
        SELECT DISTINCT ON (d.project_id) d.project_id, d.model_id, d.created_at
          FROM pgml.deployments AS d
         ORDER BY d.project_id, d.created_at DESC, d.id DESC
       ) AS d
  JOIN pgml.models AS m ON m.id OPERATOR(pg_catalog.=) d.model_id
  JOIN pgml.projects AS p ON p.id OPERATOR(pg_catalog.=) d.project_id
 ORDER BY p.name;
COMMENT ON VIEW pgml.deployed_models IS 'The model that answers for each project, by project name';
