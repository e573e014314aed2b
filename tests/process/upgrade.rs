//! A database of PostgresML 2.10.0 becomes one of pgml in place.

use std::fs;

use pgml_core::{ErrorKind, MatrixRef};
use pgml_store::Store;
use pgml_tests::server::{Database, Failure, Server};
use postgres::Client;
use serde_json::Value;

const SCHEMA: &str = include_str!("../fixtures/pgml--2.10.0.sql");
const ROWS: &str = include_str!("../fixtures/postgresml_2_10_0_rows.sql");
const PREDICTIONS: &str = include_str!("../fixtures/postgresml_2_10_0_rows.json");

/// A database with PostgresML's schema and rows.
fn old_database() -> Result<Database, Failure> {
    let server = Server::from_environment()?;
    let script = server.installation()?.extensions.join("pgml--2.10.0.sql");
    if fs::read_to_string(&script).ok().as_deref() != Some(SCHEMA) {
        fs::write(&script, SCHEMA)?;
    }
    let database = server.empty_database()?;
    let mut client = database.connect()?.client;
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS pgml; CREATE EXTENSION pgml VERSION '2.10.0'")?;
    client.batch_execute(ROWS)?;
    Ok(database)
}

/// What a schema is made of, one line per thing.
const INVENTORY: &[(&str, &str)] = &[
    (
        "members",
        "SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d JOIN pg_extension e
         ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid WHERE e.extname = 'pgml' AND d.deptype = 'e'",
    ),
    (
        "functions",
        "SELECT concat_ws(' | ', f.oid::regprocedure, pg_get_function_arguments(f.oid), pg_get_function_result(f.oid),
         l.lanname, f.prokind, f.provolatile, f.proisstrict, f.proparallel, f.procost, f.prorows, f.prosecdef, f.proconfig,
         f.prosrc, f.probin, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(f.proacl) a),
         obj_description(f.oid, 'pg_proc'))
         FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang WHERE f.pronamespace = 'pgml'::regnamespace",
    ),
    (
        "aggregates",
        "SELECT to_jsonb(a)::text FROM (SELECT aggfnoid::regprocedure, aggkind, aggtransfn, aggfinalfn, aggcombinefn,
         aggserialfn, aggdeserialfn, aggtranstype::regtype, aggtransspace, agginitval, aggfinalmodify
         FROM pg_aggregate JOIN pg_proc ON pg_proc.oid = aggfnoid WHERE pronamespace = 'pgml'::regnamespace) a",
    ),
    (
        "relations",
        "SELECT concat_ws(' | ', c.relname, c.relkind, c.relpersistence, c.reloptions,
         (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a), obj_description(c.oid, 'pg_class'))
         FROM pg_class c WHERE c.relnamespace = 'pgml'::regnamespace",
    ),
    (
        "columns",
        "SELECT concat_ws(' | ', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.attstorage, a.attacl, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'pgml'::regnamespace AND a.attnum > 0 AND c.relkind IN ('r', 'v', 'c')",
    ),
    (
        "constraints",
        "SELECT concat_ws(' | ', conname, conrelid::regclass, contypid::regtype, pg_get_constraintdef(oid))
         FROM pg_constraint WHERE connamespace = 'pgml'::regnamespace",
    ),
    ("indexes", "SELECT indexdef FROM pg_indexes WHERE schemaname = 'pgml'"),
    (
        "triggers",
        "SELECT concat_ws(' | ', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t
         JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'pgml'::regnamespace AND NOT t.tgisinternal",
    ),
    (
        "policies",
        "SELECT concat_ws(' | ', tablename, policyname, permissive, roles, cmd, qual, with_check) FROM pg_policies
         WHERE schemaname = 'pgml'",
    ),
    (
        "row security",
        "SELECT concat_ws(' | ', relname, relrowsecurity, relforcerowsecurity) FROM pg_class
         WHERE relnamespace = 'pgml'::regnamespace AND relkind = 'r'",
    ),
    ("views", "SELECT concat_ws(' | ', viewname, definition) FROM pg_views WHERE schemaname = 'pgml'"),
    (
        "types",
        "SELECT concat_ws(' | ', t.typname, t.typtype, format_type(t.typbasetype, t.typtypmod), t.typnotnull,
         (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
         obj_description(t.oid, 'pg_type'))
         FROM pg_type t WHERE t.typnamespace = 'pgml'::regnamespace AND t.typtype IN ('d', 'e')",
    ),
    (
        "sequences",
        "SELECT concat_ws(' | ', sequencename, data_type, increment_by, cache_size) FROM pg_sequences
         WHERE schemaname = 'pgml'",
    ),
    (
        "schema",
        "SELECT concat_ws(' | ', (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(nspacl) a),
         obj_description(oid, 'pg_namespace')) FROM pg_namespace WHERE nspname = 'pgml'",
    ),
    (
        "dumped",
        "SELECT concat_ws(' | ', r::regclass, c) FROM pg_extension, unnest(extconfig, extcondition) AS config (r, c)
         WHERE extname = 'pgml'",
    ),
];

