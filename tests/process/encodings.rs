//! Databases that are not in UTF-8: texts are learnt and given back as they are, and models move between encodings.

use pgml_tests::server::{Database, Failure, Server};
use postgres::Client;

/// A text label, a category and a column whose names are not ASCII.
const TRAIN: &str =
    "CREATE TABLE sample AS SELECT i::real AS \"größe\", (ARRAY['café', 'thé', 'eau'])[1 + i % 3] AS boisson,
         (ARRAY['été', 'hiver', 'été'])[1 + i % 3] AS saison FROM generate_series(1, 90) AS i;
     SELECT pgml.train('drinks', 'classification', 'sample', 'saison', 'random_forest', '{\"n_estimators\": 10}');
     SELECT pgml.train('names', 'classification', 'sample', 'boisson', 'random_forest', '{\"n_estimators\": 10}',
         preprocess => '{\"saison\": {\"encode\": \"one_hot\"}}')";

fn answers(client: &mut Client) -> Result<Vec<String>, Failure> {
    let sql = "SELECT concat_ws(' ', pgml.predict_label('drinks', s), pgml.predict('drinks', s), pgml.predict_label('names', s),
                   pgml.predict_proba('names', s)) FROM sample AS s ORDER BY 1";
    Ok(client.query(sql, &[])?.iter().map(|row| row.get(0)).collect())
}

fn trained(encoding: &str) -> Result<(Database, Vec<String>), Failure> {
    let database = Server::from_environment()?.database_in(encoding)?;
    let mut client = database.connect()?.client;
    client.batch_execute(TRAIN)?;
    let answers = answers(&mut client)?;
    let labels: String = client.query_one("SELECT labels::text FROM pgml.models ORDER BY id LIMIT 1", &[])?.get(0);
    assert_eq!(labels, "[\"hiver\", \"été\"]");
    assert!(answers.iter().any(|row| row.starts_with("été 1")), "{answers:?}");
    Ok((database, answers))
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn every_encoding_gives_the_same_predictions_and_labels() -> Result<(), Failure> {
    let (_, utf8) = trained("UTF8")?;
    for encoding in ["LATIN1", "WIN1252", "SQL_ASCII"] {
        match trained(encoding) {
            Ok((_, answers)) => assert_eq!(answers, utf8, "{encoding}"),
            Err(error) => return Err(format!("{encoding}: {error:?}").into()),
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_exported_model_moves_between_encodings() -> Result<(), Failure> {
    for (from, to) in [("LATIN1", "UTF8"), ("UTF8", "LATIN1"), ("UTF8", "SQL_ASCII")] {
        let (source, expected) = trained(from)?;
        let target = Server::from_environment()?.database_in(to)?;
        let (mut old, mut new) = (source.connect()?.client, target.connect()?.client);
        for row in old.query(
            "SELECT p.name, pgml.export_model(m.id) FROM pgml.models m JOIN pgml.projects p ON p.id = m.project_id",
            &[],
        )? {
            let (project, bytes): (String, Vec<u8>) = (row.get(0), row.get(1));
            let id: i64 = new.query_one("SELECT pgml.import_model($1, $2)", &[&project, &bytes])?.get(0);
            new.query("SELECT * FROM pgml.deploy($1::bigint)", &[&id])?;
        }
        new.batch_execute(TRAIN.split("SELECT pgml.train").next().ok_or("a table")?)?;
        assert_eq!(answers(&mut new)?, expected, "{from} to {to}");
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_label_that_the_database_cannot_write_is_refused_as_such() -> Result<(), Failure> {
    let server = Server::from_environment()?;
    let (source, target) = (server.database()?, server.database_in("LATIN1")?);
    let (mut old, mut new) = (source.connect()?.client, target.connect()?.client);
    old.batch_execute(
        "CREATE TABLE sample AS SELECT i::real AS x, (ARRAY['東京', '大阪'])[1 + i % 2] AS city FROM generate_series(1, 40) AS i;
         SELECT pgml.train('cities', 'classification', 'sample', 'city')",
    )?;
    let bytes: Vec<u8> = old.query_one("SELECT pgml.export_model(id) FROM pgml.models", &[])?.get(0);
    let error = new.query_one("SELECT pgml.import_model('cities', $1)", &[&bytes]).expect_err("no such characters");
    assert_eq!(error.code().map(|code| code.code()), Some("22P05"));
    let left: i64 = new.query_one("SELECT count(*) FROM pgml.models", &[])?.get(0);
    assert_eq!(left, 0);
    Ok(())
}
