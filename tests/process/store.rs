//! The store against a real server: what a Rust program saves, loads, deploys and drops.

use std::thread;

use pgml_core::{ErrorKind, Parts, Schema, Task, find_algorithm};
use pgml_models::{ALGORITHMS, algorithm};
use pgml_store::catalog::{self, NewModel, Project, Strategy};
use pgml_store::{Artifact, Manifest, Store, files};
use pgml_tests::server::{Failure, Server};
use postgres::Client;
use serde_json::{Map, Value, json};

/// An artifact whose state no algorithm reads: the store does not look into it.
fn artifact(task: Task, state: &Parts) -> Result<Artifact, Failure> {
    let random_forest = find_algorithm(ALGORITHMS, "random_forest")?;
    let manifest = Manifest::new(random_forest, task, Schema::plain(&["x".to_owned()]));
    Ok(Artifact::new(manifest, state)?)
}

fn new_model(project: &Project) -> NewModel {
    let empty = || Value::Object(Map::new());
    NewModel {
        project_id: project.id,
        snapshot_id: None,
        num_features: 1,
        search: None,
        search_params: empty(),
        search_args: empty(),
    }
}

fn save(client: &mut Client, project: &Project, metrics: &Value) -> Result<i64, Failure> {
    let id = catalog::next_model_id(client)?;
    let artifact = artifact(project.task, &Parts::new().with("x", vec![1.0_f64]))?;
    catalog::insert_model(client, id, &new_model(project), &artifact)?;
    client.execute("UPDATE pgml.models SET metrics = $2 WHERE id = $1", &[&id, metrics])?;
    Ok(id)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_model_of_several_rows_comes_back_bit_for_bit() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let values: Vec<f64> = (0..5_000_000).map(|i| f64::from(i).sqrt()).collect();
    let saved = artifact(Task::Regression, &Parts::new().with("big", values))?;
    let id = Store::new(&mut client).save_artifact("big", &saved)?;
    let rows = client.query("SELECT octet_length(data) FROM pgml.files WHERE path LIKE '%.safetensors'", &[])?;
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.get::<_, i32>(0) <= 16 << 20));
    // What reads must also read where nothing can be written.
    client.batch_execute("SET default_transaction_read_only = on")?;
    let loaded = files::read(&mut client, id)?;
    assert_eq!(loaded.state()?, saved.state()?);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn every_flipped_byte_of_every_stored_row_is_noticed() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let state = Parts::new().with("x", vec![1.0_f64]);
    let id = Store::new(&mut client).save_artifact("small", &artifact(Task::Regression, &state)?)?;
    let rows = client.query("SELECT path, octet_length(data) FROM pgml.files WHERE model_id = $1", &[&id])?;
    for row in rows {
        let (path, length): (String, i32) = (row.get(0), row.get(1));
        for byte in 0..length {
            let mut transaction = client.transaction()?;
            transaction.execute(
                "UPDATE pgml.files SET data = set_byte(data, $3, get_byte(data, $3) # 1) WHERE model_id = $1 AND path = $2",
                &[&id, &path, &byte],
            )?;
            let error = files::read(&mut transaction, id).expect_err("a changed byte");
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{path}, byte {byte}: {error}");
        }
    }
    files::read(&mut client, id)?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn the_best_score_is_a_number_not_a_text() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let project = catalog::find_or_create_project(&mut client, "scores", Some(Task::Classification), None)?;
    for metrics in [json!({"f1": 9e-5}), json!({"f1": null}), json!({"f1": "1.5"}), json!([]), json!({})] {
        save(&mut client, &project, &metrics)?;
    }
    let best = save(&mut client, &project, &json!({"f1": 0.99}))?;
    let newest = save(&mut client, &project, &json!({"f1": 0.5}))?;
    let chosen = |client: &mut Client, strategy| catalog::candidate(client, &project, strategy, None).map(|m| m.id);
    assert_eq!(chosen(&mut client, Strategy::BestScore)?, best);
    assert_eq!(chosen(&mut client, Strategy::MostRecent)?, newest);
    let error = catalog::candidate(&mut client, &project, Strategy::BestScore, Some("xgboost")).expect_err("none");
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let writer = catalog::find_or_create_project(&mut client, "writer", Some(Task::TextGeneration), None)?;
    let low = save(&mut client, &writer, &json!({"perplexity": 9.8}))?;
    save(&mut client, &writer, &json!({"perplexity": 10.2}))?;
    assert_eq!(catalog::candidate(&mut client, &writer, Strategy::BestScore, None)?.id, low);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn consecutive_rollbacks_swing_between_the_last_two_models() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let project = catalog::find_or_create_project(&mut client, "swing", Some(Task::Regression), None)?;
    let none = catalog::candidate(&mut client, &project, Strategy::Rollback, None).expect_err("nothing deployed");
    assert_eq!(none.message(), "no qualified models exist for this deployment of project \"swing\"");
    let ids = [(); 3].map(|()| save(&mut client, &project, &json!({"r2": 0.5})));
    let [first, second, third] = ids;
    let (first, second, third) = (first?, second?, third?);
    for id in [first, second, third] {
        Store::new(&mut client).deploy(id)?;
    }
    for expected in [second, third, second] {
        let model = catalog::candidate(&mut client, &project, Strategy::Rollback, None)?;
        catalog::deploy(&mut client, &model, Strategy::Rollback)?;
        assert_eq!(catalog::deployed_model(&mut client, "swing")?, expected);
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn sessions_that_create_one_project_at_once_share_it() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let connection = database.connection();
    let create = |n: usize| {
        let connection = connection.clone();
        thread::spawn(move || -> Result<i64, Failure> {
            let mut client = pgml_tests::session::Session::connect(&connection)?.client;
            let mut transaction = client.transaction()?;
            let name = format!("shared {}", n % 5);
            let project = catalog::find_or_create_project(&mut transaction, &name, Some(Task::Regression), None)?;
            transaction.commit()?;
            Ok(project.id)
        })
    };
    let threads: Vec<_> = (0..20).map(create).collect();
    for thread in threads {
        thread.join().map_err(|_| "a session panicked")??;
    }
    assert_eq!(catalog::list_projects(&mut database.connect()?.client)?.len(), 5);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn what_is_dropped_takes_only_its_own_along() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let mut ids = Vec::new();
    for name in ["kept", "dropped"] {
        let project = catalog::find_or_create_project(&mut client, name, Some(Task::Regression), None)?;
        ids.push((save(&mut client, &project, &json!({}))?, save(&mut client, &project, &json!({}))?));
    }
    let [(kept, live), (dropped, also)] = ids[..] else { return Err("two projects".into()) };
    client.batch_execute(&format!(
        "INSERT INTO pgml.snapshots (id, relation_name, test_size, test_sampling, status, materialized)
         VALUES (1, 'shared', 0.25, 'last', 'successful', false), (2, 'own', 0.25, 'last', 'successful', true);
         CREATE TABLE pgml.snapshot_2 (x int);
         UPDATE pgml.models SET snapshot_id = 1 WHERE id IN ({kept}, {live}, {dropped});
         UPDATE pgml.models SET snapshot_id = 2 WHERE id = {also};",
    ))?;
    Store::new(&mut client).deploy(live)?;
    let error = catalog::drop_model(&mut client, live).expect_err("live");
    assert_eq!(error.kind(), ErrorKind::NotReady);
    catalog::drop_model(&mut client, kept)?;
    catalog::drop_project(&mut client, "dropped")?;
    let left = client.query_one(
        "SELECT (SELECT array_agg(id) FROM pgml.models), (SELECT array_agg(id) FROM pgml.snapshots),
                (SELECT array_agg(DISTINCT model_id) FROM pgml.files), to_regclass('pgml.snapshot_2') IS NULL",
        &[],
    )?;
    assert_eq!(left.get::<_, Vec<i64>>(0), [live]);
    assert_eq!(left.get::<_, Vec<i64>>(1), [1]);
    assert_eq!(left.get::<_, Vec<i64>>(2), [live]);
    assert!(left.get::<_, bool>(3));
    assert_eq!(catalog::project(&mut client, "dropped").map_err(|e| e.kind()), Err(ErrorKind::NotFound));
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_snapshot_is_read_as_it_was_written() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let project = catalog::find_or_create_project(&mut client, "seen", Some(Task::Regression), None)?;
    assert_eq!(catalog::newest_snapshot(&mut client, project.id)?, None);
    let new = catalog::NewSnapshot {
        relation_name: "public.things".to_owned(),
        y_column_name: Some(vec!["y".to_owned()]),
        test_size: 0.25,
        test_sampling: "stratified".to_owned(),
        columns: json!([]),
        analysis: json!({"samples": 3}),
        materialized: false,
        seed: -7,
    };
    let id = catalog::insert_snapshot(&mut client, &new)?;
    let model = save(&mut client, &project, &json!({}))?;
    client.execute("UPDATE pgml.models SET snapshot_id = $1 WHERE id = $2", &[&id, &model])?;
    catalog::analyse_snapshot(&mut client, id, &json!([1]), &new.analysis)?;
    let snapshot = catalog::newest_snapshot(&mut client, project.id)?.ok_or("a snapshot")?;
    assert_eq!((snapshot.id, snapshot.seed, snapshot.test_size), (id, new.seed, new.test_size));
    assert_eq!((snapshot.relation_name, snapshot.y_column_name), (new.relation_name, new.y_column_name));
    assert_eq!((snapshot.columns, snapshot.analysis), (Some(json!([1])), Some(new.analysis)));
    Ok(())
}

