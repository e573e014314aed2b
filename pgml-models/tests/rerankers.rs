//! Cross-encoders against sentence-transformers: scores of pairs of texts by tiny seeded checkpoints.
//! Made by `tests/golden/rerankers.py` with sentence-transformers 6.2.0, transformers 5.23.0 and torch 2.15.0.
#![cfg(feature = "transformers")]

use std::path::{Path, PathBuf};

use pgml_core::text::{ModelSpec, RankArgs, Reranker};
use pgml_core::{ErrorKind, Hyperparams, Run};
use pgml_models::text::load_reranker;
use serde::Deserialize;
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    pairs: Vec<(String, String)>,
    logits: Vec<f64>,
    scores: Vec<f64>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/rerankers").join(name)
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder("")).expect("the goldens").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

fn golden(folder: &Path) -> Golden {
    serde_json::from_slice(&std::fs::read(folder.join("golden.json")).expect("golden.json")).expect("valid")
}

fn args(json: Value) -> RankArgs {
    RankArgs::from_json("rank", json.as_object().expect("an object")).expect("valid")
}

fn on(device: &str) -> ModelSpec {
    ModelSpec { device: Some(device.to_owned()), ..ModelSpec::named("golden") }
}

/// The scores of all pairs in one batch.
fn scores(model: &dyn Reranker, pairs: &[(String, String)], args: &RankArgs) -> Vec<f64> {
    let tokens: Vec<_> =
        pairs.iter().flat_map(|(query, document)| model.tokenize(query, &[document]).expect("tokens")).collect();
    let batch: Vec<_> = tokens.iter().collect();
    model.score_tokens(&batch, args, &Run::new()).expect("scores")
}

fn assert_close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= TOLERANCE * b.abs().max(1.0), "{what}, pair {i}: {a} and {b}");
    }
}

#[test]
fn scores_equal_those_of_sentence_transformers() {
    let device = std::env::var("PGML_TEST_DEVICE").ok();
    for device in ["cpu", "flex"].into_iter().chain(device.as_deref()) {
        for folder in folders() {
            let (model, golden) = (load_reranker(&folder, &on(device), &Run::new()).expect("loads"), golden(&folder));
            let what = format!("{}, {device}", folder.display());
            assert_close(&scores(&*model, &golden.pairs, &args(json!({}))), &golden.scores, &what);
            assert_close(
                &scores(&*model, &golden.pairs, &args(json!({"activation": "identity"}))),
                &golden.logits,
                &what,
            );
            for (pair, want) in golden.pairs.iter().zip(&golden.scores) {
                assert_close(&scores(&*model, std::slice::from_ref(pair), &args(json!({}))), &[*want], &what);
            }
        }
    }
}

#[test]
fn documents_come_best_first() {
    let folder = folder("modernbert");
    let (model, golden) = (load_reranker(&folder, &on("cpu"), &Run::new()).expect("loads"), golden(&folder));
    let (query, n) = (&golden.pairs[0].0, golden.pairs.len() - 1);
    let documents: Vec<&str> = golden.pairs[..n].iter().map(|(_, document)| document.as_str()).collect();
    let ranked =
        model.rank(query, &documents, &args(json!({"top_k": 3, "batch_size": 2})), &Run::new()).expect("ranked");
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| golden.scores[*b].total_cmp(&golden.scores[*a]));
    assert_eq!(ranked.iter().map(|ranked| ranked.index).collect::<Vec<_>>(), order[..3]);
}

/// A golden's folder with other fields in its configuration.
fn changed(name: &str, changes: &Value) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(folder(name)).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
    }
    let path = copy.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("valid");
    for (field, value) in changes.as_object().expect("an object") {
        config[field] = value.clone();
    }
    std::fs::write(path, config.to_string()).expect("written");
    copy
}

#[test]
fn models_that_cannot_rank_say_why() {
    let three = json!({"id2label": {"0": "contradiction", "1": "entailment", "2": "neutral"}});
    let activation = json!({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Softplus"});
    for (name, changes, message) in [
        ("bert", three, "the model has 3 labels; a model that ranks has one"),
        ("bert", activation, "the reranker's activation \"torch.nn.modules.activation.Softplus\""),
        ("bert", json!({"model_type": "t5"}), "models of type \"t5\" cannot rank here"),
    ] {
        let error = load_reranker(changed(name, &changes).path(), &on("cpu"), &Run::new()).err().expect(message);
        assert_eq!(error.kind(), ErrorKind::NotSupported, "{}", error.message());
        assert!(error.message().starts_with(message), "{}", error.message());
    }
}

#[test]
fn a_checkpoint_without_its_head_is_an_error() {
    let folder = changed("bert", &json!({}));
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/architectures/bert/model.safetensors");
    std::fs::copy(plain, folder.path().join("model.safetensors")).expect("copied");
    let error = load_reranker(folder.path(), &on("cpu"), &Run::new()).err().expect("no classifier");
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert_eq!(error.message(), "the checkpoint has no tensor \"classifier.weight\"");
}
