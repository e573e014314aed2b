//! Who sees how far a training has come.

use std::thread;
use std::time::Duration;

use pgml_tests::server::{Failure, Server};

use crate::backend::{Backend, wait_until};
use crate::privileges::{Kind, Roles};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn trainers_see_the_trainings_of_others_and_readers_their_own() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let roles = Roles::create(&database)?;
    let mut owner = database.connect()?.client;
    owner.batch_execute(
        "CREATE TABLE sample AS SELECT n::real AS x, (n % 7)::real AS y FROM generate_series(1, 20000) AS n",
    )?;
    let mut training = database.connect()?.client;
    let pid = Backend::of(&mut training)?.pid;
    let trained = thread::spawn(move || {
        let endless = r#"'{"n_estimators": 1000000}'"#;
        training.batch_execute(&format!(
            "SELECT * FROM pgml.train('p', 'regression', 'sample', 'y', 'xgboost', hyperparams => {endless})"
        ))
    });
    let shown = format!("SELECT project, phase, done, total, usename, datname FROM pgml.progress WHERE pid = {pid}");
    let mut outcome = Ok(());
    let began = wait_until("a training shows", LIMIT, || {
        Ok(owner.query(&shown, &[])?.iter().any(|row| row.get::<_, Option<i64>>(3) == Some(1_000_000)))
    });
    if began.is_ok() {
        for (kind, rows) in [(Kind::Reader, 0), (Kind::Trainer, 1), (Kind::Admin, 1), (Kind::Superuser, 1)] {
            let found = roles.session(kind)?.query(&shown, &[])?;
            if found.len() != rows {
                outcome = Err(format!("{kind:?} sees {} trainings", found.len()));
            }
            for row in found {
                assert_eq!((row.get(0), row.get(4), row.get(5)), ("p", "postgres", database.name.as_str()));
                assert_eq!((row.get(1), row.get(3)), ("training", Some(1_000_000_i64)));
            }
        }
        // Watching the server is enough.
        let reader = roles.name(Kind::Reader);
        owner.batch_execute(&format!("GRANT pg_read_all_stats TO {reader}"))?;
        assert_eq!(roles.session(Kind::Reader)?.query(&shown, &[])?.len(), 1);
    }
    // A backend that is ended in the middle of its training leaves no row.
    owner.execute("SELECT pg_terminate_backend($1)", &[&pid])?;
    let ended = trained.join().expect("the thread does not panic");
    assert!(ended.is_err(), "the training ended before its time");
    began?;
    outcome?;
    wait_until("its row is gone", LIMIT, || Ok(owner.query(&shown, &[])?.is_empty()))?;
    Ok(())
}