#[expect(dead_code, reason = "a test has no arguments for the example's main")]
#[path = "../../pgml-store/examples/share_a_model.rs"]
mod share_a_model;

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn the_example_shares_a_model_both_ways() -> Result<(), Failure> {
    let database = Server::from_environment()?.database()?;
    share_a_model::share_both_ways(&database.connection()).map_err(|e| e.to_string().into())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_forest_trained_in_rust_is_the_same_forest_when_loaded() -> Result<(), Failure> {
    use pgml_core::{MatrixRef, Run, TrainRequest, datasets, train};
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    let data = datasets::find("iris")?;
    let mut request = TrainRequest::new(algorithm("random_forest")?, Task::Classification, data.labels);
    request.hyperparams.insert("n_estimators".to_owned(), json!(5));
    let trained = train(&request, data.table()?, &Run::new())?;
    let mut transaction = client.transaction()?;
    let mut store = Store::new(&mut transaction);
    let id = store.save("iris", &trained, request.algorithm)?;
    assert_eq!(store.load_deployed("iris", &algorithm).map_err(|e| e.kind()).err(), Some(ErrorKind::NotReady));
    store.deploy(id)?;
    transaction.commit()?;
    let loaded = Store::new(&mut client).load_deployed("iris", &algorithm)?;
    let rows = [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3, 5.9, 3.0, 4.2, 1.5];
    let probabilities = |predictor: &pgml_core::Predictor| -> Result<Vec<f64>, Failure> {
        let mut out = vec![0.0; 9];
        predictor.predict_proba(MatrixRef::new(&rows, 4)?, &mut out)?;
        Ok(out)
    };
    assert_eq!(probabilities(&loaded)?, probabilities(&trained.predictor)?);
    let row = client.query_one("SELECT num_classes, labels, metrics ? 'f1' FROM pgml.models", &[])?;
    assert_eq!((row.get::<_, i32>(0), row.get::<_, Value>(1)), (3, json!(["0", "1", "2"])));
    assert!(row.get::<_, bool>(2));
    Ok(())
}
