//! Processes die in the middle of training, deploying and predicting. What was committed answers bit for bit as before,
//! and of what was not there is no trace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pgml_tests::server::Failure;
use pgml_tests::session::describe_error;
use postgres::Client;
use postgres::error::SqlState;

use crate::backend::{Backend, wait_until};
use crate::own_server::OwnServer;
use crate::{measured, samples, tries};

/// A committed model and the bits of its answers.
struct Committed {
    model: i64,
    answers: Vec<u32>,
}

const ALGORITHMS: [&str; 3] = ["linear", "xgboost", "random_forest"];

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn what_is_committed_survives_the_death_of_a_backend() -> Result<(), Failure> {
    kill_again_and_again(tries(4, 60), |server, number| {
        let mut client = server.connect()?.client;
        let mut victim = None;
        wait_until("another session works", Duration::from_secs(10), || {
            let busy = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                        AND backend_type = 'client backend' ORDER BY (query LIKE '%train%') = $1 DESC LIMIT 1";
            victim = client.query_opt(busy, &[&(number % 2 == 0)])?.map(|row| row.get::<_, i32>(0));
            Ok(victim.is_some())
        })?;
        // Meanwhile it may have turned to another statement, and be killed there.
        Backend { pid: victim.ok_or("a victim")? }.kill()
    })
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn what_is_committed_survives_the_death_of_the_server() -> Result<(), Failure> {
    kill_again_and_again(tries(3, 40), |server, _| {
        let text = std::fs::read_to_string(server.cluster().data.join("postmaster.pid"))?;
        let postmaster = Backend { pid: text.lines().next().ok_or("a pid")?.parse()? };
        let mut client = server.connect()?.client;
        let children: Vec<Backend> = client
            .query("SELECT pid FROM pg_stat_activity", &[])?
            .iter()
            .map(|row| Backend { pid: row.get(0) })
            .collect();
        postmaster.kill()?;
        let took = wait_until("its processes have ended", Duration::from_secs(20), || {
            Ok(children.iter().all(|child| !child.is_alive()))
        })?;
        measured(&format!("kill -9 of the server: its last session ended after {:.0} ms", took.as_secs_f64() * 1e3));
        wait_until("it starts again", Duration::from_secs(30), || Ok(server.cluster().start().is_ok()))?;
        Ok(())
    })
}

fn kill_again_and_again(times: usize, kill: impl Fn(&OwnServer, usize) -> Result<(), Failure>) -> Result<(), Failure> {
    let server = OwnServer::start(&[("shared_buffers", "16MB")])?;
    samples::create_table(&mut server.connect()?.client, "sample", 20_000, 5)?;
    let committed = Mutex::new(Vec::new());
    let mut moments = fastrand::Rng::with_seed(11);
    for number in 0..times {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| -> Result<(), Failure> {
            let workers = ALGORITHMS.map(|algorithm| {
                let (server, committed, stop) = (&server, &committed, &stop);
                scope.spawn(move || work_on(server, algorithm, number, committed, stop))
            });
            thread::sleep(Duration::from_millis(400 + moments.u64(0..600)));
            let killed = kill(&server, number);
            stop.store(true, Ordering::SeqCst);
            for worker in workers {
                worker.join().map_err(|_| "a worker panicked")?.or_else(unless_killed)?;
            }
            killed
        })?;
        wait_until("it answers", Duration::from_secs(30), || Ok(server.connect().is_ok()))?;
        let committed = committed.lock().map_err(|_| "a worker panicked")?;
        verify(&mut server.connect()?.client, &committed)?;
    }
    let committed = committed.lock().map_err(|_| "a worker panicked")?;
    measured(&format!("{times} kills, {} models committed before and between them", committed.len()));
    assert!(committed.len() >= times, "too few models were committed: {}", committed.len());
    Ok(())
}

/// Trains, notes what was committed, deploys and predicts, until told to stop or the connection breaks.
fn work_on(
    server: &OwnServer,
    algorithm: &str,
    round: usize,
    committed: &Mutex<Vec<Committed>>,
    stop: &AtomicBool,
) -> Result<(), postgres::Error> {
    let Ok(mut session) = server.connect() else { return Ok(()) };
    let client = &mut session.client;
    while !stop.load(Ordering::SeqCst) {
        let mut transaction = client.transaction()?;
        transaction.query(
            &format!(
                "SELECT * FROM pgml.train($1, 'regression', 'sample', 'y', '{algorithm}', automatic_deploy => false)"
            ),
            &[&format!("{algorithm} {round}")],
        )?;
        let model: i64 = transaction.query_one("SELECT currval('pgml.models_id_seq')", &[])?.get(0);
        transaction.commit()?;
        let answers = answers(client, model)?;
        committed.lock().unwrap_or_else(PoisonError::into_inner).push(Committed { model, answers });
        client.query("SELECT * FROM pgml.deploy($1::bigint)", &[&model])?;
        client.query("SELECT pgml.predict($1, s) FROM sample AS s LIMIT 500", &[&format!("{algorithm} {round}")])?;
    }
    Ok(())
}

/// A worker whose session was killed has done nothing wrong.
fn unless_killed(error: postgres::Error) -> Result<(), Failure> {
    let killed = [SqlState::CRASH_SHUTDOWN, SqlState::ADMIN_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    match error.code() {
        Some(code) if !killed.contains(code) => Err(describe_error(&error).into()),
        _ => Ok(()),
    }
}

fn answers(client: &mut Client, model: i64) -> Result<Vec<u32>, postgres::Error> {
    let rows = client.query("SELECT pgml.predict($1::bigint, s) FROM sample AS s WHERE x1 < 0.01", &[&model])?;
    Ok(rows.iter().map(|row| row.get::<_, f32>(0).to_bits()).collect())
}

/// Every model that was committed answers as before; every model, deployment and file that is there is whole.
fn verify(client: &mut Client, committed: &[Committed]) -> Result<(), Failure> {
    for known in committed {
        assert_eq!(answers(client, known.model)?, known.answers, "model {}", known.model);
    }
    // Loading checks each stored byte against its digest.
    for row in client.query("SELECT id FROM pgml.models", &[])? {
        answers(client, row.get(0))?;
    }
    let loose = client.query_one(
        "SELECT (SELECT count(*) FROM pgml.files f WHERE NOT EXISTS (SELECT FROM pgml.models m WHERE m.id = f.model_id)),
                (SELECT count(*) FROM pgml.projects p WHERE NOT EXISTS (SELECT FROM pgml.models m WHERE m.project_id = p.id)),
                (SELECT count(*) FROM pgml.progress)",
        &[],
    )?;
    assert_eq!([0, 1, 2].map(|i| loose.get::<_, i64>(i)), [0, 0, 0], "files, projects, trainings left behind");
    Ok(())
}
