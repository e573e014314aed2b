//! Chunks equal those of langchain-text-splitters 0.3.5 on the cases of `tests/golden/chunk.py`.

use pgml_core::chunk::Chunks;
use pgml_core::{ErrorKind, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

const VECTORS: &str = include_str!("../../tests/golden/chunk_vectors.json");
const GOLDEN: &str = include_str!("../../tests/golden/chunk.json");

#[derive(Deserialize)]
struct Case {
    splitter: String,
    kwargs: Map<String, Value>,
    text: String,
    chunks: Option<Vec<String>>,
    error: Option<String>,
}

fn cases(json: &str) -> Vec<Case> {
    serde_json::from_str(json).expect("JSON")
}

fn chunks(splitter: &str, text: &str, kwargs: &Map<String, Value>) -> Result<Vec<String>> {
    let mut chunks = Chunks::new(splitter, text, kwargs)?;
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next_chunk(&mut || Ok(()))? {
        all.push(chunk);
    }
    Ok(all)
}

/// The part of Python's message that says what is wrong; the rest names Python's classes.
fn core_of(message: &str) -> &str {
    message.split_once("got an unexpected").map_or(message, |(_, rest)| rest)
}

fn check(case: &Case) -> std::result::Result<(), String> {
    let ours = chunks(&case.splitter, &case.text, &case.kwargs);
    let same = match (&ours, &case.chunks, &case.error) {
        (Ok(ours), Some(theirs), None) => ours == theirs,
        (Err(ours), None, Some(theirs)) => {
            ours.kind() == ErrorKind::InvalidParameter && core_of(ours.message()) == core_of(theirs)
        }
        _ => false,
    };
    if same {
        return Ok(());
    }
    Err(format!(
        "{} {:?}\n  text {:?}\n  here {ours:?}\n  there {:?} {:?}",
        case.splitter, case.kwargs, case.text, case.chunks, case.error
    ))
}

fn check_all(json: &str, at_least: usize) {
    let cases = cases(json);
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn vectors_written_by_hand_are_met() {
    check_all(VECTORS, 18);
}

#[test]
fn random_texts_are_split_as_the_library_splits_them() {
    check_all(GOLDEN, 500);
}
