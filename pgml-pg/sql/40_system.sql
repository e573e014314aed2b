-- Versions, and the questions that PostgresML answered about its Python.

CREATE FUNCTION pgml.version() RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'version_wrapper';
COMMENT ON FUNCTION pgml.version() IS 'The version of the pgml library';

CREATE FUNCTION pgml.validate_shared_library() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'validate_shared_library_wrapper';
COMMENT ON FUNCTION pgml.validate_shared_library() IS 'Succeeds always: shared_preload_libraries is not needed';

CREATE FUNCTION pgml.validate_python_dependencies() RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'validate_python_dependencies_wrapper';
COMMENT ON FUNCTION pgml.validate_python_dependencies() IS 'True always: no Python package is needed';

CREATE FUNCTION pgml.python_version() RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'python_version_wrapper';
COMMENT ON FUNCTION pgml.python_version() IS 'A sentence that says that no Python is used';

CREATE FUNCTION pgml.python_package_version(name text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'python_package_version_wrapper';
COMMENT ON FUNCTION pgml.python_package_version(text) IS 'An error always: no Python is used';

CREATE FUNCTION pgml.python_pip_freeze() RETURNS TABLE (package text)
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT ''::pg_catalog.text WHERE false;
END;
COMMENT ON FUNCTION pgml.python_pip_freeze() IS 'No rows: no Python package is used';

CREATE FUNCTION pgml.activate_venv(venv text) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'activate_venv_wrapper';
COMMENT ON FUNCTION pgml.activate_venv(text) IS 'False always: no Python is used';
