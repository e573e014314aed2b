//! A deploy is a transactional fact: seen by every session once it is committed, by none before or after a rollback,
//! and never by half a statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pgml_tests::server::{Database, Failure, Server};
use pgml_tests::session::Session;
use postgres::Client;

use crate::{measured, samples, tries};

/// Two models of the project `p` that answer 1 and 2; the first is deployed.
fn two_models(client: &mut Client) -> Result<[i64; 2], Failure> {
    let models = [samples::constant_model(client, "p", 1.0)?, samples::constant_model(client, "p", 2.0)?];
    client.query("SELECT * FROM pgml.deploy($1::bigint)", &[&models[0]])?;
    Ok(models)
}

/// What the deployments say, for readers who must know whether their answer was due.
#[derive(Default)]
struct Truth {
    /// Odd while a deploy may or may not have been committed.
    changes: AtomicU64,
    answer: AtomicU64,
    stop: AtomicBool,
}

/// The ways in which sessions ask.
const WAYS: [&str; 4] = ["plain", "prepared", "function", "cursor"];

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn every_statement_after_a_commit_has_the_new_model_and_none_after_a_rollback() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let models = two_models(&mut client)?;
    client.batch_execute(
        "CREATE FUNCTION ask() RETURNS real LANGUAGE plpgsql AS
             $$ BEGIN RETURN pgml.predict('p', ARRAY[3.0::real]); END $$",
    )?;
    let truth = Arc::new(Truth::default());
    truth.answer.store(1, Ordering::SeqCst);
    let readers: Vec<_> = (0..tries(12, 40)).map(|n| read_on(&database, &truth, WAYS[n % WAYS.len()])).collect();
    let end = Instant::now() + Duration::from_secs(tries(6, 60) as u64);
    let mut deploys = 0_u64;
    while Instant::now() < end && !readers.iter().any(JoinHandle::is_finished) {
        deploys += 1;
        let new = usize::try_from(deploys % 2)?;
        let mut transaction = client.transaction()?;
        transaction.query("SELECT * FROM pgml.deploy($1::bigint)", &[&models[new]])?;
        if deploys.is_multiple_of(3) {
            transaction.rollback()?;
        } else {
            truth.changes.fetch_add(1, Ordering::SeqCst);
            transaction.commit()?;
            truth.answer.store(new as u64 + 1, Ordering::SeqCst);
            truth.changes.fetch_add(1, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(deploys % 7));
    }
    truth.stop.store(true, Ordering::SeqCst);
    let mut asked = 0;
    for reader in readers {
        asked += reader.join().map_err(|_| "a reader panicked")??;
    }
    measured(&format!("{deploys} deploys, {asked} answers in the meantime that had to be one certain model"));
    assert!(deploys > 50 && asked > 100, "{deploys} deploys, {asked} certain answers");
    Ok(())
}

