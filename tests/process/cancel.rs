//! Whoever cancels a training has their session back at once, whatever the training is in the middle of.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pgml_tests::server::{Database, Failure, Server};
use pgml_tests::session::{Session, describe_error};
use postgres::error::SqlState;

use crate::backend::{Backend, wait_until};
use crate::{measured, samples, tries};

/// Generous, because the machines that run this are busy; the target is 100 ms, and what was measured is printed.
const LIMIT: Duration = Duration::from_secs(1);

/// The table's size: the issue's million rows when asked for.
fn rows() -> u32 {
    if std::env::var_os("PGML_TEST_THOROUGH").is_some() { 1_000_000 } else { 200_000 }
}

/// A statement that trains for much longer than a test waits, as far as the algorithm can.
fn training(algorithm: &str, more: &str) -> String {
    format!("SELECT * FROM pgml.train('p', 'regression', 'sample', 'y', '{algorithm}', test_sampling => 'last'{more})")
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_cancelled_training_with_xgboost_gives_the_session_back() -> Result<(), Failure> {
    cancel_again_and_again("xgboost", r#", hyperparams => '{"n_estimators": 100000}'"#)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_cancelled_training_with_lightgbm_gives_the_session_back() -> Result<(), Failure> {
    cancel_again_and_again("lightgbm", r#", hyperparams => '{"n_estimators": 100000}'"#)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_cancelled_training_of_a_random_forest_gives_the_session_back() -> Result<(), Failure> {
    cancel_again_and_again("random_forest", r#", hyperparams => '{"n_estimators": 100000}'"#)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_cancelled_training_of_a_linear_model_gives_the_session_back() -> Result<(), Failure> {
    cancel_again_and_again("linear", "")
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_cancelled_search_gives_the_session_back() -> Result<(), Failure> {
    let search = r#", search => 'grid', search_params => '{"alpha": [1, 2, 3, 4, 5, 6, 7, 8, 9], "fit_intercept": [true, false]}'"#;
    cancel_again_and_again("ridge", search)
}

fn cancel_again_and_again(algorithm: &str, more: &str) -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut session = database.connect()?;
    samples::create_table(&mut session.client, "sample", rows(), 20)?;
    let backend = Backend::of(&mut session.client)?;
    let statement = training(algorithm, more);
    let mut canceller = database.connect()?;
    let mut latencies = Vec::new();
    let mut moments = fastrand::Rng::with_seed(7);
    let mut longest = 1.5_f64;
    // The first try grows the process to its working size.
    let mut settled = None;
    for number in 0..5 * tries(20, 100) {
        if latencies.len() > tries(20, 100) {
            break;
        }
        let wait = Duration::from_secs_f64(longest * moments.f64());
        let Some(latency) = cancel_once(&mut session, &mut canceller, backend, &statement, wait, number % 2 == 0)?
        else {
            // It was done sooner: look for the moments before that.
            longest *= 0.8;
            continue;
        };
        latencies.push(latency);
        session.client.batch_execute("SELECT 1")?;
        if number == 0 {
            settled = Some((threads_left(backend)?, backend.anonymous_mib()?));
        }
    }
    let after = (threads_left(backend)?, backend.anonymous_mib()?);
    report(algorithm, &mut latencies, settled.zip(Some(after)));
    assert!(latencies.len() > tries(20, 100) / 2, "too few trainings ran long enough to be cancelled");
    assert!(latencies.iter().all(|latency| *latency <= LIMIT), "{latencies:?}");
    Ok(())
}

/// How long after the cancel the error came; `None` when the training was done before.
fn cancel_once(
    session: &mut Session,
    canceller: &mut Session,
    backend: Backend,
    statement: &str,
    wait: Duration,
    by_timeout: bool,
) -> Result<Option<Duration>, Failure> {
    let (told, asked) = mpsc::channel();
    thread::scope(|scope| {
        if by_timeout {
            session.client.batch_execute(&format!("SET statement_timeout = {}", wait.as_millis().max(1)))?;
        } else {
            session.client.batch_execute("SET statement_timeout = 0")?;
            scope.spawn(move || {
                thread::sleep(wait);
                let now = Instant::now();
                let sent = canceller.client.execute("SELECT pg_cancel_backend($1)", &[&backend.pid]);
                // The receiver waits for it.
                let _ = told.send((now, sent));
            });
        }
        let start = Instant::now();
        let result = session.client.batch_execute(statement);
        let end = Instant::now();
        let cancelled = if by_timeout {
            start + Duration::from_millis(wait.as_millis().max(1) as u64)
        } else {
            let (now, sent) = asked.recv()?;
            sent?;
            now
        };
        match result {
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                Ok(Some(end.saturating_duration_since(cancelled)))
            }
            Err(error) => Err(describe_error(&error).into()),
            Ok(()) => Ok(None),
        }
    })
}

/// The threads of the process once those that a cancelled training left behind have ended.
fn threads_left(backend: Backend) -> Result<usize, Failure> {
    let mut before = usize::MAX;
    wait_until("no thread of the training is left", Duration::from_secs(30), || {
        let now = backend.threads()?;
        thread::sleep(Duration::from_millis(300));
        let settled = now == before;
        before = now;
        Ok(settled)
    })?;
    Ok(before)
}

fn report(what: &str, latencies: &mut [Duration], memory: Option<((usize, f64), (usize, f64))>) {
    latencies.sort();
    let at = |quantile: f64| latencies[((latencies.len() - 1) as f64 * quantile).round() as usize].as_secs_f64() * 1e3;
    measured(&format!(
        "cancel {what}, {} rows, {} tries: p50 {:.1} ms, p99 {:.1} ms; threads and MiB after the first and last: {memory:?}",
        rows(),
        latencies.len(),
        at(0.5),
        at(0.99)
    ));
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_session_that_is_terminated_while_it_trains_ends() -> Result<(), Failure> {
    let database = trainable()?;
    let session = database.connect()?;
    let (backend, trainer) = train_in_background(session)?;
    thread::sleep(Duration::from_millis(700));
    let start = Instant::now();
    database.connect()?.client.execute("SELECT pg_terminate_backend($1)", &[&backend.pid])?;
    wait_until("the backend has ended", Duration::from_secs(5), || Ok(!backend.is_alive()))?;
    measured(&format!("terminate during xgboost: ended after {:.0} ms", start.elapsed().as_secs_f64() * 1e3));
    let error = trainer.join().map_err(|_| "the client panicked")?.expect_err("terminated");
    assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN), "{}", describe_error(&error));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_training_whose_client_is_gone_ends() -> Result<(), Failure> {
    let database = trainable()?;
    let installation = database.server.installation()?;
    let mut psql = installation.program("psql");
    psql.args(["-X", "-q", "-d", &database.connection(), "-c", &xgboost()]);
    psql.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut psql = psql.env("PGAPPNAME", "soon gone").spawn()?;
    let mut watcher = database.connect()?.client;
    let mut pid = None;
    let look = "SELECT pid FROM pg_stat_activity WHERE application_name = 'soon gone' AND state = 'active'";
    wait_until("the client's statement runs", Duration::from_secs(10), || {
        pid = watcher.query_opt(look, &[])?.map(|row| row.get::<_, i32>(0));
        Ok(pid.is_some())
    })?;
    let backend = Backend { pid: pid.ok_or("a pid")? };
    thread::sleep(Duration::from_millis(700));
    psql.kill()?;
    psql.wait()?;
    let took = wait_until("the backend has ended", Duration::from_secs(5), || Ok(!backend.is_alive()))?;
    measured(&format!("client gone during xgboost: ended after {:.0} ms", took.as_secs_f64() * 1e3));
    Ok(())
}

fn trainable() -> Result<Database, Failure> {
    let database = Server::from_environment()?.database()?;
    samples::create_table(&mut database.connect()?.client, "sample", rows(), 20)?;
    Ok(database)
}

fn xgboost() -> String {
    training("xgboost", r#", hyperparams => '{"n_estimators": 100000}'"#)
}

type Trainer = thread::JoinHandle<Result<(), postgres::Error>>;

fn train_in_background(mut session: Session) -> Result<(Backend, Trainer), Failure> {
    let backend = Backend::of(&mut session.client)?;
    Ok((backend, thread::spawn(move || session.client.batch_execute(&xgboost()))))
}
