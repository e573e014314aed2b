//! The real weights of all-MiniLM-L6-v2 against sentence-transformers 6.2.0, on 301 varied texts.
//! Made by `tests/golden/sentences.py`; `PGML_MINILM` names the model's folder, as `cargo xtask test` provisions it.
#![cfg(feature = "transformers")]

use std::path::{Path, PathBuf};

use half::f16;
use pgml_core::Run;
use pgml_core::text::{EmbedArgs, Embedder, ModelSpec};
use pgml_models::text::SentenceEmbedder;

/// The least cosine to the reference's vectors.
const COSINE: f64 = 0.999_99;

fn folder() -> PathBuf {
    std::env::var_os("PGML_MINILM").map(PathBuf::from).expect("PGML_MINILM names the folder of all-MiniLM-L6-v2")
}

fn model(spec: &ModelSpec) -> SentenceEmbedder {
    SentenceEmbedder::load(&folder(), spec, &Run::new()).expect("loads")
}

fn golden() -> (Vec<String>, Vec<Vec<f32>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let texts = std::fs::read(folder.join("sentences.json")).expect("sentences.json");
    let bytes = std::fs::read(folder.join("sentences.safetensors")).expect("sentences.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("valid");
    let values: Vec<f32> = tensors
        .tensor("vectors")
        .expect("vectors")
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|pair| f16::from_le_bytes(*pair).to_f32())
        .collect();
    (serde_json::from_slice(&texts).expect("texts"), values.chunks(384).map(<[f32]>::to_vec).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn least_cosine(model: &dyn Embedder, args: &EmbedArgs, threads: usize) -> f64 {
    let (texts, want) = golden();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = model.embed(&texts, args, &Run::new().with_threads(threads)).expect("embeds");
    assert_eq!(vectors.len(), want.len());
    vectors.iter().zip(&want).map(|(a, b)| cosine(a, b)).fold(1.0, f64::min)
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let model = model(&ModelSpec::named("minilm"));
    assert_eq!(model.dimensions(), 384);
    for threads in [1, 2] {
        let least = least_cosine(&model, &EmbedArgs::default(), threads);
        assert!(least >= COSINE, "{threads} threads: cosine {least}");
    }
}

#[test]
fn half_the_bits_and_a_quarter_of_them_stay_close() {
    for (spec, cosine) in [
        (ModelSpec { dtype: Some("bf16".to_owned()), ..ModelSpec::named("minilm") }, 0.9995),
        (ModelSpec { quantization: Some("int8".to_owned()), ..ModelSpec::named("minilm") }, 0.99),
    ] {
        let least = least_cosine(&model(&spec), &EmbedArgs::default(), 2);
        assert!(least >= cosine, "{spec:?}: cosine {least}");
    }
}

#[test]
fn a_text_gives_the_same_vector_alone_and_in_any_batch() {
    let model = model(&ModelSpec::named("minilm"));
    let (texts, _) = golden();
    let some: Vec<&str> = texts.iter().step_by(7).map(String::as_str).collect();
    let args = EmbedArgs { batch_size: 5, ..EmbedArgs::default() };
    let batched = model.embed(&some, &args, &Run::new()).expect("embeds");
    for (text, vector) in some.iter().zip(&batched) {
        let alone = model.embed(&[text], &args, &Run::new()).expect("embeds");
        assert!(cosine(&alone[0], vector) > 0.999_999_9, "{text:?}");
    }
}

#[test]
fn a_prompt_stands_in_front_and_an_unknown_prompt_name_is_an_error() {
    let model = model(&ModelSpec::named("minilm"));
    let args = |prompt: Option<&str>, name: Option<&str>| EmbedArgs {
        prompt: prompt.map(str::to_owned),
        prompt_name: name.map(str::to_owned),
        ..EmbedArgs::default()
    };
    let run = Run::new();
    let prompted = model.embed(&["a cat"], &args(Some("query: "), None), &run).expect("embeds");
    let written_out = model.embed(&["query: a cat"], &args(None, None), &run).expect("embeds");
    assert_eq!(prompted, written_out);
    let error = model.embed(&["a cat"], &args(None, Some("query")), &run).expect_err("no such prompt");
    assert_eq!(error.message(), "unknown prompt of this model \"query\"");
}

#[cfg(feature = "hub")]
#[expect(dead_code, reason = "a test has no arguments for the example's main")]
#[path = "../examples/search.rs"]
mod search;

#[cfg(feature = "hub")]
#[test]
fn the_example_finds_what_is_meant() {
    let lines = [
        "PostgreSQL replays its write-ahead log after a crash.",
        "Bake the bread for forty minutes until it is golden.",
        "A random forest averages many decision trees.",
    ];
    let found = search::nearest(&folder(), "How do I make a loaf?", &lines).expect("finds");
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].1, lines[1]);
    assert!(found[0].0 > found[1].0 + 0.1 && found[1].0 >= found[2].0, "{found:?}");
}