fn inventory(client: &mut Client, query: &str) -> Result<Vec<String>, Failure> {
    let mut lines: Vec<String> = client.query(query, &[])?.iter().map(|row| row.get(0)).collect();
    lines.sort();
    Ok(lines)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_upgraded_schema_is_the_same_as_a_fresh_one() -> Result<(), Failure> {
    let (old, fresh) = (old_database()?, Server::from_environment()?.database()?);
    let (mut old, mut fresh) = (old.connect()?.client, fresh.connect()?.client);
    old.batch_execute("ALTER EXTENSION pgml UPDATE")?;
    for (what, query) in INVENTORY {
        let (upgraded, expected) = (inventory(&mut old, query)?, inventory(&mut fresh, query)?);
        let missing: Vec<_> = expected.iter().filter(|line| !upgraded.contains(line)).collect();
        let extra: Vec<_> = upgraded.iter().filter(|line| !expected.contains(line)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{what}: missing {missing:#?}, instead {extra:#?}");
        assert!(!expected.is_empty() || *what == "aggregates", "{what}: nothing was compared");
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn rows_stay_and_times_get_the_zone_of_the_server() -> Result<(), Failure> {
    let database = old_database()?;
    let mut client = database.connect()?.client;
    client.batch_execute(&format!("ALTER DATABASE {} SET TimeZone = 'Asia/Tokyo'", database.name))?;
    let count = "SELECT (SELECT count(*) FROM pgml.projects), (SELECT count(*) FROM pgml.snapshots),
        (SELECT count(*) FROM pgml.models), (SELECT count(*) FROM pgml.deployments),
        (SELECT sum(octet_length(data)) FROM pgml.files)";
    let before = format!("{:?}", client.query_one(count, &[])?.get::<_, i64>(4));
    client.batch_execute("SET TimeZone = 'America/Lima'; ALTER EXTENSION pgml UPDATE")?;
    let after = client.query_one(count, &[])?;
    assert_eq!([0, 1, 2, 3].map(|i| after.get::<_, i64>(i)), [6, 5, 6, 5]);
    assert_eq!(format!("{:?}", after.get::<_, i64>(4)), before);
    let row = client.query_one(
        "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), task::text FROM pgml.projects WHERE id = 1",
        &[],
    )?;
    // Noon in Tokyo.
    assert_eq!((row.get(0), row.get(1)), ("2025-01-01 03:00".to_owned(), "regression".to_owned()));
    // Every UPDATE of it failed before; and ids go on where they were.
    client.batch_execute("UPDATE pgml.deployments SET created_at = created_at")?;
    let next =
        client.query_one("INSERT INTO pgml.projects (name, task) VALUES ('new', 'clustering') RETURNING id", &[])?;
    assert_eq!(next.get::<_, i64>(0), 7);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn what_users_built_on_the_schema_stays() -> Result<(), Failure> {
    let database = old_database()?;
    let mut client = database.connect()?.client;
    client.batch_execute(
        "CREATE TABLE pgml.collections (id bigserial PRIMARY KEY, name text,
             project_id bigint NOT NULL REFERENCES pgml.projects ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO pgml.collections (name, project_id) VALUES ('documents', 6);
         CREATE TABLE vectors (v real[], length real GENERATED ALWAYS AS (pgml.norm_l2(v)) STORED);
         CREATE VIEW sums AS SELECT pgml.sum(v) AS total FROM vectors;
         CREATE VIEW scored AS SELECT pgml.predict('Light', v) FROM vectors;
         DROP ROLE IF EXISTS analyst; CREATE ROLE analyst; GRANT SELECT ON pgml.projects TO analyst;",
    )?;
    let result = client.batch_execute("ALTER EXTENSION pgml UPDATE");
    let granted = client.query_one("SELECT has_table_privilege('analyst', 'pgml.projects', 'SELECT')", &[]);
    client.batch_execute("DROP OWNED BY analyst; DROP ROLE analyst")?;
    result?;
    assert!(granted?.get::<_, bool>(0));
    client.batch_execute("INSERT INTO vectors VALUES ('{3,4}'), ('{5,12}')")?;
    let row = client.query_one("SELECT (SELECT sum(length) FROM vectors), total FROM sums", &[])?;
    assert_eq!((row.get::<_, f32>(0), row.get::<_, Vec<f32>>(1)), (18.0, vec![8.0, 16.0]));
    // A view needs predict(text, real[]), so the old forms stay and arrays and rows find theirs.
    let forms = "SELECT pgml.predict('Light', '{1,2,3}'::integer[]) = pgml.predict('Light', ROW(1, 2, 3)),
                 to_regprocedure('pgml.predict(text, real[])') IS NOT NULL";
    let row = client.query_one(forms, &[])?;
    assert!(row.get::<_, bool>(0) && row.get::<_, bool>(1));
    client.batch_execute("DELETE FROM pgml.projects WHERE id = 6")?;
    assert_eq!(client.query_one("SELECT count(*) FROM pgml.collections", &[])?.get::<_, i64>(0), 0);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_upgrade_that_would_leave_a_dead_function_behind_is_refused_whole() -> Result<(), Failure> {
    let database = old_database()?;
    let mut client = database.connect()?.client;
    client.batch_execute(
        "CREATE FUNCTION pgml.long_gone(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
         ALTER EXTENSION pgml ADD FUNCTION pgml.long_gone(text);
         CREATE VIEW mine AS SELECT pgml.long_gone('x');",
    )?;
    let error = client.batch_execute("ALTER EXTENSION pgml UPDATE").expect_err("a dead function");
    let error = error.as_db_error().ok_or("an error of the server")?;
    assert_eq!(error.code().code(), "2BP01");
    assert!(error.message().ends_with("pgml.long_gone(text)"), "{}", error.message());
    client.batch_execute("SELECT * FROM mine; DROP VIEW mine; ALTER EXTENSION pgml UPDATE")?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn models_of_the_rust_runtime_predict_and_others_say_how_to_train_them_again() -> Result<(), Failure> {
    let database = old_database()?;
    let mut client = database.connect()?.client;
    client.batch_execute("ALTER EXTENSION pgml UPDATE")?;
    let expected: Value = serde_json::from_str(PREDICTIONS)?;
    let rows: Vec<Vec<f64>> = serde_json::from_value(expected["rows"].clone())?;
    for (project, predictions) in expected["predictions"].as_object().ok_or("an object")? {
        let predictor = Store::new(&mut client).load_deployed(project, &pgml_models::algorithm)?;
        let mut predicted = vec![0.0; rows.len()];
        predictor.predict(MatrixRef::new(&rows.concat(), 3)?, &mut predicted)?;
        let predictions: Vec<f64> = serde_json::from_value(predictions.clone())?;
        for (row, theirs) in rows.iter().zip(&predictions) {
            let row: Vec<f32> = row.iter().map(|x| *x as f32).collect();
            let ours = client.query_one("SELECT pgml.predict($1::text, $2::real[])", &[project, &row])?;
            assert!((ours.get::<_, f32>(0) - *theirs as f32).abs() <= 1e-6, "{project}: {row:?}");
        }
        for (ours, theirs) in predicted.iter().zip(&predictions) {
            assert!((ours - theirs).abs() <= theirs.abs() * 3e-7, "{project}: {predicted:?} {predictions:?}");
        }
    }
    for (project, call) in [
        ("Pickled", "SELECT * FROM pgml.train('Pickled', algorithm => 'ridge')"),
        ("Linfa", "SELECT * FROM pgml.train('Linfa', algorithm => 'linear')"),
    ] {
        let error = Store::new(&mut client).load_deployed(project, &pgml_models::algorithm).expect_err(project);
        assert_eq!(error.kind(), ErrorKind::NotSupported, "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(call)), "{error}");
        let error = client.query("SELECT pgml.predict($1::text, '{1,2,3}'::real[])", &[&project]).expect_err(project);
        let error = error.as_db_error().ok_or("an error of the server")?;
        assert_eq!(error.code().code(), "0A000");
        assert!(error.hint().is_some_and(|hint| hint.contains(call)), "{error:?}");
    }
    Ok(())
}
