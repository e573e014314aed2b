-- What the functions refuse, the tables refuse too: a trainer may write rows directly, but only those of projects that it
-- may train into, and reads the bytes of their models alone. The functions themselves run as the owner of the tables, to
-- whom these policies do not apply; and what is known about projects and models, but for bytes, is seen by all readers.

ALTER TABLE pgml.projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON pgml.projects FOR SELECT USING (true);
CREATE POLICY added ON pgml.projects FOR INSERT WITH CHECK (true);
CREATE POLICY changed ON pgml.projects FOR UPDATE USING (pgml.has_project_privilege(id, 'train'));
CREATE POLICY deleted ON pgml.projects FOR DELETE USING (pgml.has_project_privilege(id, 'owner'));

DO $$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['models', 'deployments']::text[] LOOP
        EXECUTE pg_catalog.format($policies$
            ALTER TABLE pgml.%1$I ENABLE ROW LEVEL SECURITY;
            CREATE POLICY seen ON pgml.%1$I FOR SELECT USING (true);
            CREATE POLICY added ON pgml.%1$I FOR INSERT WITH CHECK (pgml.has_project_privilege(project_id, 'train'));
            CREATE POLICY changed ON pgml.%1$I FOR UPDATE USING (pgml.has_project_privilege(project_id, 'train'));
            CREATE POLICY deleted ON pgml.%1$I FOR DELETE USING (pgml.has_project_privilege(project_id, 'owner'));
            $policies$, tbl);
    END LOOP;
END;
$$;

ALTER TABLE pgml.files ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_trainers ON pgml.files USING (EXISTS (
    SELECT FROM pgml.models AS m
     WHERE m.id OPERATOR(pg_catalog.=) files.model_id AND pgml.has_project_privilege(m.project_id, 'train')));
