//! Tasks against transformers' pipelines: the same JSON, scores to 1e-4.
//! Made by `tests/golden/tasks.py` with transformers 5.23.0 (question-answering: 4.48.3) and torch 2.15.0.
#![cfg(feature = "transformers")]

#[path = "common/answers.rs"]
mod answers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pgml_core::text::{ModelSpec, TableToken, TextPipeline, TextTask, Tokens};
use pgml_core::{ErrorKind, Run};
use pgml_models::text::{load_pipeline, task_of};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use answers::{Case, assert_alike, load_on};

#[derive(Deserialize)]
struct Golden {
    /// Texts, or JSON objects.
    inputs: Vec<Value>,
    cases: Vec<Case>,
}

fn folder(name: &str) -> PathBuf {
    answers::folder("tasks", name)
}

/// Every checkpoint's name, with what it answers by task.
fn goldens() -> Vec<(String, BTreeMap<String, Golden>)> {
    let mut goldens: Vec<_> = std::fs::read_dir(folder(""))
        .expect("the goldens")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let json = std::fs::read(entry.path().join("golden.json")).expect("golden.json");
            (entry.file_name().into_string().expect("a name"), serde_json::from_slice(&json).expect("valid"))
        })
        .collect();
    goldens.sort_by(|a: &(String, _), b| a.0.cmp(&b.0));
    goldens
}

fn load(name: &str, task: &str) -> Arc<dyn TextPipeline> {
    load_on("cpu", &folder(name), task)
}

/// As SQL passes it.
fn text(input: &Value) -> String {
    input.as_str().map_or_else(|| input.to_string(), str::to_owned)
}

fn object(json: Value) -> Map<String, Value> {
    json.as_object().expect("an object").clone()
}

