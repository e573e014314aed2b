//! Texts that grow together when memory is scarce, prompts are alike, requests come and go: each becomes what it is alone.
#![cfg(feature = "transformers")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pgml_core::text::{Event, GenerateArgs, Generated, GenerationBatch, ModelSpec, Prompt, TextGenerator};
use pgml_core::{Error, ErrorKind, Run};
use pgml_models::text::load_generator;

/// What a page of 32 tokens takes in this model: keys and values of 64 numbers in two layers.
const PAGE: u64 = 32 * 2 * 64 * 4 * 2;

const PROMPTS: [&str; 6] = [
    "The river is",
    "The captain keeps a table of",
    "Every morning the ferry crosses",
    "When the wind turns,",
    "Children count the lights on the other side before",
    "a",
];

/// A tiny GPT-2 that knows ten sentences by heart.
fn writer() -> Arc<dyn TextGenerator> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/gguf/writer");
    load_generator(&folder, &ModelSpec::named(""), &Run::new()).expect("it loads")
}

fn args(json: &str) -> GenerateArgs {
    use pgml_core::Hyperparams;
    let serde_json::Value::Object(args) = serde_json::from_str(json).expect("JSON") else { panic!("an object") };
    GenerateArgs::from_json("transform", &args).expect("arguments")
}

fn enter(model: &dyn TextGenerator, batch: &mut dyn GenerationBatch, prompt: &str, args: &GenerateArgs) -> u64 {
    batch.enter(model.prepare(&Prompt::Text(prompt.to_owned()), args, false).expect("a prompt"))
}

/// What has become of requests.
type Ended = BTreeMap<u64, Result<Vec<Generated>, Error>>;

/// Rounds until all have ended.
fn run(batch: &mut dyn GenerationBatch) -> Ended {
    let mut ended = Ended::new();
    for _ in 0..5_000 {
        if batch.is_empty() {
            return ended;
        }
        round(batch, &mut ended);
    }
    panic!("requests do not end");
}

fn round(batch: &mut dyn GenerationBatch, ended: &mut Ended) {
    for (request, event) in batch.round(&Run::new().with_threads(2)) {
        let outcome = match event {
            Event::Piece { .. } => continue,
            Event::Done(texts) => Ok(texts),
            Event::Failed(error) => Err(error),
        };
        assert!(ended.insert(request, outcome).is_none(), "a request ends once");
    }
}

fn alone(model: &dyn TextGenerator, prompt: &str, args: &GenerateArgs) -> Vec<Generated> {
    let mut batch = model.batch(u64::MAX);
    enter(model, &mut *batch, prompt, args);
    run(&mut *batch).into_values().next().expect("it ended").expect("it did well")
}

#[test]
fn texts_that_share_too_little_memory_take_turns_and_become_the_same() {
    let model = writer();
    for form in [
        r#"{"max_new_tokens": 60, "min_new_tokens": 45}"#,
        r#"{"max_new_tokens": 40, "min_new_tokens": 36, "do_sample": true, "seed": 5, "temperature": 2.0}"#,
        r#"{"max_new_tokens": 40, "min_new_tokens": 36, "num_beams": 3}"#,
    ] {
        let args = args(form);
        let wanted: Vec<Vec<Generated>> = PROMPTS.iter().map(|prompt| alone(&*model, prompt, &args)).collect();
        // Room for all; for some; for hardly one with its beams.
        for pages in [1_000, 13, 9] {
            let mut batch = model.batch(pages * PAGE);
            for prompt in PROMPTS {
                enter(&*model, &mut *batch, prompt, &args);
            }
            let got = run(&mut *batch);
            for (outcome, wanted) in got.into_values().zip(&wanted) {
                assert_eq!(&outcome.expect("all fit one after the other"), wanted, "{form}, {pages} pages");
            }
        }
    }
}

