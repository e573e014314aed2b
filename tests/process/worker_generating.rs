//! Texts that grow: the first row comes before the last is made, and whatever dies or leaves in the middle, the next call
//! works.

use std::time::{Duration, Instant};

use pgml_tests::server::Failure;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator as _;

use crate::backend::{Backend, wait_until};
use crate::measured;
use crate::worker::{program, scripted, state};

/// Generous, because the machines that run this are busy; the target is 100 ms, and what was measured is printed.
const LIMIT: Duration = Duration::from_secs(1);

/// A text of `n` words, a millisecond each.
fn stream(n: u32) -> String {
    format!(
        "SELECT pgml.transform_stream('{{\"task\": \"text-generation\", \"model\": \"generate-slow\"}}'::jsonb,
             input => 'a b', args => '{{\"max_new_tokens\": {n}, \"return_full_text\": false}}')::text"
    )
}

fn whole(n: u32) -> String {
    format!(
        "SELECT pgml.transform('{{\"task\": \"text-generation\", \"model\": \"generate-slow\"}}'::jsonb,
             inputs => ARRAY['a b'], args => '{{\"max_new_tokens\": {n}}}')::text"
    )
}

/// How many rounds the program has computed.
fn rounds(client: &mut Client) -> Result<i64, Failure> {
    let counted = "SELECT coalesce(sum(batches), 0)::bigint FROM pgml.loaded_models WHERE model = 'generate-slow'";
    Ok(client.query_one(counted, &[])?.get(0))
}

fn works(client: &mut Client) -> Result<(), Failure> {
    let text: String = client.query_one(&whole(2), &[])?.get(0);
    assert_eq!(text, r#"[[{"generated_text": "a b a b"}]]"#);
    Ok(())
}

/// The program computes nothing for anybody.
fn is_idle(client: &mut Client) -> Result<(), Failure> {
    let before = rounds(client)?;
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(rounds(client)?, before, "rounds go on for nobody");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn rows_come_one_by_one_through_a_plain_select_and_through_a_cursor() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let (mut client, mut watcher) = (server.connect()?.client, server.connect()?.client);
    works(&mut client)?;
    let no_parameters: [&str; 0] = [];
    let statement = client.prepare(&stream(3000))?;
    let start = Instant::now();
    let mut rows = client.query_raw(&statement, no_parameters)?;
    let first: String = rows.next()?.ok_or("no row")?.get(0);
    let took = start.elapsed();
    assert_eq!(first, r#"[" a"]"#);
    measured(&format!("the first of 3,000 rows came after {:.1} ms", took.as_secs_f64() * 1e3));
    // PostgreSQL would keep the first four hundred back, which take as many milliseconds.
    assert!(took < Duration::from_millis(300), "the first row came after {took:?}");
    drop(rows);
    client.batch_execute(&format!("BEGIN; DECLARE c CURSOR FOR {}", stream(1_000_000)))?;
    for word in [r#"[" a"]"#, r#"[" b"]"#, r#"[" a"]"#] {
        assert_eq!(client.query_one("FETCH 1 FROM c", &[])?.get::<_, String>(0), word);
    }
    // Another call in the middle of the stream, on a connection of its own.
    works(&mut client)?;
    client.batch_execute("CLOSE c")?;
    is_idle(&mut watcher)?;
    client.batch_execute("COMMIT")?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_timeout_and_a_cancel_in_the_middle_of_a_text_end_it_at_once() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let (mut client, mut watcher) = (server.connect()?.client, server.connect()?.client);
    for statement in [stream(1_000_000), whole(1_000_000)] {
        client.batch_execute("SET statement_timeout = 200")?;
        let start = Instant::now();
        let error = client.query(&statement, &[]).expect_err("it takes too long");
        assert_eq!(state(&error), "57014");
        assert!(start.elapsed() < Duration::from_millis(200) + LIMIT, "{:?}", start.elapsed());
        client.batch_execute("SET statement_timeout = 0")?;
        is_idle(&mut watcher)?;
        let backend = Backend::of(&mut client)?;
        let (sent, error) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| client.query(&statement, &[]));
            std::thread::sleep(Duration::from_millis(200));
            let sent = watcher.query("SELECT pg_cancel_backend($1)", &[&backend.pid]).map(|_| Instant::now());
            (sent, waiting.join())
        });
        let error = error.map_err(|_| "the caller panicked")?.expect_err("it was cancelled");
        assert_eq!(state(&error), "57014");
        assert!(sent?.elapsed() < LIMIT);
        is_idle(&mut watcher)?;
        works(&mut client)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_program_that_is_killed_in_the_middle_of_a_text_fails_its_readers_and_the_next_call_works() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let (mut client, mut watcher) = (server.connect()?.client, server.connect()?.client);
    for statement in [stream(1_000_000), whole(1_000_000)] {
        works(&mut client)?;
        let victim = program(&mut watcher)?;
        let before = rounds(&mut watcher)?;
        let caller = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| client.query(&statement, &[]));
            let killed = wait_until("it grows", Duration::from_secs(10), || Ok(rounds(&mut watcher)? > before + 50))
                .and_then(|_| victim.signal("KILL"));
            (killed, waiting.join())
        });
        caller.0?;
        let error = caller.1.map_err(|_| "the caller panicked")?.expect_err("the program died");
        assert_eq!(state(&error), "08006", "{error:?}");
        works(&mut client)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_reader_that_goes_away_takes_its_text_along() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut watcher = server.connect()?.client;
    works(&mut watcher)?;
    let before = rounds(&mut watcher)?;
    let mut psql = server.cluster().psql(crate::own_server::DATABASE);
    let mut psql = psql.args(["-c", &stream(1_000_000)]).stdout(std::process::Stdio::null()).spawn()?;
    wait_until("it grows", Duration::from_secs(10), || Ok(rounds(&mut watcher)? > before + 50))?;
    psql.kill()?;
    psql.wait()?;
    let took = wait_until("nothing grows any more", Duration::from_secs(10), || {
        let before = rounds(&mut watcher)?;
        std::thread::sleep(Duration::from_millis(20));
        Ok(rounds(&mut watcher)? == before)
    })?;
    measured(&format!("a lost reader's text ended after {:.0} ms", took.as_secs_f64() * 1e3));
    assert!(took < LIMIT, "{took:?}");
    works(&mut watcher)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn eight_sessions_grow_together() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut watcher = server.connect()?.client;
    works(&mut watcher)?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| -> Result<usize, String> {
                    let mut client = server.connect().map_err(|e| e.to_string())?.client;
                    client.query(&stream(1000), &[]).map(|rows| rows.len()).map_err(|e| e.to_string())
                })
            })
            .collect();
        for session in sessions {
            assert_eq!(session.join().expect("no panic"), Ok(1000));
        }
    });
    let took = start.elapsed();
    measured(&format!("eight texts of 1,000 words, a millisecond a round: {:.1} s", took.as_secs_f64()));
    let shared = "SELECT shared_batches FROM pgml.loaded_models WHERE model = 'generate-slow'";
    assert!(watcher.query_one(shared, &[])?.get::<_, i64>(0) > 500, "they take turns");
    Ok(())
}
