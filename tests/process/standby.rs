//! A hot standby predicts as its primary does, hears of deploys, writes nothing, and goes on when it is promoted.

use std::time::Duration;

use pgml_tests::server::{Failure, Server};
use postgres::Client;
use xtask::throwaway::Throwaway;

use crate::backend::wait_until;
use crate::own_server::OwnServer;
use crate::{measured, samples};

/// Copies `primary` and starts the copy as its standby.
pub fn standby_of(primary: &OwnServer) -> Result<OwnServer, Failure> {
    let standby = Throwaway::prepare(Server::from_environment()?.installation()?)?;
    let mut backup = primary.cluster().program("pg_basebackup");
    backup.arg("--pgdata").arg(&standby.cluster.data).args(["--dbname", &primary.connection("postgres")]);
    let output = backup.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    standby.configure(&[])?;
    standby.cluster.start()?;
    Ok(OwnServer::of(standby))
}

/// Waits until the standby has replayed what the primary has written by now.
pub fn replayed(primary: &mut Client, standby: &mut Client) -> Result<Duration, Failure> {
    let written: String = primary.query_one("SELECT pg_current_wal_lsn()::text", &[])?.get(0);
    wait_until("the standby has caught up", Duration::from_secs(20), || {
        let behind = standby.query_one("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", &[&written])?;
        Ok(behind.get(0))
    })
}

const ASK: [&str; 5] = [
    "SELECT pgml.predict('p', s)::text FROM sample AS s ORDER BY s.x1, s.x2",
    "SELECT pgml.predict('p', ARRAY[x1, x2, x3])::text FROM sample ORDER BY x1, x2",
    "SELECT pgml.predict(m.id, ARRAY[x1, x2, x3])::text FROM sample, pgml.deployed_models m ORDER BY x1, x2",
    "SELECT b::text FROM pgml.predict_batch('p', (SELECT array_agg(ARRAY[x1, x2, x3] ORDER BY x1, x2) FROM sample)) b",
    "SELECT name || algorithm || deployed FROM pgml.trained_models ORDER BY id",
];

fn answers(client: &mut Client) -> Result<Vec<Vec<String>>, Failure> {
    ASK.iter().map(|sql| Ok(client.query(*sql, &[])?.iter().map(|row| row.get(0)).collect())).collect()
}

fn train(client: &mut Client, algorithm: &str) -> Result<(), Failure> {
    client.batch_execute(&format!(
        "SELECT * FROM pgml.train('p', 'regression', 'sample', 'y', '{algorithm}', automatic_deploy => false,
             preprocess => '{{\"c\": {{\"role\": \"ignore\"}}}}')"
    ))?;
    client.query("SELECT * FROM pgml.deploy('p', 'most_recent')", &[])?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_standby_answers_as_its_primary_and_serves_on_when_promoted() -> Result<(), Failure> {
    let primary = OwnServer::start(&[])?;
    let mut client = primary.connect()?.client;
    samples::create_table(&mut client, "sample", 2000, 3)?;
    train(&mut client, "xgboost")?;
    let standby = standby_of(&primary)?;
    let mut reader = standby.connect()?.client;
    replayed(&mut client, &mut reader)?;
    let first = answers(&mut client)?;
    assert_eq!(answers(&mut reader)?, first);
    assert_eq!(first[0], first[1], "a row and its features");

    train(&mut client, "random_forest")?;
    let took = replayed(&mut client, &mut reader)?;
    measured(&format!("a deploy reached the standby after {:.1} ms", took.as_secs_f64() * 1e3));
    let second = answers(&mut client)?;
    assert_ne!(first, second);
    assert_eq!(answers(&mut reader)?, second, "a session that had predicted before the deploy");

    let refused = train(&mut reader, "linear").expect_err("a standby cannot be trained on");
    assert!(refused.to_string().contains("db error"), "{refused}");
    assert_eq!(answers(&mut reader)?, second);

    primary.cluster().stop("immediate")?;
    reader.query("SELECT pg_promote(true, 20)", &[])?;
    assert_eq!(answers(&mut reader)?, second, "the session goes on");
    train(&mut reader, "linear")?;
    assert_eq!(answers(&mut standby.connect()?.client)?[0], answers(&mut reader)?[0]);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn training_on_a_standby_says_that_it_cannot_be_written_to() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    samples::create_table(&mut client, "sample", 100, 3)?;
    client.batch_execute("SET default_transaction_read_only = on")?;
    let error = client
        .query("SELECT * FROM pgml.train('p', 'regression', 'sample', 'y')", &[])
        .expect_err("a read-only transaction");
    assert_eq!(error.code().map(|code| code.code()), Some("25006"), "{error:?}");
    Ok(())
}
