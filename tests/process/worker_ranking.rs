//! `pgml.rank` with a scripted model, whose score is the length of query and document together.

use pgml_tests::server::Failure;

use crate::worker::{scripted, state};

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn documents_come_back_best_first_with_their_numbers() -> Result<(), Failure> {
    let server = scripted(&[])?;
    let mut client = server.connect()?.client;
    let mut ranked = |kwargs: &str| -> Result<Vec<(i64, f64, Option<String>)>, Failure> {
        let sql = format!(
            "SELECT corpus_id, score, text FROM pgml.rank('scripted-rank', 'ab', ARRAY['c', NULL, 'defg', '', 'h'], '{kwargs}')"
        );
        Ok(client.query(&sql, &[])?.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    };
    // Equal scores in the order of the documents; a NULL document has no row.
    assert_eq!(ranked("{}")?, [(2, 6.0, None), (0, 3.0, None), (4, 3.0, None), (3, 2.0, None)]);
    let best = ranked(r#"{"top_k": 2, "return_documents": true}"#)?;
    assert_eq!(best, [(2, 6.0, Some("defg".into())), (0, 3.0, Some("c".into()))]);
    let composite =
        "SELECT (r).corpus_id + 1 FROM (SELECT pgml.rank('scripted-rank', 'q', ARRAY['a', 'bb']) AS r) AS x";
    let numbers: Vec<i64> = client.query(composite, &[])?.iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [2, 1]);
    let error = client
        .query("SELECT pgml.rank('scripted-rank', 'q', ARRAY['a'], '{\"top\": 1}')", &[])
        .expect_err("no such argument");
    assert_eq!(state(&error), "22023");
    Ok(())
}
