//! Whoever waits for the inference program can be stopped at once, whatever the program is in the middle of.

use std::time::{Duration, Instant};

use pgml_tests::server::Failure;
use postgres::Client;

use crate::backend::{Backend, wait_until};
use crate::own_server::OwnServer;
use crate::worker::{embed, program, scripted, state};
use crate::{measured, tries};

/// Generous, because the machines that run this are busy; the target is 100 ms, and what was measured is printed.
const LIMIT: Duration = Duration::from_secs(1);

/// Half a minute's work of one batch.
fn long() -> String {
    "x".repeat(30_000)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_timeout_a_cancel_and_a_terminate_end_the_wait_at_once() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut watcher = server.connect()?.client;
    stop_waiting(&server, &mut watcher, "a busy program")
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_program_that_hangs_blocks_no_cancel() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut watcher = server.connect()?.client;
    embed(&mut watcher, "slow", "x")?;
    let hung = program(&mut watcher)?;
    hung.signal("STOP")?;
    stop_waiting(&server, &mut watcher, "a stopped program")?;
    // More than a socket's buffer: it hangs in the middle of a write.
    watcher.batch_execute("SET statement_timeout = 200")?;
    let start = Instant::now();
    let error = watcher
        .query("SELECT count(*) FROM pgml.embed('slow', array_fill(repeat('x', 10000), ARRAY[1000]))", &[])
        .expect_err("nobody reads");
    assert_eq!(state(&error), "57014");
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    watcher.batch_execute("SET statement_timeout = 0")?;
    hung.signal("CONT")?;
    assert_eq!(embed(&mut watcher, "plain", "on")?, 2.0);
    Ok(())
}

fn stop_waiting(server: &OwnServer, watcher: &mut Client, what: &str) -> Result<(), Failure> {
    let mut client = server.connect()?.client;
    let mut slowest = Duration::ZERO;
    for _ in 0..tries(5, 50) {
        client.batch_execute("SET statement_timeout = 100")?;
        let start = Instant::now();
        let error = embed(&mut client, "slow", &long()).expect_err("it takes too long");
        assert_eq!(state(&error), "57014");
        slowest = slowest.max(start.elapsed().saturating_sub(Duration::from_millis(100)));
        client.batch_execute("SET statement_timeout = 0")?;
        for (stop, sqlstate) in [("pg_cancel_backend", "57014"), ("pg_terminate_backend", "57P01")] {
            let backend = Backend::of(&mut client)?;
            let (told, error) = std::thread::scope(|scope| {
                let waiting = scope.spawn(|| embed(&mut client, "slow", &long()));
                std::thread::sleep(Duration::from_millis(100));
                let told = Instant::now();
                let sent = watcher.query(&format!("SELECT {stop}($1)"), &[&backend.pid]);
                (sent.map(|_| told), waiting.join())
            });
            let error = error.map_err(|_| "the caller panicked")?.expect_err("it was stopped");
            // The connection may close before its client has read why.
            assert!(state(&error) == sqlstate || error.is_closed() && sqlstate == "57P01", "{stop}: {error:?}");
            slowest = slowest.max(told?.elapsed());
        }
        client = server.connect()?.client;
    }
    measured(&format!("{what}: the slowest timeout, cancel or terminate took {:.1} ms", slowest.as_secs_f64() * 1e3));
    assert!(slowest < LIMIT, "{slowest:?}");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_client_that_goes_away_takes_its_session_and_its_work_along() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut watcher = server.connect()?.client;
    embed(&mut watcher, "slow", "x")?;
    let mut psql = server.cluster().psql(crate::own_server::DATABASE);
    let statement = "SELECT count(*) FROM pgml.embed('slow', array_fill('0123456789'::text, ARRAY[100000]))";
    let mut psql = psql.args(["-c", statement]).stdout(std::process::Stdio::null()).spawn()?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%array_fill%' AND pid <> pg_backend_pid()";
    let count = |watcher: &mut Client| -> Result<i64, Failure> { Ok(watcher.query_one(busy, &[])?.get(0)) };
    wait_until("it works", Duration::from_secs(10), || Ok(count(&mut watcher)? == 1))?;
    std::thread::sleep(Duration::from_millis(200));
    psql.kill()?;
    let took = wait_until("its session has ended", Duration::from_secs(10), || Ok(count(&mut watcher)? == 0))?;
    psql.wait()?;
    measured(&format!("a lost client's session ended after {:.0} ms", took.as_secs_f64() * 1e3));
    assert!(took < LIMIT, "{took:?}");
    let batches = |watcher: &mut Client| -> Result<i64, Failure> {
        Ok(watcher.query_one("SELECT batches FROM pgml.loaded_models WHERE model = 'slow'", &[])?.get(0))
    };
    let before = batches(&mut watcher)?;
    std::thread::sleep(Duration::from_secs(3));
    assert!(batches(&mut watcher)? <= before + 1, "its work goes on");
    Ok(())
}
