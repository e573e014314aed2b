//! Who may do what: every kind of role against every kind of function and table; and training sees what its caller sees.

use pgml_tests::server::{Database, Failure, Server};
use pgml_tests::session::describe_error;
use postgres::Client;

/// The kinds of roles, each with the rights of those before it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Kind {
    Nobody,
    Reader,
    Trainer,
    Admin,
    Superuser,
}
use Kind::{Admin, Nobody, Reader, Superuser, Trainer};

/// Statements, and the least kind that may run them. All use the project `p` with the models 1 (live) and 2.
const STATEMENTS: &[(Kind, &str)] = &[
    (Nobody, "SELECT count(*) FROM sample"),
    (Reader, "SELECT pgml.version()"),
    (Reader, "SELECT pgml.predict('p', ARRAY[1.0, 2.0])"),
    (Reader, "SELECT pgml.predict('p', s) FROM sample AS s LIMIT 1"),
    (Reader, "SELECT pgml.predict(2::bigint, ARRAY[1.0, 2.0])"),
    (Reader, "SELECT pgml.predict_batch('p', ARRAY[[1.0, 2.0], [3.0, 4.0]])"),
    (Reader, "SELECT pgml.norm_l2(ARRAY[3.0, 4.0])"),
    (Reader, "SELECT * FROM pgml.trained_models"),
    (Reader, "SELECT * FROM pgml.deployed_models"),
    (Reader, "SELECT * FROM pgml.overview"),
    (Reader, "SELECT * FROM pgml.algorithms"),
    (Reader, "SELECT * FROM pgml.hyperparams"),
    (Reader, "SELECT * FROM pgml.progress"),
    (Reader, "SELECT * FROM pgml.project_privileges"),
    (Reader, "SELECT pgml.has_project_privilege('p', 'predict')"),
    (Reader, "SELECT id, model_id, path, part FROM pgml.files"),
    (Trainer, "SELECT data FROM pgml.files"),
    (Trainer, "SELECT * FROM pgml.train('p', 'regression', 'sample', 'y')"),
    (
        Trainer,
        "SELECT * FROM pgml.train('new', 'regression', 'sample', 'y', 'xgboost', hyperparams => '{\"n_estimators\": 2}')",
    ),
    (Trainer, "SELECT * FROM pgml.train('p', algorithm => 'ridge')"),
    (Trainer, "SELECT * FROM pgml.train('new', 'regression', 'sample', 'y', materialize_snapshot => true)"),
    (Trainer, "SELECT * FROM pgml.train_joint('joint', 'regression', 'sample', ARRAY['y'])"),
    (Trainer, "SELECT * FROM pgml.snapshot('sample', 'y')"),
    (Trainer, "SELECT * FROM pgml.deploy(2)"),
    (Trainer, "SELECT * FROM pgml.deploy('p', 'most_recent')"),
    (Trainer, "SELECT pgml.import_model('q', pgml.export_model(1))"),
    (Trainer, "SELECT * FROM pgml.logs"),
    // Of a project that the superuser owns.
    (Admin, "SELECT pgml.drop_model(2)"),
    (Admin, "SELECT pgml.drop_project('p')"),
    (Admin, "SELECT pgml.grant_project('p', 'public', 'predict')"),
    (Admin, "SELECT pgml.revoke_project('p', 'public', 'predict')"),
    (Admin, "SELECT pgml.alter_project_owner('p', 'pgml_trainer')"),
    (Admin, "UPDATE pgml.projects SET owner = 'mallory'"),
    (Admin, "UPDATE pgml.projects SET train_roles = NULL"),
    (Admin, "SELECT pgml.load_dataset('iris')"),
    // A trigger of theirs would run with the rights of the catalog's owner.
    (Superuser, "CREATE TRIGGER t BEFORE INSERT ON pgml.models FOR EACH ROW EXECUTE FUNCTION mine()"),
    (Superuser, "CREATE RULE r AS ON INSERT TO pgml.models DO ALSO SELECT 1"),
    (Superuser, "ALTER TABLE pgml.files OWNER TO CURRENT_USER"),
    (Superuser, "CREATE OR REPLACE FUNCTION pgml.version() RETURNS text LANGUAGE sql AS 'SELECT NULL::text'"),
];

