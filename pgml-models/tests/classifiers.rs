//! Classifications against transformers' pipelines: the same JSON, scores to 1e-4.
//! Made by `tests/golden/classifiers.py` with transformers 5.23.0 and torch 2.15.0.
#![cfg(feature = "transformers")]

#[path = "common/answers.rs"]
mod answers;

use std::path::PathBuf;

use pgml_core::Run;
use pgml_core::text::{ModelSpec, TextPipeline, TextTask};
use pgml_models::text::load_pipeline;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use answers::{Case, assert_alike, load_on};

#[derive(Deserialize)]
struct Golden {
    task: String,
    texts: Vec<String>,
    cases: Vec<Case>,
}

fn folder(name: &str) -> PathBuf {
    answers::folder("classifiers", name)
}

fn load(name: &str) -> (std::sync::Arc<dyn TextPipeline>, Golden) {
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(folder(name).join("golden.json")).expect("golden.json")).expect("JSON");
    (load_on("cpu", &folder(name), &golden.task), golden)
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
