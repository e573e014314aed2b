//! Generations on tiny models, replayed: the logits that `tests/golden/generation.py` stored go in, and the same branches,
//! scores and texts must come out as from transformers.
#![cfg(feature = "generation")]

use std::path::Path;
use std::sync::Arc;

use pgml_core::Hyperparams;
use pgml_core::text::GenerateArgs;
use pgml_models::generation::{
    Branch, Completion, FinishReason, Generation, GenerationSettings, Prompt, Release, TextDecoder, Texts, Wanted,
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Goldens {
    rows: Vec<Vec<i32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    settings: Map<String, Value>,
    encoder: Option<Vec<u32>>,
    prompt: Vec<u32>,
    steps: Vec<Step>,
    sequences: Vec<Vec<u32>>,
    scores: Option<Vec<f32>>,
    texts: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Step {
    parents: Option<Vec<usize>>,
    tokens: Option<Vec<u32>>,
    logits: Vec<usize>,
    scores: Vec<(usize, f64)>,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn goldens() -> Goldens {
    let text = std::fs::read_to_string(folder().join("generation.json")).expect("the golden file is there");
    serde_json::from_str(&text).expect("the golden file is read")
}

fn texts() -> Texts {
    let tokenizer = tokenizers::Tokenizer::from_file(folder().join("generation/byte_level.json")).expect("a tokenizer");
    Texts { decoder: Arc::new(TextDecoder::new(Arc::new(tokenizer))), release: Release::Tokens }
}

/// How many scores are finite, and their sum, weighted by their places.
fn digest(scores: &[f32]) -> (usize, f64) {
    let finite = scores.iter().enumerate().filter(|(_, x)| x.is_finite() && **x > f32::MIN);
    finite.fold((0, 0.0), |(count, sum), (i, x)| (count + 1, sum + f64::from(*x) * (1 + i % 7) as f64))
}

/// Replays one case; `context` names it where something differs.
fn replay(case: &Case, rows: &[Vec<i32>], context: &str) -> Vec<Completion> {
    let args = GenerateArgs::from_json("generate", &case.settings).expect(context);
    let settings = GenerationSettings::resolve(&[], &args, None).expect(context);
    let prompt = Prompt { tokens: &case.prompt, encoder: case.encoder.as_deref() };
    let texts = case.texts.is_some().then(texts);
    let mut generation = Generation::start(&prompt, &settings, texts, None, 0).expect(context);
    for (i, step) in case.steps.iter().enumerate() {
        let context = format!("{context}, step {i}");
        match (generation.wanted(), &step.parents, &step.tokens) {
            (Wanted::Prompt(tokens), None, None) => assert_eq!(tokens, case.prompt, "{context}"),
            (Wanted::Next(branches), Some(parents), Some(tokens)) => {
                let branch = |(&parent, &token)| Branch { parent, token };
                let wanted: Vec<Branch> = parents.iter().zip(tokens).map(branch).collect();
                assert_eq!(branches, wanted, "{context}");
            }
            (wanted, ..) => panic!("{context}: {wanted:?}"),
        }
        let row = |row: &usize| rows[*row].iter().map(|x| *x as f32 / 1000.0);
        let mut logits: Vec<f32> = step.logits.iter().flat_map(row).collect();
        generation.advance(&mut logits).expect(&context);
        for (scores, wanted) in logits.chunks(rows[0].len()).zip(&step.scores) {
            let (count, sum) = digest(scores);
            assert_eq!(count, wanted.0, "{context}");
            assert!((sum - wanted.1).abs() <= 1e-5 * wanted.1.abs().max(100.0), "{context}: {sum} for {}", wanted.1);
        }
    }
    assert!(generation.is_done(), "{context}: goes on");
    generation.finish().expect(context)
}

#[test]
fn every_setting_gives_transformers_branches_scores_and_texts() {
    let Goldens { rows, cases } = goldens();
    for case in &cases {
        let context = Value::from(case.settings.clone()).to_string();
        let completions = replay(case, &rows, &context);
        let tokens: Vec<&Vec<u32>> = completions.iter().map(|completion| &completion.tokens).collect();
        assert_eq!(tokens, case.sequences.iter().collect::<Vec<_>>(), "{context}");
        for (completion, wanted) in completions.iter().zip(case.scores.iter().flatten()) {
            let score = completion.score.expect(&context);
            assert!((score - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{context}: {score} for {wanted}");
        }
        for (completion, wanted) in completions.iter().zip(case.texts.iter().flatten()) {
            assert_eq!(completion.text.as_deref(), Some(wanted.as_str()), "{context}");
        }
    }
    assert!(cases.len() > 40);
}

#[test]
fn a_stop_string_of_openais_ends_the_same_tokens_and_is_cut_off_their_text() {
    let Goldens { rows, mut cases } = goldens();
    let mut cut = 0;
    for case in &mut cases {
        let Some(Value::String(stop)) = case.settings.remove("stop_strings") else { continue };
        case.settings.insert("stop".to_owned(), stop.as_str().into());
        let completions = replay(case, &rows, &stop);
        for (i, completion) in completions.iter().enumerate() {
            assert_eq!(completion.tokens, case.sequences[i], "{stop}");
            let whole = &case.texts.as_ref().expect("texts")[i];
            let stopped = completion.finished == FinishReason::Stop;
            // The text lacks the names of tokens that are no text, of which the stop string may have a part.
            let shown = (0..=stop.len()).rev().find(|n| stopped && whole.ends_with(&stop[..*n])).unwrap_or(0);
            assert_eq!(completion.text.as_deref(), Some(&whole[..whole.len() - shown]), "{stop}");
            cut += usize::from(shown > 0);
        }
    }
    assert!(cut > 0, "no text was cut");
}
