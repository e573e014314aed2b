//! Starting the inference program: from nothing, by many at once, with no place for it, wrongly configured, on a standby.

use std::time::{Duration, Instant};

use pgml_tests::server::Failure;

use crate::backend::wait_until;
use crate::own_server::{DATABASE, OwnServer};
use crate::worker::{embed, program, scripted, set, state, supervisor, use_scripts};
use crate::{measured, standby};

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn many_sessions_that_start_it_at_once_get_one_program() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<(), Failure> {
        let callers: Vec<_> = (0..30)
            .map(|_| {
                scope.spawn(|| -> Result<f32, Failure> { Ok(embed(&mut server.connect()?.client, "plain", "four")?) })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().map_err(|_| "a caller panicked")??, 4.0);
        }
        Ok(())
    })?;
    measured(&format!("30 sessions that started it at once: {:.0} ms", start.elapsed().as_secs_f64() * 1e3));
    let mut client = server.connect()?.client;
    let row = client.query_one(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pgml supervisor'),
                (SELECT calls FROM pgml.loaded_models WHERE model = 'plain')",
        &[],
    )?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 30));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn two_databases_share_one_copy() -> Result<(), Failure> {
    let server = scripted(&[])?;
    server.create_database("other")?;
    embed(&mut server.connect()?.client, "plain", "x")?;
    let mut other = pgml_tests::session::Session::connect(&server.connection("other"))?.client;
    embed(&mut other, "plain", "x")?;
    let row = other.query_one("SELECT count(*), sum(calls)::bigint FROM pgml.loaded_models", &[])?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 2));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn texts_of_a_database_in_another_encoding_are_read_and_given_back_right() -> Result<(), Failure> {
    let server = scripted(&[])?;
    server
        .connect()?
        .client
        .batch_execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")?;
    let mut client = pgml_tests::session::Session::connect(&server.connection("latin"))?.client;
    client.batch_execute("CREATE EXTENSION pgml")?;
    // A scripted vector is the number of characters, 1, and the sum of their numbers.
    let row = client.query_one(
        "SELECT pgml.embed('plain', 'é'), (SELECT array_agg(v[1]) FROM pgml.embed('plain', ARRAY['éà', 'x']) AS v),
                (SELECT text FROM pgml.rank('rank', 'é', ARRAY['ü'], '{\"return_documents\": true}'))",
        &[],
    )?;
    assert_eq!(row.get::<_, Vec<f32>>(0), [1.0, 1.0, 233.0]);
    assert_eq!((row.get::<_, Vec<f32>>(1), row.get::<_, String>(2)), (vec![2.0, 1.0], "ü".to_owned()));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn without_a_free_background_worker_the_error_says_what_to_raise() -> Result<(), Failure> {
    let server = scripted(&[("max_worker_processes", "0"), ("max_logical_replication_workers", "0")])?;
    let mut client = server.connect()?.client;
    let error = embed(&mut client, "plain", "x").expect_err("no place");
    assert_eq!(state(&error), "55000");
    let hint = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default();
    assert!(hint.contains("max_worker_processes"), "{error:?}");
    assert_eq!(client.query_one("SELECT count(*) FROM pgml.loaded_models", &[])?.get::<_, i64>(0), 0);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_wrong_program_is_an_error_until_the_setting_is_mended() -> Result<(), Failure> {
    let server = OwnServer::start(&[])?;
    let mut client = server.connect()?.client;
    set(&mut client, "pgml.worker_command", "/nowhere/pgml-worker")?;
    let error = embed(&mut client, "plain", "x").expect_err("no such program");
    assert_eq!(state(&error), "58P01");
    assert!(error.as_db_error().is_some_and(|error| error.message().contains("/nowhere/pgml-worker")), "{error:?}");
    set(&mut client, "pgml.worker_command", "/bin/false")?;
    wait_until("the other program is tried", Duration::from_secs(10), || {
        let error = embed(&mut client, "plain", "x").expect_err("it ends at once");
        let told = error.as_db_error().is_some_and(|error| error.message().contains("/bin/false"));
        assert!(!told || state(&error) == "08006", "{error:?}");
        Ok(told)
    })?;
    use_scripts(server.cluster(), &mut client)?;
    wait_until("the right program serves", Duration::from_secs(10), || Ok(embed(&mut client, "plain", "x").is_ok()))?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn settings_change_without_a_restart() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut client = server.connect()?.client;
    embed(&mut client, "large", "x")?;
    let before = program(&mut client)?.pid;
    set(&mut client, "pgml.worker_memory", "524288")?;
    let error = embed(&mut client, "large-too", "x").expect_err("1 GiB in 512 MiB");
    assert_eq!(state(&error), "53200");
    let message = error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default();
    assert!(message.contains("1024 MiB") && message.contains("512 MiB"), "{message}");
    embed(&mut client, "plain", "x")?;
    set(&mut client, "pgml.keep_alive", "100")?;
    embed(&mut client, "plain", "x")?;
    wait_until("the unused models are gone", Duration::from_secs(10), || {
        Ok(client.query_one("SELECT count(*) FROM pgml.loaded_models", &[])?.get::<_, i64>(0) == 0)
    })?;
    assert_eq!(program(&mut client)?.pid, before);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_hot_standby_has_a_program_of_its_own() -> Result<(), Failure> {
    let primary = scripted(&[])?;
    let mut client = primary.connect()?.client;
    embed(&mut client, "plain", "x")?;
    let standby = standby::standby_of(&primary)?;
    let mut reader = pgml_tests::session::Session::connect(&standby.connection(DATABASE))?.client;
    let copied = standby.cluster().data.join("pgsql_tmp_pgml");
    assert!(!copied.join("worker.1.socket").exists(), "the base backup has the primary's socket");
    assert!(reader.query_one("SELECT pg_is_in_recovery()", &[])?.get::<_, bool>(0));
    assert_eq!(embed(&mut reader, "plain", "four")?, 4.0);
    assert_ne!(supervisor(&mut reader)?.pid, supervisor(&mut client)?.pid);
    Ok(())
}
