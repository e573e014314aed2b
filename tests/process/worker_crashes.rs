//! The inference program dies, and nobody is disturbed but who waits for it.

use std::time::{Duration, Instant};

use pgml_tests::server::Failure;

use crate::backend::{Backend, wait_until};
use crate::worker::{child, embed, program, scripted, state, supervisor};
use crate::{measured, tries};

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_program_that_dies_fails_its_callers_and_nobody_else() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let (mut client, mut watcher) = (server.connect()?.client, server.connect()?.client);
    let connection = server.connection(crate::own_server::DATABASE);
    let sleeper = std::thread::spawn(move || -> Result<(), Failure> {
        let mut client = pgml_tests::session::Session::connect(&connection)?.client;
        Ok(client.batch_execute("SELECT pg_sleep(6)")?)
    });
    for signal in ["KILL", "SEGV", "ABRT", "TERM"].iter().cycle().take(tries(4, 40)) {
        embed(&mut client, "slow", "warm")?;
        let (victim, backend) = (program(&mut watcher)?, Backend::of(&mut client)?);
        let caller = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| embed(&mut client, "slow", &"x".repeat(30_000)));
            let killed = wait_until("it waits", Duration::from_secs(10), || {
                let waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'Extension'";
                Ok(watcher.query_one(waits, &[&backend.pid])?.get::<_, i64>(0) == 1)
            });
            (killed.and_then(|_| kill(victim, signal)), waiting.join())
        });
        caller.0?;
        let error = caller.1.map_err(|_| "the caller panicked")?.expect_err("the program died");
        assert_eq!(state(&error), "08006", "{signal}: {error:?}");
        let start = Instant::now();
        assert_eq!(embed(&mut client, "plain", "after")?, 5.0);
        let took = start.elapsed();
        measured(&format!(
            "SIG{signal} of the program: the next call answered after {:.1} ms",
            took.as_secs_f64() * 1e3
        ));
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_ne!(program(&mut watcher)?.pid, victim.pid);
    }
    sleeper.join().map_err(|_| "the sleeper panicked")??;
    Ok(())
}

/// Sends a signal until it works: Rust's handler takes the first SEGV for a stack overflow's and lets the program try again,
/// and two that come together count as one.
fn kill(victim: Backend, signal: &str) -> Result<(), Failure> {
    wait_until(&format!("SIG{signal} ends it"), Duration::from_secs(10), || {
        // Gone between the look and the signal is gone.
        let _ = victim.signal(signal);
        Ok(!victim.is_alive())
    })?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_text_that_aborts_the_program_costs_its_own_callers_only() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut client = server.connect()?.client;
    for _ in 0..3 {
        let error = embed(&mut client, "abort", "this is bad").expect_err("the program aborts");
        assert_eq!(state(&error), "08006");
        assert_eq!(embed(&mut client, "abort", "fine")?, 4.0);
    }
    let error = embed(&mut client, "panic", "this is bad").expect_err("the model panics");
    assert_eq!(state(&error), "XX000");
    assert!(error.to_string().contains("db error") && embed(&mut client, "panic", "fine").is_ok());
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_supervisor_that_is_told_to_end_takes_its_program_along_and_the_next_call_starts_both() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut client = server.connect()?.client;
    for _ in 0..3 {
        embed(&mut client, "plain", "x")?;
        let (old, victim) = (supervisor(&mut client)?, program(&mut client)?);
        client.query("SELECT pg_terminate_backend($1)", &[&old.pid])?;
        wait_until("both have ended", Duration::from_secs(10), || Ok(!old.is_alive() && !victim.is_alive()))?;
        let start = Instant::now();
        assert_eq!(embed(&mut client, "plain", "again")?, 5.0);
        measured(&format!("starting from nothing: {:.1} ms", start.elapsed().as_secs_f64() * 1e3));
    }
    Ok(())
}

/// A background worker that is killed restarts the whole server, as any of its processes would.
#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_supervisor_that_is_killed_leaves_no_program_behind() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut client = server.connect()?.client;
    embed(&mut client, "plain", "x")?;
    let (old, victim) = (supervisor(&mut client)?, program(&mut client)?);
    old.kill()?;
    wait_until("its program has ended", Duration::from_secs(10), || Ok(!victim.is_alive()))?;
    let mut again = None;
    wait_until("the server answers again", Duration::from_secs(30), || {
        again = server.connect().ok();
        Ok(again.is_some())
    })?;
    assert_eq!(embed(&mut again.ok_or("a session")?.client, "plain", "again")?, 5.0);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_server_that_is_killed_or_stopped_leaves_nothing_running() -> Result<(), Failure> {
    let server = scripted(&[])?;
    for how in ["kill", "immediate", "fast", "smart"] {
        let mut client = server.connect()?.client;
        embed(&mut client, "plain", "x")?;
        let processes = [supervisor(&mut client)?, program(&mut client)?];
        drop(client);
        if how == "kill" {
            let file = std::fs::read_to_string(server.cluster().data.join("postmaster.pid"))?;
            Backend { pid: file.lines().next().ok_or("a pid")?.parse()? }.kill()?;
        } else {
            server.cluster().stop(how)?;
        }
        let took = wait_until("both have ended", Duration::from_secs(10), || {
            Ok(processes.iter().all(|process| !process.is_alive()))
        })?;
        measured(&format!("{how} of the server: the program was gone after {:.0} ms", took.as_secs_f64() * 1e3));
        wait_until("it starts again", Duration::from_secs(30), || Ok(server.cluster().start().is_ok()))?;
    }
    Ok(())
}

/// What another session's crash does: all processes of the server go, and come back.
#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_crash_of_the_whole_server_ends_the_program_and_a_new_one_serves() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut client = server.connect()?.client;
    embed(&mut client, "plain", "x")?;
    let (old, victim) = (supervisor(&mut client)?, program(&mut client)?);
    Backend::of(&mut client)?.kill()?;
    wait_until("the old ones have ended", Duration::from_secs(20), || Ok(!old.is_alive() && !victim.is_alive()))?;
    wait_until("the server answers", Duration::from_secs(30), || Ok(server.connect().is_ok()))?;
    let mut client = server.connect()?.client;
    assert_eq!(embed(&mut client, "plain", "again")?, 5.0);
    assert!(child(supervisor(&mut client)?).is_some());
    Ok(())
}