#[test]
fn answers_equal_those_of_transformers() {
    let device = std::env::var("PGML_TEST_DEVICE").ok();
    let mut wrong = Vec::new();
    for device in ["cpu", "flex"].into_iter().chain(device.as_deref()) {
        for (name, tasks) in goldens() {
            for (task, golden) in tasks {
                let model = load_on(device, &folder(&name), &task);
                let texts: Vec<String> = golden.inputs.iter().map(text).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                for case in golden.cases {
                    let compare = || {
                        let answers = model.answer(&texts, &case.args, &Run::new()).expect("works");
                        for ((got, want), text) in answers.iter().zip(&case.answers).zip(&texts) {
                            assert_alike(got, want, &format!("{text:?}: {got} is not {want}"));
                        }
                    };
                    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).is_err() {
                        wrong.push(format!("{name} on {device}, {task}, {}", Value::from(case.args)));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_head_computes_the_same_bits_alone_and_beside_others() {
    for (name, tasks) in goldens() {
        for (task, golden) in tasks {
            let model = load(&name, &task);
            let args = &golden.cases[0].args;
            let asked = |input: &Value| model.ask(&text(input), args).expect("valid").sequences;
            let sequences: Vec<Tokens> = golden.inputs.iter().flat_map(asked).collect();
            let together: Vec<&Tokens> = sequences.iter().collect();
            let together = model.compute(&together, &Run::new()).expect("works");
            for (sequence, beside) in sequences.iter().zip(&together) {
                let alone = model.compute(&[sequence], &Run::new()).expect("works");
                // DeBERTa's attention pads.
                let alike = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
                let same = alone[0] == *beside || name.starts_with("deberta") && alone[0].iter().zip(beside).all(alike);
                assert!(same, "{name}, {task}");
            }
        }
    }
}

#[test]
fn a_task_follows_from_a_checkpoint() {
    assert_eq!(task_of(&folder("bert")).expect("known"), TextTask::TokenClassification);
    assert_eq!(task_of(&folder("modernbert_answers")).expect("known"), TextTask::QuestionAnswering);
    assert_eq!(task_of(&folder("gpt2")).expect("known"), TextTask::TextClassification);
}

#[test]
fn what_a_model_cannot_do_is_said() {
    let refused = |name: &str, task| load_pipeline(&folder(name), task, &ModelSpec::named("m"), &Run::new()).err();
    let error = refused("gte", TextTask::QuestionAnswering).expect("no such head");
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::NotSupported, "models of type \"gte\" cannot find answers here")
    );
    // The head is there for transformers, not in this checkpoint.
    let error =
        refused("nomic_bert", TextTask::TextClassification).map_or_else(String::new, |e| e.message().to_owned());
    assert_eq!(error, "");
    let error = refused("deberta_v2_own", TextTask::TokenClassification).expect("no such tensors");
    assert_eq!(error.message(), "the checkpoint has no tensor \"classifier.weight\"");
}

#[test]
fn bad_inputs_and_arguments_are_errors_that_say_what_to_do() {
    let long = "x ".repeat(200);
    let asked = json!({"question": "who ".repeat(40), "context": long}).to_string();
    let said = |task: &str, input: &str, args: Value| {
        let error = load("bert", task).ask(input, &object(args)).err().unwrap_or_else(|| panic!("{task} refuses"));
        let more = [error.detail(), error.hint()].map(Option::unwrap_or_default);
        format!("{} {}", error.message(), more.join(" "))
    };
    for (task, input, args, word) in [
        ("fill-mask", "no gap", json!({}), "write [MASK]"),
        ("fill-mask", long.as_str(), json!({}), "truncation"),
        ("fill-mask", "a [MASK]", json!({"targets": []}), "targets"),
        ("fill-mask", "a [MASK]", json!({"top_k": 0}), "top_k"),
        ("feature-extraction", long.as_str(), json!({}), "the model reads 64 at most"),
        ("token-classification", "x", json!({"stride": 4}), "aggregation_strategy"),
        (
            "token-classification",
            long.as_str(),
            json!({"stride": 40, "aggregation_strategy": "simple"}),
            "lower stride",
        ),
        ("token-classification", "x", json!({"aggregation": "max"}), "aggregation_strategy"),
        ("question-answering", "who?", json!({}), "\"question\""),
        ("question-answering", asked.as_str(), json!({}), "ask in fewer words"),
        ("question-answering", asked.as_str(), json!({"max_seq_len": 100}), "reads 64 tokens"),
    ] {
        let said = said(task, input, args);
        assert!(said.contains(word), "{task}: {said}");
    }
}

#[test]
fn texts_that_are_too_long_are_cut_where_the_caller_says_so() {
    let long = format!("a [MASK] {}", "x ".repeat(200));
    let args = object(json!({"tokenizer_kwargs": {"truncation": true}, "top_k": 1}));
    let answers = load("bert", "fill-mask").answer(&[&long], &args, &Run::new()).expect("works");
    assert!(answers[0][0]["sequence"].is_string(), "{answers:?}");
    let features = load("bert", "feature-extraction");
    let answers = features.answer(&[&long], &object(json!({"truncation": true})), &Run::new()).expect("works");
    assert_eq!(answers[0][0].as_array().map(Vec::len), Some(32));
}

#[test]
fn sentences_are_compared_by_their_vectors() {
    let input = json!({"source_sentence": "The ferry was late", "sentences": ["The ferry was late", "水"]}).to_string();
    let answers = load("bert", "sentence-similarity").answer(&[&input], &Map::new(), &Run::new()).expect("works");
    let cosines: Vec<f64> = answers[0].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
    assert!((cosines[0] - 1.0).abs() < 1e-6 && cosines[1] < 0.999, "{cosines:?}");
}

#[derive(Deserialize)]
struct TableTokens {
    ids: Vec<u32>,
    types: Vec<[u32; 7]>,
}

#[test]
fn tables_are_read_as_transformers_reads_them() {
    for (name, tasks) in goldens().into_iter().filter(|(name, _)| name.starts_with("tapas")) {
        let json = std::fs::read(folder(&name).join("tokens.json")).expect("tokens.json");
        let wanted: Vec<TableTokens> = serde_json::from_slice(&json).expect("valid");
        let model = load(&name, "table-question-answering");
        let asked = |input: &Value| model.ask(&text(input), &Map::new()).expect("valid").sequences;
        let got: Vec<Tokens> = tasks["table-question-answering"].inputs.iter().flat_map(asked).collect();
        assert_eq!(got.len(), wanted.len());
        for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            assert_eq!(got.ids, wanted.ids, "{name}, question {i}");
            let types = |(cell, part): (&TableToken, &u32)| {
                [*part, cell.column, cell.row, cell.answered, cell.rank, cell.rank_from_end, cell.relation]
            };
            let types: Vec<[u32; 7]> = got.cells.iter().zip(&got.type_ids).map(types).collect();
            assert_eq!(types, wanted.types, "{name}, question {i}");
        }
    }
}

#[derive(Deserialize)]
struct Conversation {
    input: String,
    answer: Value,
}

#[test]
fn questions_that_mean_the_answers_before_are_told_them() {
    let json = std::fs::read(folder("tapas").join("conversations.json")).expect("conversations.json");
    let conversations: Vec<Conversation> = serde_json::from_slice(&json).expect("valid");
    for device in ["cpu", "flex"] {
        let model = load_on(device, &folder("tapas"), "table-question-answering");
        for Conversation { input, answer } in &conversations {
            let got = model.answer(&[input], &object(json!({"sequential": true})), &Run::new()).expect("works");
            assert_eq!(got[0], *answer, "{input}");
        }
    }
}

/// A copy of a checkpoint that has its list of words, as `settings` read it, in place of `tokenizer.json`.
fn with_words_alone(name: &str, settings: Value) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(folder(name).join(file), copy.path().join(file)).expect("copied");
    }
    let json = std::fs::read(folder(name).join("tokenizer.json")).expect("tokenizer.json");
    let tokenizer: Value = serde_json::from_slice(&json).expect("valid");
    let words = tokenizer["model"]["vocab"].as_object().expect("a vocabulary");
    let mut words: Vec<(&String, u64)> = words.iter().map(|(word, id)| (word, id.as_u64().expect("an id"))).collect();
    words.sort_by_key(|(_, id)| *id);
    let words: String = words.into_iter().map(|(word, _)| format!("{word}\n")).collect();
    std::fs::write(copy.path().join("vocab.txt"), words).expect("written");
    std::fs::write(copy.path().join("tokenizer_config.json"), settings.to_string()).expect("written");
    copy
}

