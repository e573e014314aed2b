-- Who may use which project.

CREATE FUNCTION pgml.grant_project(project_name text, role_name text, privilege text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'grant_project_wrapper';
COMMENT ON FUNCTION pgml.grant_project IS
'Lets a role, or public, use a project: predict, train, or all. Only for the owner of the project and for administrators.

Until something is granted or revoked every role has both privileges; revoke them from public to choose who has them.';

CREATE FUNCTION pgml.revoke_project(project_name text, role_name text, privilege text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'revoke_project_wrapper';
COMMENT ON FUNCTION pgml.revoke_project IS
'Takes a privilege on a project from a role, or from public. Only for the owner of the project and for administrators.';

CREATE FUNCTION pgml.alter_project_owner(project_name text, role_name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'alter_project_owner_wrapper';
COMMENT ON FUNCTION pgml.alter_project_owner IS
'Gives a project to another role. Only for its owner and for administrators.';

CREATE FUNCTION pgml.has_project_privilege(project_name text, privilege text)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'has_privilege_wrapper';
COMMENT ON FUNCTION pgml.has_project_privilege(text, text) IS
'Tells whether the current user has a privilege on a project: predict, train, or owner.';

CREATE FUNCTION pgml.has_project_privilege(role_name text, project_name text, privilege text)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'has_privilege_of_role_wrapper';
COMMENT ON FUNCTION pgml.has_project_privilege(text, text, text) IS
'Tells whether a role has a privilege on a project: predict, train, or owner.';

CREATE FUNCTION pgml.has_project_privilege(project_id bigint, privilege text)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'has_privilege_on_id_wrapper';
COMMENT ON FUNCTION pgml.has_project_privilege(bigint, text) IS
'Tells whether the current user has a privilege on the project with this number; on none that is not there.';

CREATE VIEW pgml.project_privileges AS
SELECT p.name,
       g.role_name,
       k.privilege,
       (k.roles IS NULL) AS is_default,
       (g.role_name OPERATOR(pg_catalog.=) 'public'
        OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) g.role_name)) AS role_exists
  FROM pgml.projects AS p
 CROSS JOIN LATERAL (VALUES ('owner'::text, ARRAY[p.owner]), ('predict', p.predict_roles), ('train', p.train_roles))
       AS k (privilege, roles)
 CROSS JOIN LATERAL pg_catalog.unnest(COALESCE(k.roles, ARRAY['public'::text])) AS g (role_name)
 ORDER BY p.name, k.privilege, g.role_name;
COMMENT ON VIEW pgml.project_privileges IS
'Who owns each project, and who may predict with it and train into it. Superusers and members of pgml_admin may everywhere.';
