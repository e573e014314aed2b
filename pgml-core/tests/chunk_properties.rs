//! What every splitter promises for any text and any arguments.

use std::time::{Duration, Instant};

use pgml_core::chunk::{Chunks, SPLITTERS};
use pgml_core::{Error, ErrorKind, Result, Run};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn object(kwargs: Value) -> Map<String, Value> {
    match kwargs {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

fn chunks(splitter: &str, text: &str, kwargs: &Map<String, Value>) -> Result<Vec<String>> {
    let mut chunks = Chunks::new(splitter, text, kwargs)?;
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next_chunk(&mut || Ok(()))? {
        all.push(chunk);
    }
    Ok(all)
}

fn any_splitter() -> impl Strategy<Value = &'static str> {
    prop::sample::select(SPLITTERS.iter().map(|splitter| splitter.name).collect::<Vec<_>>())
}

const SEPARATORS: &[&str] =
    &[" ", "\n", "\n\n", "  ", "\t", "\r\n", ". ", "? ", "!\" ", "...", "$$", "```\n", "\u{1c}", ".) "];

/// Texts with many separators, and characters of every width.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[a-zA-Z0-9é日🦀_-]{1,9}",
        6 => prop::sample::select(SEPARATORS).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..60).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["", " ", ".", "start", "end", "x*", r"\b", "[", "$", "a|", "english"])
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::collection::vec("[ .\na$*]{0,2}", 0..4).prop_map(Value::from),
        Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_and_no_arguments_lead_to_a_panic(
        splitter in any_splitter(), text in any_text(),
        values in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 0..4),
    ) {
        let known: Vec<_> = SPLITTERS.iter().find(|s| s.name == splitter).expect("there").known().collect();
        let mut kwargs: Map<String, Value> = values.into_iter().map(|(i, v)| (i.get(&known).to_string(), v)).collect();
        kwargs.entry("chunk_overlap").or_insert(Value::from(0));
        match chunks(splitter, &text, &kwargs) {
            Ok(chunks) => prop_assert!(chunks.iter().all(|chunk| !chunk.is_empty())),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidParameter),
        }
    }

    #[test]
    fn chunks_without_overlap_and_stripping_are_the_text(
        splitter in any_splitter(), text in any_text(), size in 1_i64..50,
    ) {
        let mut kwargs = object(json!({"chunk_size": size, "chunk_overlap": 0, "strip_whitespace": false}));
        match splitter {
            "nltk" => kwargs.extend(object(json!({"use_span_tokenize": true, "separator": ""}))),
            "spacy" => kwargs.extend(object(json!({"separator": ""}))),
            _ => kwargs.extend(object(json!({"keep_separator": true}))),
        }
        let joined = chunks(splitter, &text, &kwargs).expect("valid arguments").concat();
        // Punkt leaves out white space at the end.
        let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let whole = if splitter == "nltk" { text.trim_end_matches(is_space) } else { &text };
        prop_assert_eq!(joined, whole);
    }

    #[test]
    fn no_chunk_is_longer_than_asked_where_every_character_may_be_cut(
        splitter in prop::sample::select(vec!["recursive_character", "markdown", "latex", "python"]),
        text in any_text(), size in 2_i64..50, part in 0_i64..=100, keep in any_value(),
    ) {
        let mut kwargs = object(json!({"chunk_size": size, "chunk_overlap": size * part / 100}));
        kwargs.insert("keep_separator".to_owned(), keep);
        if let Ok(chunks) = chunks(splitter, &text, &kwargs) {
            for chunk in chunks {
                prop_assert!(chunk.chars().count() as i64 <= size, "{:?} in {:?}", chunk, text);
            }
        }
    }
}

#[test]
fn long_texts_take_linear_time() {
    const SIZE: usize = 2_000_000;
    let prose =
        "It was the best of times, it was the worst of times. Mr. Smith said: \"No!\" Then\n\nhe left the U.S. ";
    let texts = [
        ("prose", prose.repeat(SIZE / prose.len())),
        ("one word", "a".repeat(SIZE)),
        ("marks", "!".repeat(SIZE)),
        ("dots", ". ".repeat(SIZE / 2)),
        ("brackets", ".)".repeat(SIZE / 2)),
        ("spaces", " ".repeat(SIZE)),
        ("lines", "\n".repeat(SIZE)),
        ("host names", "a.B.".repeat(SIZE / 4)),
    ];
    for splitter in SPLITTERS {
        for (name, text) in &texts {
            let start = Instant::now();
            let mut chunks = Chunks::new(splitter.name, text.as_str(), &Map::new()).expect("valid");
            while chunks.next_chunk(&mut || Ok(())).expect("no error").is_some() {}
            let taken = start.elapsed();
            // Many minutes if it were quadratic.
            assert!(taken < Duration::from_secs(10), "{} of 2 MB of {name} took {taken:?}", splitter.name);
        }
    }
}

#[test]
fn a_cancel_is_heard_within_a_few_milliseconds_of_text() {
    let text = "A sentence of ten words is a piece for every splitter.\n\n".repeat(100_000);
    for splitter in SPLITTERS {
        let run = Run::new();
        let mut chunks = Chunks::new(splitter.name, text.as_str(), &Map::new()).expect("valid");
        let first = chunks.next_chunk(&mut || run.check()).expect("not cancelled");
        assert!(first.is_some());
        run.cancel();
        let error = chunks.next_chunk(&mut || run.check()).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{}", splitter.name);
    }
}

#[test]
fn a_chunk_that_no_text_can_hold_is_an_error_and_no_allocation() {
    let kwargs = object(json!({"separator": "x".repeat(1 << 20), "chunk_size": i64::MAX, "chunk_overlap": 0}));
    let error = chunks("nltk", &"A sentence. ".repeat(100_000), &kwargs).expect_err("100 GB");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}

#[test]
fn any_number_of_separators_needs_no_recursion() {
    let separators: Vec<String> = (0..20_000).map(|i| format!("<{i}>")).collect();
    let text: String = (0..20_000).map(|i| format!("<{i}>")).collect();
    let kwargs = object(json!({"separators": separators, "chunk_size": 1, "chunk_overlap": 0}));
    let mut chunks = Chunks::new("recursive_character", text, &kwargs).expect("valid");
    let mut asked = 0;
    let mut poll = || {
        asked += 1;
        if asked < 100_000 { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "enough")) }
    };
    while let Ok(Some(_)) = chunks.next_chunk(&mut poll) {}
    assert!(asked > 1000);
}
