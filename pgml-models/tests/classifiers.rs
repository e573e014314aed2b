//! Classifications against transformers' pipelines: the same JSON, scores to 1e-4.
//! Made by `tests/golden/classifiers.py` with transformers 5.23.0 and torch 2.15.0.
#![cfg(feature = "transformers")]

use std::path::{Path, PathBuf};

use pgml_core::Run;
use pgml_core::text::{ModelSpec, TextPipeline, TextTask};
use pgml_models::text::load_pipeline;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Golden {
    task: String,
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    args: Map<String, Value>,
    answers: Vec<Value>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/classifiers").join(name)
}

fn load(name: &str) -> (std::sync::Arc<dyn TextPipeline>, Golden) {
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(folder(name).join("golden.json")).expect("golden.json")).expect("JSON");
    let task = TextTask::named(&golden.task).expect("known");
    (load_pipeline(&folder(name), task, &ModelSpec::named(name), &Run::new()).expect("loads"), golden)
}

/// Equal but for numbers, which may differ by 1e-4.
fn assert_alike(got: &Value, want: &Value, what: &str) {
    match (got, want) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            assert!((a - b).abs() < 1e-4, "{what}: {a} is not {b}");
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| assert_alike(a, b, what));
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for (key, b) in b {
                assert_alike(a.get(key).unwrap_or(&Value::Null), b, what);
            }
        }
        _ => assert_eq!(got, want, "{what}"),
    }
}

#[test]
fn answers_equal_those_of_transformers() {
    for name in ["bert", "distilbert", "several", "inference", "bart"] {
        let (model, golden) = load(name);
        let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
        for case in &golden.cases {
            let answers = model.answer(&texts, &case.args, &Run::new()).expect("works");
            for ((got, want), text) in answers.iter().zip(&case.answers).zip(&texts) {
                assert_alike(got, want, &format!("{name}, {:?}, {text:?}", case.args));
            }
        }
    }
}

#[test]
fn a_model_that_judges_nothing_cannot_choose_among_labels() {
    let refused = load_pipeline(&folder("bert"), TextTask::ZeroShotClassification, &ModelSpec::named("m"), &Run::new());
    let error = refused.err().expect("no entailment");
    assert!(error.message().contains("good, bad, neither"), "{}", error.message());
}

#[test]
fn labels_without_names_are_numbered() {
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(folder("bert").join(file), copy.path().join(file)).expect("copied");
    }
    let path = copy.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
    config["id2label"] = Value::Null;
    config["num_labels"] = json!(3);
    std::fs::write(&path, config.to_string()).expect("written");
    let model =
        load_pipeline(copy.path(), TextTask::TextClassification, &ModelSpec::named("m"), &Run::new()).expect("loads");
    let answers = model.answer(&["x"], &Map::new(), &Run::new()).expect("works");
    assert!(answers[0]["label"].as_str().expect("a label").starts_with("LABEL_"), "{answers:?}");
}