#[test]
fn without_tokenizer_json_the_list_of_words_cuts_texts_the_same_way() {
    for (name, tasks, settings) in [
        (
            "bert",
            &["fill-mask", "token-classification", "question-answering"][..],
            json!({"do_lower_case": false, "model_max_length": 32}),
        ),
        (
            "distilbert",
            &["fill-mask", "token-classification"],
            json!({"model_input_names": ["input_ids"], "model_max_length": 32}),
        ),
        ("tapas", &["table-question-answering"], json!({"tokenizer_class": "TapasTokenizer", "model_max_length": 90})),
    ] {
        let copy = with_words_alone(name, settings);
        let goldens = goldens().into_iter().find(|(known, _)| known == name).expect("a golden").1;
        for task in tasks {
            let kind = TextTask::named(task).expect("known");
            let own = load_pipeline(copy.path(), kind, &ModelSpec::named(name), &Run::new()).expect("loads");
            for input in &goldens[*task].inputs {
                let asked = |model: &dyn TextPipeline| model.ask(&text(input), &Map::new()).expect("valid").sequences;
                assert_eq!(asked(&*own), asked(&*load(name, task)), "{name}, {task}");
            }
        }
    }
}

#[test]
fn lists_of_words_that_cannot_be_used_are_refused() {
    let refused = |settings: Value| {
        let copy = with_words_alone("bert", settings);
        let loaded = load_pipeline(copy.path(), TextTask::FillMask, &ModelSpec::named("m"), &Run::new());
        loaded.err().map_or_else(String::new, |error| error.message().to_owned())
    };
    assert!(refused(json!({"do_basic_tokenize": false})).contains("do_basic_tokenize false is not supported"));
    assert!(refused(json!({"tokenizer_class": "BertJapaneseTokenizer"})).contains("no tokenizer.json"));
    assert!(refused(json!({"cls_token": "[NONE]"})).contains("no token [NONE]"));
    let beyond = json!({"added_tokens_decoder": {"9000": {"content": "[NEW]"}}});
    assert!(refused(beyond).contains("\"[NEW]\" cannot have the number 9000"));
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let model = load("tapas", "table-question-answering");
    let refused = |input: Value, args: Value| {
        model.ask(&input.to_string(), &object(args)).err().map_or_else(String::new, |error| error.message().to_owned())
    };
    let long = json!({"table": {"a": ["x"]}, "query": "who ".repeat(200)});
    assert!(refused(long, json!({})).contains("the model reads 90 at most"));
    let wide: Map<String, Value> = (0..90).map(|i| (i.to_string(), json!(["x"]))).collect();
    assert!(refused(json!({"table": wide, "query": "q"}), json!({})).contains("has 90 columns"));
}
