//! One model, two worlds: trained in Rust and predicting in SQL, then the other way round.
//!
//! ```sh
//! cargo run --release -p pgml-store --features client --example share_a_model -- "$(cargo xtask url)"
//! ```

use std::error::Error;

use pgml_core::{MatrixRef, Predictor, Run, Task, TrainRequest, datasets, train};
use pgml_models::algorithm;
use pgml_store::Store;
use postgres::{Client, NoTls};

/// The result of an example.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let url = std::env::args().nth(1).or_else(|| std::env::var("PGML_URL").ok());
    let url = url.ok_or("usage: share_a_model <URL of a database with pgml>, or set PGML_URL")?;
    share_both_ways(&url)
}

/// Stops with an error where Rust and SQL differ.
pub fn share_both_ways(url: &str) -> Outcome<()> {
    let mut client = Client::connect(url, NoTls)?;
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS pgml")?;
    let patients = patients()?;

    let ours = train_in_rust()?;
    let id = share(&mut client, "trained_in_rust", &ours)?;
    println!("trained in Rust, stored as model {id} of the database:");
    compare(&predict(&ours.predictor, &patients)?, &predict_in_sql(&mut client, "trained_in_rust", &patients)?)?;

    train_in_sql(&mut client)?;
    let theirs = Store::new(&mut client).load_deployed("trained_in_sql", &algorithm)?;
    println!("trained in SQL ({}), loaded into Rust:", theirs.algorithm());
    compare(&predict(&theirs, &patients)?, &predict_in_sql(&mut client, "trained_in_sql", &patients)?)
}

/// A random forest for the progression of diabetes.
fn train_in_rust() -> Outcome<pgml_core::Trained> {
    let data = datasets::find("diabetes")?;
    let request = TrainRequest::new(algorithm("random_forest")?, Task::Regression, data.labels);
    Ok(train(&request, data.table()?, &Run::new().with_seed(1))?)
}

/// Stores and deploys in one transaction: other sessions see both or neither.
fn share(client: &mut Client, project: &str, trained: &pgml_core::Trained) -> Outcome<i64> {
    let mut transaction = client.transaction()?;
    let mut store = Store::new(&mut transaction);
    let id = store.save(project, trained, algorithm(trained.predictor.algorithm())?)?;
    store.deploy(id)?;
    transaction.commit()?;
    Ok(id)
}

/// The same forest, by the database.
fn train_in_sql(client: &mut Client) -> Outcome<()> {
    client.batch_execute(
        "SELECT pgml.load_dataset('diabetes');
         SELECT * FROM pgml.train('trained_in_sql', 'regression', 'pgml.diabetes', 'target',
                                  algorithm => 'random_forest');",
    )?;
    Ok(())
}

/// Ten feature columns of a few patients, row by row.
fn patients() -> Outcome<Vec<Vec<f32>>> {
    let data = datasets::find("diabetes")?;
    let features = |row: Vec<_>| -> Result<Vec<f32>, _> {
        let feature = row.iter().zip(data.columns).filter(|(_, column)| !data.labels.contains(&column.name));
        feature.map(|(cell, _): (&std::borrow::Cow<'_, str>, _)| cell.parse()).collect()
    };
    Ok(data.rows().step_by(60).map(features).collect::<Result<_, _>>()?)
}

fn predict(predictor: &Predictor, patients: &[Vec<f32>]) -> Outcome<Vec<f32>> {
    let rows: Vec<f64> = patients.iter().flatten().map(|x| f64::from(*x)).collect();
    let mut predicted = vec![0.0; patients.len()];
    predictor.predict(MatrixRef::new(&rows, predictor.n_raw_features())?, &mut predicted)?;
    // SQL predicts `real`.
    Ok(predicted.into_iter().map(|x| x as f32).collect())
}

fn predict_in_sql(client: &mut Client, project: &str, patients: &[Vec<f32>]) -> Outcome<Vec<f32>> {
    let statement = client.prepare("SELECT pgml.predict($1::text, $2::real[])")?;
    patients.iter().map(|row| Ok(client.query_one(&statement, &[&project, row])?.get(0))).collect()
}

fn compare(rust: &[f32], sql: &[f32]) -> Outcome<()> {
    println!("  patient      Rust       SQL");
    for (patient, (rust, sql)) in rust.iter().zip(sql).enumerate() {
        println!("  {patient:>7} {rust:>9.3} {sql:>9.3}");
    }
    if rust == sql { Ok(()) } else { Err("Rust and SQL do not predict the same numbers".into()) }
}
