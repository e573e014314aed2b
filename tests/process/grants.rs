//! Grants on projects are transactional facts, as deploys are: they hold from the next statement on after the commit, in
//! every session, on standbys and in restored databases, and a rollback leaves nothing of them.

use std::time::Duration;

use pgml_tests::server::{Database, Failure, Server};
use pgml_tests::session::{Session, describe_error};
use postgres::{Client, GenericClient, Statement};

use crate::backend::wait_until;
use crate::dump::{Folder, run};
use crate::own_server::OwnServer;
use crate::samples;
use crate::standby::{replayed, standby_of};

/// Roles that score, dropped with the value: they belong to the whole server.
struct Readers {
    connection: String,
    names: Vec<String>,
}

impl Readers {
    fn create(connection: String, names: &[String]) -> Result<Self, Failure> {
        let readers = Self { connection, names: names.to_vec() };
        let mut client = Session::connect(&readers.connection)?.client;
        for name in names {
            client.batch_execute(&format!("CREATE ROLE {name} IN ROLE pgml_reader"))?;
        }
        Ok(readers)
    }

    fn session(&self, connection: &str, number: usize) -> Result<Client, Failure> {
        let mut client = Session::connect(connection)?.client;
        client.batch_execute(&format!("SET SESSION AUTHORIZATION {}", self.names[number]))?;
        Ok(client)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // Best effort: nothing can be reported from a drop.
        if let Ok(mut session) = Session::connect(&self.connection) {
            for name in &self.names {
                let _ = session.client.batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"));
            }
        }
    }
}

/// A project `p` that answers 1, and a role that scores with it.
fn project_and_reader(database: &Database) -> Result<(Client, Readers), Failure> {
    let mut client = database.connect()?.client;
    let id = samples::constant_model(&mut client, "p", 1.0)?;
    client.query("SELECT * FROM pgml.deploy($1::bigint)", &[&id])?;
    let readers = Readers::create(database.connection(), &[format!("{}_reader", database.name)])?;
    Ok((client, readers))
}

/// The answer, or the SQLSTATE of the refusal.
fn ask(client: &mut impl GenericClient) -> Result<f32, String> {
    settle(client.query_one("SELECT pgml.predict('p', ARRAY[3.0::real])", &[]))
}

fn ask_prepared(client: &mut Client, statement: &Statement) -> Result<f32, String> {
    settle(client.query_one(statement, &[]))
}

fn settle(result: Result<postgres::Row, postgres::Error>) -> Result<f32, String> {
    result.map(|row| row.get::<_, f32>(0).round()).map_err(|e| match e.code() {
        Some(code) => code.code().to_owned(),
        None => describe_error(&e),
    })
}

fn refused() -> Result<f32, String> {
    Err("42501".to_owned())
}