#[test]
fn a_text_that_is_larger_than_all_memory_fails_and_the_others_go_on() {
    let model = writer();
    let (short, long) = (args(r#"{"max_new_tokens": 10}"#), args(r#"{"max_new_tokens": 100, "min_new_tokens": 100}"#));
    let mut batch = model.batch(2 * PAGE);
    let large = enter(&*model, &mut *batch, PROMPTS[0], &long);
    let small = enter(&*model, &mut *batch, PROMPTS[1], &short);
    let got = run(&mut *batch);
    let error = got[&large].as_ref().expect_err("it needs four pages");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.hint().is_some_and(|hint| hint.contains("pgml.worker_memory")), "{error}");
    assert_eq!(got[&small], Ok(alone(&*model, PROMPTS[1], &short)));
    // All of it is there again.
    let next = enter(&*model, &mut *batch, PROMPTS[2], &short);
    assert_eq!(run(&mut *batch)[&next], Ok(alone(&*model, PROMPTS[2], &short)));
}

#[test]
fn prompts_that_begin_alike_share_what_was_read_and_go_their_own_ways() {
    let model = writer();
    let args = args(r#"{"max_new_tokens": 12}"#);
    let common = "Every morning the ferry crosses the river and comes back before noon. ";
    let prompts: Vec<String> = ["", "The river", "In winter", "The river is", "In winter the ice is"]
        .map(|end| format!("{common}{end}"))
        .into();
    let wanted: Vec<Vec<Generated>> = prompts.iter().map(|prompt| alone(&*model, prompt, &args)).collect();
    let mut batch = model.batch(u64::MAX);
    // One after the other: each finds those that have ended.
    for (prompt, wanted) in prompts.iter().zip(&wanted) {
        let request = enter(&*model, &mut *batch, prompt, &args);
        assert_eq!(run(&mut *batch)[&request].as_ref(), Ok(wanted), "{prompt}");
    }
    // While others that begin alike still grow.
    let mut batch = model.batch(u64::MAX);
    let (mut requests, mut got) = (Vec::new(), Ended::new());
    for prompt in &prompts {
        requests.push(enter(&*model, &mut *batch, prompt, &args));
        round(&mut *batch, &mut got);
    }
    got.extend(run(&mut *batch));
    for (request, wanted) in requests.iter().zip(&wanted) {
        assert_eq!(got[request].as_ref(), Ok(wanted));
    }
}

#[test]
fn what_is_remembered_of_ended_texts_makes_room_for_new_ones() {
    let model = writer();
    let args = args(r#"{"max_new_tokens": 4}"#);
    let mut batch = model.batch(3 * PAGE);
    for i in 0..20 {
        // Longer than what is too short to be remembered, and none begins like another.
        let prompt = format!("{i} {}", PROMPTS[4]);
        let request = enter(&*model, &mut *batch, &prompt, &args);
        assert_eq!(run(&mut *batch)[&request], Ok(alone(&*model, &prompt, &args)));
    }
}

#[test]
fn who_leaves_is_told_nothing_and_leaves_its_memory_to_the_others() {
    let model = writer();
    let args = args(r#"{"max_new_tokens": 60, "min_new_tokens": 60}"#);
    let mut batch = model.batch(3 * PAGE);
    let first = enter(&*model, &mut *batch, PROMPTS[0], &args);
    let second = enter(&*model, &mut *batch, PROMPTS[1], &args);
    for _ in 0..20 {
        assert_eq!(batch.round(&Run::new()), []);
    }
    batch.leave(first);
    let got = run(&mut *batch);
    assert_eq!(got.keys().collect::<Vec<_>>(), [&second]);
    assert_eq!(got[&second], Ok(alone(&*model, PROMPTS[1], &args)));
    batch.leave(second);
    assert!(batch.is_empty());
}

#[test]
fn weights_that_are_no_numbers_are_an_error() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/gguf/writer/model.gguf");
    let mut bytes = std::fs::read(original).expect("the file");
    let norm = pgml_models::gguf::Gguf::parse(&bytes).expect("a GGUF file");
    let norm = norm.tensors().find(|(name, _)| *name == "output_norm.weight").expect("a norm").1.bytes.clone();
    bytes[norm].chunks_exact_mut(4).for_each(|weight| weight.copy_from_slice(&f32::NAN.to_le_bytes()));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("model.gguf"), bytes).expect("written");
    let model = load_generator(folder.path(), &ModelSpec::named(""), &Run::new()).expect("it loads");
    let mut batch = model.batch(u64::MAX);
    for _ in 0..2 {
        let request = enter(&*model, &mut *batch, PROMPTS[0], &args("{}"));
        let error = run(&mut *batch).remove(&request).expect("it ended").expect_err("no numbers");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.message().contains("NaN"), "{error}");
    }
    // Who asks for it has them replaced, as in transformers.
    let replaced = args(r#"{"remove_invalid_values": true, "max_new_tokens": 3}"#);
    let request = enter(&*model, &mut *batch, PROMPTS[0], &replaced);
    assert!(run(&mut *batch)[&request].is_ok());
}

#[test]
fn a_round_that_is_interrupted_counts_for_nothing() {
    let model = writer();
    let args = args(r#"{"max_new_tokens": 8}"#);
    let mut batch = model.batch(u64::MAX);
    let request = enter(&*model, &mut *batch, PROMPTS[4], &args);
    let cancelled = Run::new();
    cancelled.cancel();
    for _ in 0..3 {
        assert_eq!(batch.round(&cancelled), []);
    }
    assert_eq!(run(&mut *batch)[&request], Ok(alone(&*model, PROMPTS[4], &args)));
}
