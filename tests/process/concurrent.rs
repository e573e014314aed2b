//! Many sessions at once, and one session for a long time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pgml_tests::server::{Database, Failure, Server};
use pgml_tests::session::describe_error;
use postgres::Client;

use crate::backend::Backend;
use crate::{measured, samples, tries};

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn sessions_that_train_one_new_project_at_once_all_succeed() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    samples::create_table(&mut client, "sample", 5000, 4)?;
    const SESSIONS: usize = 8;
    let start = std::sync::Barrier::new(SESSIONS);
    let algorithms = ["linear", "xgboost", "ridge", "random_forest"];
    for project in 0..tries(3, 20) {
        thread::scope(|scope| -> Result<(), Failure> {
            let sessions: Vec<_> = (0..SESSIONS)
                .map(|n| {
                    let (database, start, algorithm) = (&database, &start, algorithms[n % algorithms.len()]);
                    scope.spawn(move || -> Result<(), Failure> {
                        let session = database.connect();
                        start.wait();
                        let result = session?.client.batch_execute(&format!(
                            "SELECT * FROM pgml.train('shared {project}', 'regression', 'sample', 'y', '{algorithm}')"
                        ));
                        result.map_err(|error| describe_error(&error).into())
                    })
                })
                .collect();
            sessions.into_iter().try_for_each(|session| session.join().map_err(|_| "a session panicked")?)
        })?;
    }
    let row = client.query_one(
        "SELECT count(DISTINCT p.id), count(m.id), count(DISTINCT p.name) FROM pgml.projects p
         JOIN pgml.models m ON m.project_id = p.id",
        &[],
    )?;
    let projects = i64::try_from(tries(3, 20))?;
    assert_eq!([0, 1, 2].map(|i| row.get::<_, i64>(i)), [projects, projects * SESSIONS as i64, projects]);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn who_predicts_while_a_project_is_dropped_hears_that_it_is_gone() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    samples::create_table(&mut client, "sample", 300, 4)?;
    let stop = AtomicBool::new(false);
    let (answers, refusals) = thread::scope(|scope| -> Result<(u64, u64), Failure> {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(|| predict_on(&database, &stop))).collect();
        let result = (0..tries(40, 400)).try_for_each(|_| train_and_drop(&mut client));
        stop.store(true, Ordering::SeqCst);
        let mut counts = (0, 0);
        for reader in readers {
            let (answered, refused) = reader.join().map_err(|_| "a reader panicked")??;
            counts = (counts.0 + answered, counts.1 + refused);
        }
        result.map(|()| counts)
    })?;
    measured(&format!("while projects came and went: {answers} answers, {refusals} clean errors"));
    assert!(answers > 0 && refusals > 0, "{answers} answers, {refusals} refusals");
    Ok(())
}

fn train_and_drop(client: &mut Client) -> Result<(), Failure> {
    client.batch_execute(
        "SELECT * FROM pgml.train('passing', 'regression', 'sample', 'y', 'ridge');
         SELECT * FROM pgml.train('passing', algorithm => 'xgboost', automatic_deploy => false,
                                  hyperparams => '{\"n_estimators\": 3}')",
    )?;
    client.batch_execute(
        "SELECT * FROM pgml.deploy('passing', 'most_recent');
         SELECT pgml.drop_model(id) FROM pgml.models WHERE algorithm = 'ridge';
         SELECT pgml.drop_project('passing')",
    )?;
    Ok(())
}

/// Predicts until told to stop: the answers, and the errors that say that there is no such project, model or deployment.
fn predict_on(database: &Database, stop: &AtomicBool) -> Result<(u64, u64), Failure> {
    let mut client = database.connect()?.client;
    let (mut answers, mut refusals) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        match client.query("SELECT pgml.predict('passing', s) FROM sample AS s LIMIT 20", &[]) {
            Ok(rows) => answers += rows.len() as u64,
            Err(error) => {
                let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                // No such object (of several kinds), or nothing deployed yet.
                if !["42704", "42P01", "55000"].contains(&code.as_str()) {
                    return Err(describe_error(&error).into());
                }
                refusals += 1;
            }
        }
    }
    Ok((answers, refusals))
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_session_that_predicts_and_fails_for_long_does_not_grow() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    samples::create_table(&mut client, "sample", 1000, 4)?;
    client.batch_execute("SELECT * FROM pgml.train('p', 'classification', 'sample', 'c', 'xgboost')")?;
    let backend = Backend::of(&mut client)?;
    predict_and_fail(&mut client, 5000, 200)?;
    let before = backend.anonymous_mib()?;
    predict_and_fail(&mut client, 100_000, 2000)?;
    let grown = backend.anonymous_mib()? - before;
    measured(&format!("after 100,000 predictions and 2,000 errors the session has grown by {grown:.2} MiB"));
    assert!(grown < 3.0, "{grown} MiB");
    Ok(())
}

fn predict_and_fail(client: &mut Client, predictions: i64, failures: usize) -> Result<(), Failure> {
    let by_name = client.prepare("SELECT pgml.predict('p', ARRAY[0.1, 0.2, 0.3, 0.4, $1::real])")?;
    // One statement each for a tenth, as an application asks; the others in long statements.
    for n in 0..predictions / 10 {
        client.query_one(&by_name, &[&(n as f32)])?;
    }
    client.query(
        "SELECT sum(pgml.predict('p', s)), sum((pgml.predict_proba('p', s))[1]), max(pgml.predict_label('p', s))
         FROM sample AS s, generate_series(1, $1) AS again",
        &[&i32::try_from(predictions * 9 / 10 / 3 / 1000)?],
    )?;
    let wrong = [
        "SELECT pgml.predict('nobody', ARRAY[1.0])",
        "SELECT pgml.predict('p', ARRAY[1.0])",
        "SELECT pgml.predict(99999, ARRAY[1.0])",
        "SELECT * FROM pgml.train('p', 'regression', 'sample', 'y')",
        "SELECT * FROM pgml.train('q', 'regression', 'sample', 'y', 'xgbost')",
    ];
    for statement in wrong.iter().cycle().take(failures) {
        if client.batch_execute(statement).is_ok() {
            return Err(format!("{statement} should fail").into());
        }
    }
    Ok(())
}