fn change(client: &mut impl GenericClient, function: &str, role: &str) -> Result<(), Failure> {
    client.query(&format!("SELECT pgml.{function}_project('p', $1, 'predict')"), &[&role])?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_grant_holds_from_the_next_statement_on_and_nothing_of_it_after_a_rollback() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let (mut client, readers) = project_and_reader(&database)?;
    let mut reader = readers.session(&database.connection(), 0)?;
    assert_eq!(ask(&mut reader), Ok(1.0));
    for _ in 0..20 {
        let mut transaction = client.transaction()?;
        change(&mut transaction, "revoke", "public")?;
        assert_eq!(ask(&mut reader), Ok(1.0), "not committed yet");
        transaction.rollback()?;
        assert_eq!(ask(&mut reader), Ok(1.0), "rolled back");
        change(&mut client, "revoke", "public")?;
        assert_eq!(ask(&mut reader), refused());
        let mut transaction = client.transaction()?;
        change(&mut transaction, "grant", &readers.names[0])?;
        assert_eq!(ask(&mut reader), refused(), "not committed yet");
        transaction.commit()?;
        assert_eq!(ask(&mut reader), Ok(1.0));
        change(&mut client, "revoke", &readers.names[0])?;
        assert_eq!(ask(&mut reader), refused());
        change(&mut client, "grant", "public")?;
        assert_eq!(ask(&mut reader), Ok(1.0));
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_transaction_sees_its_own_grants_and_forgets_them_with_the_savepoint() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let (mut client, readers) = project_and_reader(&database)?;
    change(&mut client, "revoke", "public")?;
    let become_reader = format!("SET LOCAL ROLE {}", readers.names[0]);
    let mut transaction = client.transaction()?;
    let mut savepoint = transaction.savepoint("granted")?;
    change(&mut savepoint, "grant", &readers.names[0])?;
    savepoint.batch_execute(&become_reader)?;
    assert_eq!(ask(&mut savepoint), Ok(1.0));
    savepoint.rollback()?;
    assert_eq!(ask(&mut transaction), Ok(1.0), "the superuser again");
    transaction.batch_execute(&become_reader)?;
    assert_eq!(ask(&mut transaction), refused());
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_role_that_lost_its_privilege_is_refused_by_prepared_statements_too() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let (mut client, readers) = project_and_reader(&database)?;
    let mut reader = readers.session(&database.connection(), 0)?;
    reader.batch_execute("SET plan_cache_mode = force_generic_plan")?;
    let statements = [
        reader.prepare("SELECT pgml.predict('p', ARRAY[3.0::real])")?,
        // Of constants, so that the plan may hold the answer itself.
        reader.prepare("SELECT pgml.predict(1::bigint, ARRAY[3.0::real])")?,
        reader.prepare("SELECT pgml.predict(1::bigint, ARRAY[x]) FROM (VALUES (3.0::real)) AS v (x)")?,
    ];
    for round in 0..3 {
        for statement in &statements {
            assert_eq!(ask_prepared(&mut reader, statement), Ok(1.0), "round {round}");
        }
        change(&mut client, "revoke", "public")?;
        for statement in &statements {
            assert_eq!(ask_prepared(&mut reader, statement), refused(), "round {round}");
        }
        change(&mut client, "grant", "public")?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_membership_that_another_session_ends_ends_the_privilege() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let (mut client, _reader) = project_and_reader(&database)?;
    let names = ["group", "member"].map(|part| format!("{}_{part}", database.name));
    let roles = Readers::create(database.connection(), &names)?;
    change(&mut client, "revoke", "public")?;
    change(&mut client, "grant", &names[0])?;
    let mut member = roles.session(&database.connection(), 1)?;
    for _ in 0..5 {
        assert_eq!(ask(&mut member), refused());
        client.batch_execute(&format!("GRANT {} TO {}", names[0], names[1]))?;
        assert_eq!(ask(&mut member), Ok(1.0));
        client.batch_execute(&format!("REVOKE {} FROM {}", names[0], names[1]))?;
    }
    // So does a change of the role itself.
    client.batch_execute(&format!("ALTER ROLE {} SUPERUSER", names[1]))?;
    assert_eq!(ask(&mut member), Ok(1.0));
    client.batch_execute(&format!("ALTER ROLE {} NOSUPERUSER", names[1]))?;
    assert_eq!(ask(&mut member), refused());
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn two_grants_at_once_are_both_kept() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let (mut client, readers) = project_and_reader(&database)?;
    change(&mut client, "revoke", "public")?;
    let mut first = client.transaction()?;
    change(&mut first, "grant", &readers.names[0])?;
    let connection = database.connection();
    let second = std::thread::spawn(move || -> Result<(), String> {
        let mut other = Session::connect(&connection).map_err(|e| e.to_string())?.client;
        change(&mut other, "grant", "public").map_err(|e| e.to_string())
    });
    let mut watcher = database.connect()?.client;
    wait_until("the second grant waits for the first", Duration::from_secs(10), || {
        let waiting =
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        Ok(watcher.query_one(waiting, &[])?.get(0))
    })?;
    first.commit()?;
    second.join().map_err(|_| "the second session panicked")??;
    let roles: Vec<String> = client.query_one("SELECT predict_roles FROM pgml.projects", &[])?.get(0);
    assert_eq!(roles, [readers.names[0].clone(), "public".to_owned()]);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_standby_hears_of_grants_and_asks_without_writing() -> Result<(), Failure> {
    let primary = OwnServer::start(&[])?;
    let mut client = primary.connect()?.client;
    let id = samples::constant_model(&mut client, "p", 1.0)?;
    client.query("SELECT * FROM pgml.deploy($1::bigint)", &[&id])?;
    client.batch_execute("CREATE ROLE reader IN ROLE pgml_reader")?;
    let standby = standby_of(&primary)?;
    let mut watcher = standby.connect()?.client;
    replayed(&mut client, &mut watcher)?;
    let mut reader = standby.connect()?.client;
    reader.batch_execute("SET SESSION AUTHORIZATION reader")?;
    assert_eq!(ask(&mut reader), Ok(1.0));
    for _ in 0..5 {
        change(&mut client, "revoke", "public")?;
        replayed(&mut client, &mut watcher)?;
        assert_eq!(ask(&mut reader), refused());
        assert_eq!(ask(&mut watcher), Ok(1.0), "a superuser");
        change(&mut client, "grant", "reader")?;
        replayed(&mut client, &mut watcher)?;
        assert_eq!(ask(&mut reader), Ok(1.0));
        change(&mut client, "revoke", "reader")?;
        change(&mut client, "grant", "public")?;
        replayed(&mut client, &mut watcher)?;
        assert_eq!(ask(&mut reader), Ok(1.0));
    }
    let error = change(&mut watcher, "revoke", "public").expect_err("a standby is not written to");
    assert!(error.downcast_ref::<postgres::Error>().is_some_and(|e| e.code().is_some_and(|c| c.code() == "25006")));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_dump_loads_where_a_role_is_absent_and_opens_nothing() -> Result<(), Failure> {
    let source = Server::from_environment()?.database()?;
    let target = source.server.empty_database()?;
    let (mut client, readers) = project_and_reader(&source)?;
    let gone = format!("{}_gone", source.name);
    let leaving = Readers::create(source.connection(), std::slice::from_ref(&gone))?;
    change(&mut client, "revoke", "public")?;
    change(&mut client, "grant", &gone)?;
    client.query("SELECT pgml.alter_project_owner('p', $1)", &[&gone])?;
    let folder = Folder::new()?;
    let (installation, file) = (source.server.installation()?, folder.path().join("dump.sql"));
    run(installation.program("pg_dump").arg("-f").arg(&file).args(["-d", &source.connection()]))?;
    drop(leaving);
    let mut psql = installation.program("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &target.connection()]);
    run(psql.arg("-f").arg(&file))?;

    let mut restored = target.connect()?.client;
    let shown = restored.query(
        "SELECT concat_ws(' ', role_name, privilege, is_default, role_exists) FROM pgml.project_privileges",
        &[],
    )?;
    let shown: Vec<String> = shown.iter().map(|row| row.get(0)).collect();
    assert_eq!(shown, [format!("{gone} owner f f"), format!("{gone} predict f f"), "public train t t".to_owned()]);
    let mut reader = readers.session(&target.connection(), 0)?;
    assert_eq!(ask(&mut reader), refused());
    assert_eq!(ask(&mut restored), Ok(1.0), "a superuser");
    change(&mut restored, "grant", &readers.names[0])?;
    assert_eq!(ask(&mut reader), Ok(1.0));
    Ok(())
}
