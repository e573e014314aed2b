//! The harness itself: what the other process tests stand on.

use pgml_tests::server::{Failure, Server};
use pgml_tests::session::Session;
use xtask::throwaway::Throwaway;

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn two_databases_are_apart_and_have_the_extension() -> Result<(), Failure> {
    let server = Server::from_environment()?;
    let (one, two) = (server.database()?, server.database()?);
    let mut one = one.connect()?.client;
    one.batch_execute("CREATE TABLE only_here (x int)")?;
    let mut two = two.connect()?.client;
    let installed = two.query_one("SELECT extversion FROM pg_extension WHERE extname = 'pgml'", &[])?;
    assert_eq!(installed.get::<_, String>(0), "3.0.0");
    assert!(two.query_one("SELECT to_regclass('only_here') IS NULL", &[])?.get::<_, bool>(0));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn notices_are_kept_for_the_test() -> Result<(), Failure> {
    let server = Server::from_environment()?;
    let database = server.database()?;
    let mut session = database.connect()?;
    session.client.batch_execute("DO $$ BEGIN RAISE NOTICE 'one' USING HINT = 'two'; END $$")?;
    assert_eq!(session.take_notices(), ["NOTICE 00000: one\nHINT: two"]);
    assert!(session.take_notices().is_empty());
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_server_of_its_own_restarts_with_its_data_and_leaves_nothing_behind() -> Result<(), Failure> {
    let version = Server::from_environment()?.version;
    let server = Throwaway::start(version.provide()?, &[("max_connections", "7")])?;
    let folder = server.cluster.data.clone();
    let connect = || Session::connect(&format!("{} dbname=postgres", server.connection()));
    connect()?.client.batch_execute("CREATE TABLE kept AS SELECT 42 AS x; CHECKPOINT")?;
    server.cluster.stop("immediate")?;
    server.cluster.start()?;
    let mut client = connect()?.client;
    assert_eq!(client.query_one("SELECT x FROM kept", &[])?.get::<_, i32>(0), 42);
    assert_eq!(client.query_one("SHOW max_connections", &[])?.get::<_, String>(0), "7");
    drop(server);
    assert!(!folder.exists());
    Ok(())
}
