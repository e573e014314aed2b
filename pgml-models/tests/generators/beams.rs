//! Beam search over models: forked caches and all.

use std::sync::{Arc, Mutex};

use pgml_core::Hyperparams;
use pgml_core::text::GenerateArgs;
use pgml_models::generation::{Branch, Completion, Generation, GenerationSettings, Prompt, Wanted};
use pgml_models::nn::SharedCache;
use serde_json::json;

use super::golden::{Case, Golden, config, folder, folders, load, placements};
use super::{cache, step, unread};

/// What `golden.json` fills beams up with.
const PAD: u32 = 1;

#[test]
fn beams_equal_those_of_transformers_token_by_token_and_so_do_their_scores() {
    for placement in placements() {
        for folder in folders() {
            let golden = load(&folder, &placement);
            for case in &golden.cases {
                let what = format!("{}, {:?}, {}", golden.name, case.prompt, placement.name());
                let found = searched(&golden, case);
                assert_eq!(found.len(), case.beams.len(), "{what}");
                for (i, (found, want)) in found.iter().zip(&case.beams).enumerate() {
                    let (tokens, rest) = want.split_at(found.tokens.len().min(want.len()));
                    assert_eq!(found.tokens, tokens, "{what}, beam {i}");
                    assert!(rest.iter().all(|token| *token == PAD), "{what}, beam {i} ends early: {rest:?}");
                    let (score, want) = (found.score.expect("a score"), case.beam_scores[i]);
                    assert!((score - want).abs() < 1e-4, "{what}, beam {i}: {score} instead of {want}");
                }
            }
        }
    }
}

/// The texts that beam search ends with.
fn searched(golden: &Golden, case: &Case) -> Vec<Completion> {
    let serde_json::Value::Object(config) = config(&folder(&golden.name)) else { panic!("config.json is an object") };
    let args = json!({"max_new_tokens": 12, "num_beams": 3, "num_return_sequences": 3, "do_sample": false});
    let args = GenerateArgs::from_json("generate", args.as_object().expect("an object")).expect("known arguments");
    let settings = GenerationSettings::resolve(&[&config], &args, None).expect("settings");
    let mut generation = Generation::start(&Prompt::of(&case.ids), &settings, None, None, 0).expect("begins");
    let mut branches: Vec<(Vec<u32>, SharedCache)> = Vec::new();
    while !generation.is_done() {
        branches = match generation.wanted() {
            Wanted::Prompt(tokens) => vec![(tokens.to_vec(), cache(&golden.model))],
            Wanted::Next(next) => next.iter().map(|branch| continued(&branches[branch.parent], branch)).collect(),
        };
        let next: Vec<Vec<u32>> = branches.iter().map(|(text, cache)| unread(text, cache).to_vec()).collect();
        let sequences: Vec<(&[u32], SharedCache)> =
            next.iter().zip(&branches).map(|(ids, (_, cache))| (ids.as_slice(), Arc::clone(cache))).collect();
        generation.advance(&mut step(&golden.model, &sequences, 2).concat()).expect("tokens");
    }
    generation.finish().expect("texts")
}

/// A text with one more token, and a fork of what was kept of it.
fn continued((text, kept): &(Vec<u32>, SharedCache), branch: &Branch) -> (Vec<u32>, SharedCache) {
    let kept = kept.lock().expect("nobody panicked").clone();
    ([text.as_slice(), &[branch.token]].concat(), Arc::new(Mutex::new(kept)))
}