/// Asks until told to stop; how many answers were certain.
fn read_on(database: &Database, truth: &Arc<Truth>, way: &'static str) -> JoinHandle<Result<u64, Failure>> {
    let (connection, truth) = (database.connection(), Arc::clone(truth));
    thread::spawn(move || {
        let mut client = Session::connect(&connection)?.client;
        client.batch_execute("SET plan_cache_mode = force_generic_plan")?;
        let statement = client.prepare("SELECT pgml.predict('p', ARRAY[$1::real])")?;
        let mut certain = 0;
        while !truth.stop.load(Ordering::SeqCst) {
            let (before, due) = (truth.changes.load(Ordering::SeqCst), truth.answer.load(Ordering::SeqCst));
            let answer: f32 = match way {
                "plain" => client.query_one("SELECT pgml.predict('p', ARRAY[3.0::real])", &[])?.get(0),
                "prepared" => client.query_one(&statement, &[&3.0_f32])?.get(0),
                "function" => client.query_one("SELECT ask()", &[])?.get(0),
                _ => {
                    let mut transaction = client.transaction()?;
                    transaction.batch_execute("DECLARE c CURSOR FOR SELECT pgml.predict('p', ARRAY[3.0::real])")?;
                    transaction.query_one("FETCH c", &[])?.get(0)
                }
            };
            let is_certain = before % 2 == 0 && truth.changes.load(Ordering::SeqCst) == before;
            let answer = answer.round() as u64;
            if is_certain && answer != due || !(1..=2).contains(&answer) {
                return Err(format!("{way}: model {answer} answers, {due} is deployed").into());
            }
            certain += u64::from(is_certain);
        }
        Ok(certain)
    })
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_statement_never_mixes_two_models() -> Result<(), Failure> {
    one_model_per_statement("SET max_parallel_workers_per_gather = 0", "Seq Scan")
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_parallel_statement_never_mixes_two_models() -> Result<(), Failure> {
    one_model_per_statement(
        "SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
         SET max_parallel_workers_per_gather = 2",
        "Gather",
    )
}

fn one_model_per_statement(settings: &str, plan: &str) -> Result<(), Failure> {
    const STATEMENT: &str = "SELECT min(p), max(p) FROM (SELECT pgml.predict('p', ARRAY[x]) AS p FROM big) AS answers";
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let models = two_models(&mut client)?;
    client.batch_execute("CREATE TABLE big AS SELECT n::real AS x FROM generate_series(1, 50000) AS n; ANALYZE big")?;
    let stop = AtomicBool::new(false);
    let mut seen = [0; 2];
    thread::scope(|scope| -> Result<(), Failure> {
        let deployer = scope.spawn(|| deploy_on(&database, models, &stop));
        let result = (|| -> Result<(), Failure> {
            client.batch_execute(settings)?;
            let explained: Vec<String> =
                client.query(&format!("EXPLAIN {STATEMENT}"), &[])?.iter().map(|row| row.get(0)).collect();
            assert!(explained.iter().any(|line| line.contains(plan)), "{explained:#?}");
            for _ in 0..tries(40, 400) {
                let row = client.query_one(STATEMENT, &[])?;
                let (low, high) = (row.get::<_, f32>(0).round(), row.get::<_, f32>(1).round());
                assert_eq!(low, high, "one statement, two models");
                seen[low as usize - 1] += 1;
            }
            Ok(())
        })();
        stop.store(true, Ordering::SeqCst);
        deployer.join().map_err(|_| "the deployer panicked")??;
        result
    })?;
    assert!(seen.iter().all(|n| *n > 0), "only one of the models was ever asked: {seen:?}");
    Ok(())
}

fn deploy_on(database: &Database, models: [i64; 2], stop: &AtomicBool) -> Result<(), Failure> {
    let mut client = database.connect()?.client;
    for model in models.iter().cycle() {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        client.query("SELECT * FROM pgml.deploy($1::bigint)", &[model])?;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn answer(client: &mut impl postgres::GenericClient) -> Result<f32, Failure> {
    Ok(client.query_one("SELECT pgml.predict('p', ARRAY[3.0::real])", &[])?.get::<_, f32>(0).round())
}

fn deploy(client: &mut impl postgres::GenericClient, model: i64) -> Result<(), Failure> {
    client.query("SELECT * FROM pgml.deploy($1::bigint)", &[&model])?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_transaction_sees_its_own_deploy_and_forgets_it_with_the_savepoint() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let models = two_models(&mut client)?;
    let mut other = database.connect()?.client;
    let mut transaction = client.transaction()?;
    assert_eq!(answer(&mut transaction)?, 1.0);
    let mut savepoint = transaction.savepoint("s")?;
    deploy(&mut savepoint, models[1])?;
    assert_eq!((answer(&mut savepoint)?, answer(&mut other)?), (2.0, 1.0));
    savepoint.rollback()?;
    assert_eq!(answer(&mut transaction)?, 1.0);
    deploy(&mut transaction, models[1])?;
    assert_eq!((answer(&mut transaction)?, answer(&mut other)?), (2.0, 1.0));
    let failed = transaction.batch_execute("SELECT 1 / 0");
    assert!(failed.is_err());
    drop(transaction);
    assert_eq!((answer(&mut client)?, answer(&mut other)?), (1.0, 1.0));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_repeatable_read_keeps_the_model_that_it_began_with() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let models = two_models(&mut client)?;
    for warm in [false, true] {
        deploy(&mut client, models[0])?;
        let mut reader = database.connect()?.client;
        if warm {
            assert_eq!(answer(&mut reader)?, 1.0);
        }
        reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")?;
        deploy(&mut client, models[1])?;
        assert_eq!((answer(&mut reader)?, answer(&mut client)?), (1.0, 2.0), "warm: {warm}");
        assert_eq!(answer(&mut reader)?, 1.0);
        reader.batch_execute("COMMIT")?;
        assert_eq!(answer(&mut reader)?, 2.0);
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_open_cursor_keeps_its_model_and_a_plain_update_counts_as_a_deploy() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let models = two_models(&mut client)?;
    let mut reader = database.connect()?.client;
    reader.batch_execute(
        "BEGIN;
         DECLARE c CURSOR FOR SELECT pgml.predict('p', ARRAY[n::real]) FROM generate_series(1, 100) AS n",
    )?;
    let fetch = |reader: &mut Client| -> Result<f32, Failure> {
        Ok(reader.query_one("FETCH c", &[])?.get::<_, f32>(0).round())
    };
    assert_eq!(fetch(&mut reader)?, 1.0);
    client.execute("UPDATE pgml.deployments SET model_id = $1 WHERE model_id = $2", &[&models[1], &models[0]])?;
    assert_eq!(answer(&mut client)?, 2.0);
    assert_eq!(fetch(&mut reader)?, 1.0, "the cursor's statement began before");
    assert_eq!(answer(&mut reader)?, 2.0, "another statement of the same transaction");
    assert_eq!(fetch(&mut reader)?, 1.0, "the cursor's statement still is the one that began before");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn databases_with_equal_ids_answer_each_with_its_own_model() -> Result<(), Failure> {
    let server = Server::from_environment()?;
    let databases = [server.database()?, server.database()?];
    let mut clients = Vec::new();
    for (database, value) in databases.iter().zip([1.0, 2.0]) {
        let mut client = database.connect()?.client;
        let id = samples::constant_model(&mut client, "p", value)?;
        deploy(&mut client, id)?;
        clients.push((client, id, value));
    }
    assert_eq!(clients[0].1, clients[1].1, "the ids should be equal");
    for _ in 0..tries(200, 1000) {
        for (client, id, value) in &mut clients {
            assert_eq!(answer(client)?, *value);
            let by_id: f32 = client.query_one("SELECT pgml.predict($1::bigint, ARRAY[3.0::real])", &[id])?.get(0);
            assert_eq!(by_id.round(), *value);
        }
    }
    Ok(())
}