/// Statements for each table of the catalog, and the least kind that may run them.
const ON_TABLES: &[(Kind, &str)] = &[
    (Reader, "SELECT id FROM pgml.{}"),
    (Trainer, "UPDATE pgml.{} SET id = id"),
    (Admin, "DELETE FROM pgml.{}"),
    (Admin, "TRUNCATE pgml.{} CASCADE"),
];
const TABLES: [&str; 5] = ["projects", "snapshots", "models", "deployments", "files"];

/// A role for each kind, gone with the value: roles belong to the whole server.
pub struct Roles<'a> {
    database: &'a Database,
    prefix: String,
}

impl<'a> Roles<'a> {
    /// Creates them all.
    pub fn create(database: &'a Database) -> Result<Self, Failure> {
        let roles = Self { database, prefix: database.name.clone() };
        let mut client = database.connect()?.client;
        for kind in [Nobody, Reader, Trainer, Admin] {
            let group = match kind {
                Nobody | Superuser => String::new(),
                kind => format!("IN ROLE pgml_{kind:?}").to_lowercase(),
            };
            client.batch_execute(&format!("CREATE ROLE {} {group}", roles.name(kind)))?;
        }
        Ok(roles)
    }

    /// A role's name.
    pub fn name(&self, kind: Kind) -> String {
        if kind == Superuser { "postgres".into() } else { format!("{}_{kind:?}", self.prefix).to_lowercase() }
    }

    /// A session of a role.
    pub fn session(&self, kind: Kind) -> Result<Client, Failure> {
        let mut client = self.database.connect()?.client;
        client.batch_execute(&format!("SET SESSION AUTHORIZATION {}", self.name(kind)))?;
        Ok(client)
    }
}

impl Drop for Roles<'_> {
    fn drop(&mut self) {
        // Best effort: nothing can be reported from a drop.
        if let Ok(mut session) = self.database.connect() {
            for kind in [Nobody, Reader, Trainer, Admin] {
                let name = self.name(kind);
                let _ = session.client.batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"));
            }
        }
    }
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn each_role_may_do_its_own_and_nothing_more() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let roles = Roles::create(&database)?;
    let mut owner = database.connect()?.client;
    owner.batch_execute(
        "CREATE TABLE sample AS SELECT n::real AS x1, (n % 7)::real AS x2, n::real AS y FROM generate_series(1, 50) AS n;
         GRANT SELECT ON sample TO PUBLIC;
         CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         SELECT * FROM pgml.train('p', 'regression', 'sample', 'y');
         SELECT * FROM pgml.train('p', algorithm => 'ridge', automatic_deploy => false)",
    )?;
    let on_tables =
        TABLES.iter().flat_map(|table| ON_TABLES.iter().map(|(kind, sql)| (*kind, sql.replace("{}", table))));
    let all: Vec<(Kind, String)> =
        STATEMENTS.iter().map(|(kind, sql)| (*kind, (*sql).to_owned())).chain(on_tables).collect();
    let mut wrong = Vec::new();
    for kind in [Nobody, Reader, Trainer, Admin, Superuser] {
        let mut client = roles.session(kind)?;
        for (least, sql) in &all {
            let result = client.transaction()?.batch_execute(sql);
            let denied = |error: &postgres::Error| error.code().is_some_and(|code| code.code() == "42501");
            match result {
                Ok(()) if kind >= *least => {}
                Err(error) if kind < *least && denied(&error) => {}
                Ok(()) => wrong.push(format!("{kind:?} may: {sql}")),
                Err(error) => wrong.push(format!("{kind:?} gets {}: {sql}", describe_error(&error))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn training_sees_only_what_its_caller_may_see() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let roles = Roles::create(&database)?;
    let mut owner = database.connect()?.client;
    let trainer = roles.name(Trainer);
    owner.batch_execute(&format!(
        "CREATE TABLE rows (x real, secret real, y real, visible_to name);
         INSERT INTO rows SELECT n, n, n, CASE WHEN n <= 40 THEN '{trainer}' ELSE 'others' END FROM generate_series(1, 100) n;
         ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own_rows ON rows USING (visible_to = current_user)",
    ))?;
    let train = |client: &mut Client, project: &str, more: &str| -> Result<i64, postgres::Error> {
        client.batch_execute(&format!("SELECT * FROM pgml.train('{project}', 'regression', 'rows', 'y' {more})"))?;
        let samples = "SELECT (s.analysis ->> 'samples')::bigint FROM pgml.snapshots s ORDER BY s.id DESC LIMIT 1";
        Ok(client.query_one(samples, &[])?.get(0))
    };
    let refused =
        |result: Result<i64, postgres::Error>| result.expect_err("no right").code().map(|c| c.code().to_owned());
    let mut client = roles.session(Trainer)?;
    assert_eq!(refused(train(&mut client, "p", "")).as_deref(), Some("42501"));

    owner.batch_execute(&format!("GRANT SELECT (x, y, visible_to) ON rows TO {trainer}"))?;
    assert_eq!(refused(train(&mut client, "p", "")).as_deref(), Some("42501"), "one column is not granted");
    let without = r#", preprocess => '{"secret": {"role": "ignore"}}'"#;
    assert_eq!(train(&mut client, "p", without)?, 40);
    assert_eq!(train(&mut client, "p", &format!("{without}, materialize_snapshot => true"))?, 40);
    let kept: i64 = client.query_one("SELECT max(id) FROM pgml.snapshots WHERE materialized", &[])?.get(0);
    let row = owner.query_one(&format!("SELECT count(*), min(visible_to)::text FROM pgml.snapshot_{kept}"), &[])?;
    assert_eq!((row.get(0), row.get(1)), (40_i64, Some(trainer)));
    // What was trained on is read again, and stays as it was.
    let kept = format!("pgml.snapshot_{kept}");
    let may = "SELECT has_table_privilege($1, 'SELECT'), has_any_column_privilege($1, 'INSERT, UPDATE')";
    let row = client.query_one(may, &[&kept])?;
    assert_eq!((row.get::<_, bool>(0), row.get::<_, bool>(1)), (true, false));
    assert_eq!(train(&mut owner, "all", "")?, 100);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_trainer_keeps_a_snapshot_of_columns_of_types_of_their_own() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let roles = Roles::create(&database)?;
    let mut owner = database.connect()?.client;
    owner.batch_execute(&format!(
        "CREATE SCHEMA own; GRANT USAGE ON SCHEMA own TO {0};
         CREATE TYPE own.mood AS ENUM ('low', 'high'); CREATE DOMAIN own.\"a length\" AS real;
         CREATE TABLE own.rows AS
             SELECT n::real::own.\"a length\" AS x, (ARRAY['low', 'high'])[n % 2 + 1]::own.mood AS m, n::real AS y
             FROM generate_series(1, 50) AS n;
         GRANT SELECT ON own.rows TO {0}; ALTER ROLE {0} SET search_path = own, public",
        roles.name(Trainer)
    ))?;
    let mut client = roles.session(Trainer)?;
    client.batch_execute(
        "SET search_path = own, public;
         SELECT * FROM pgml.train('p', 'regression', 'rows', 'y', materialize_snapshot => true);
         SELECT * FROM pgml.train('p', algorithm => 'ridge')",
    )?;
    let models: i64 = client.query_one("SELECT count(*) FROM pgml.trained_models WHERE name = 'p'", &[])?.get(0);
    assert_eq!(models, 2);
    Ok(())
}
