//! Every architecture that generates text against `transformers`: scores, greedy continuations, with and without what
//! earlier tokens left behind, alone and in batches.
//! Made by `tests/golden/generators.py` with transformers 5.23.0 and torch 2.15.0.
#![cfg(feature = "transformers")]

mod beams;
mod config_forms;
mod gguf;
mod golden;
mod served;
#[path = "../common/steps.rs"]
mod steps;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use pgml_core::text::ModelSpec;
use pgml_models::device::Placement;
use pgml_models::kernels::Team;
use pgml_models::nn::{CacheMemory, KvCache, SharedCache};
use pgml_models::transformers::{CAUSAL, CausalLm};

use golden::{Case, assert_close, config, folders, load, placements};
use steps::{PLENTY, best};

fn cache(model: &CausalLm) -> SharedCache {
    Arc::new(Mutex::new(steps::cache(model)))
}

/// The scores of the last token of each sequence.
fn step(model: &CausalLm, sequences: &[(&[u32], SharedCache)], threads: usize) -> Vec<Vec<f32>> {
    steps::step(model, sequences, Vec::new(), &Arc::new(Team::new(threads)))
}

/// The tokens of `text` whose keys and values are not in `cache`: the last, or all where others are needed by now.
fn unread<'a>(text: &'a [u32], cache: &SharedCache) -> &'a [u32] {
    let mut cache = cache.lock().expect("nobody panicked");
    cache.expect(text.len());
    &text[cache.len()..]
}

#[test]
fn every_architecture_has_a_golden() {
    let with_golden: BTreeSet<String> = folders()
        .iter()
        .map(|folder| config(folder)["model_type"].as_str().expect("a model_type").to_owned())
        .collect();
    for architecture in CAUSAL {
        let names = architecture.body.model_types;
        assert!(names.iter().any(|name| with_golden.contains(*name)), "{names:?}");
    }
}

#[test]
fn scores_equal_those_of_transformers_however_the_prompt_is_cut() {
    for placement in placements() {
        for folder in folders() {
            let golden = load(&folder, &placement);
            for case in &golden.cases {
                let cuts: BTreeSet<usize> = [0, 1, case.ids.len() / 2, case.ids.len() - 1].into();
                for cut in cuts.into_iter().filter(|cut| *cut < case.ids.len()) {
                    let cache = cache(&golden.model);
                    cache.lock().expect("nobody panicked").expect(case.ids.len());
                    let (before, rest) = case.ids.split_at(cut);
                    if !before.is_empty() {
                        step(&golden.model, &[(before, Arc::clone(&cache))], 1);
                    }
                    let got = step(&golden.model, &[(rest, cache)], 2);
                    let want = &case.logits[case.logits.len() - golden.model.vocabulary()..];
                    assert_close(
                        &got[0],
                        want,
                        &format!("{}, {:?} cut at {cut}, {}", golden.name, case.prompt, placement.name()),
                    );
                }
            }
        }
    }
}

#[test]
fn greedy_continuations_equal_those_of_transformers_token_by_token() {
    for placement in placements() {
        for folder in folders() {
            let golden = load(&folder, &placement);
            // All prompts in one batch: each is as if it were alone.
            let caches: Vec<SharedCache> = golden.cases.iter().map(|_| cache(&golden.model)).collect();
            let mut texts: Vec<Vec<u32>> = golden.cases.iter().map(|case| case.ids.clone()).collect();
            for _ in 0..golden.cases.iter().map(|case| case.greedy.len()).max().unwrap_or(0) {
                let unread = |(text, cache): (&Vec<u32>, &SharedCache)| unread(text, cache).to_vec();
                let next: Vec<Vec<u32>> = texts.iter().zip(&caches).map(unread).collect();
                let sequences: Vec<(&[u32], SharedCache)> =
                    next.iter().zip(&caches).map(|(ids, cache)| (ids.as_slice(), Arc::clone(cache))).collect();
                let rows = step(&golden.model, &sequences, 3);
                texts.iter_mut().zip(&rows).for_each(|(text, row)| text.push(best(row)));
            }
            for (text, case) in texts.iter().zip(&golden.cases) {
                assert_eq!(
                    text[case.ids.len()..][..case.greedy.len()],
                    case.greedy,
                    "{}, {:?}, {}",
                    golden.name,
                    case.prompt,
                    placement.name()
                );
            }
        }
    }
}

#[test]
fn a_sequence_computes_the_same_bits_alone_and_beside_others() {
    for folder in folders() {
        let golden = load(&folder, &Placement::cpu());
        let ids: Vec<&[u32]> = golden.cases.iter().map(|case| case.ids.as_slice()).collect();
        let together: Vec<(&[u32], SharedCache)> = ids.iter().map(|ids| (*ids, cache(&golden.model))).collect();
        let prompts = step(&golden.model, &together, 2);
        let tokens: Vec<[u32; 1]> = prompts.iter().map(|row| [best(row)]).collect();
        let next: Vec<(&[u32], SharedCache)> =
            tokens.iter().zip(&together).map(|(token, (_, cache))| (token.as_slice(), Arc::clone(cache))).collect();
        let seconds = step(&golden.model, &next, 2);
        for (i, ids) in ids.iter().enumerate() {
            let own = cache(&golden.model);
            assert_eq!(step(&golden.model, &[(ids, Arc::clone(&own))], 1)[0], prompts[i], "{}", golden.name);
            assert_eq!(step(&golden.model, &[(&tokens[i], own)], 1)[0], seconds[i], "{}", golden.name);
        }
    }
}

#[test]
fn a_forked_sequence_goes_its_own_way_and_memory_comes_back() {
    for placement in placements() {
        let golden = load(&golden::folder("llama"), &placement);
        let memory = CacheMemory::new(golden.model.layout(), PLENTY);
        let first: SharedCache = Arc::new(Mutex::new(KvCache::new(&memory, placement.on_host())));
        step(&golden.model, &[(&golden.cases[2].ids, Arc::clone(&first))], 1);
        let fork: SharedCache = Arc::new(Mutex::new(first.lock().expect("a cache").clone()));
        let shared = memory.used();
        let apart = step(&golden.model, &[(&[5], Arc::clone(&first)), (&[7], Arc::clone(&fork))], 1);
        assert!(memory.used() > shared, "the page that both go on in was copied");
        for (token, got) in [(5, &apart[0]), (7, &apart[1])] {
            let alone = cache(&golden.model);
            let ids: Vec<u32> = golden.cases[2].ids.iter().copied().chain([token]).collect();
            assert_close(got, &step(&golden.model, &[(&ids, alone)], 1)[0], "a fork");
        }
        drop((first, fork));
        assert_eq!(memory.used(), 0);
    }
}

#[test]
fn room_that_was_made_and_not_used_does_not_bind_two_sequences() {
    let golden = load(&golden::folder("llama"), &Placement::cpu());
    let first = cache(&golden.model);
    first.lock().expect("a cache").reserve(70).expect("plenty of memory");
    let fork: SharedCache = Arc::new(Mutex::new(first.lock().expect("a cache").clone()));
    let ids = &golden.cases[0].ids;
    let alone = step(&golden.model, &[(ids, cache(&golden.model))], 1);
    let both = step(&golden.model, &[(ids, first), (ids, fork)], 1);
    assert_eq!([&both[0], &both[1]], [&alone[0], &alone[0]]);
}

#[test]
fn memory_that_is_used_up_is_an_error_and_what_was_there_stays() {
    let golden = load(&golden::folder("llama"), &Placement::cpu());
    let memory = CacheMemory::new(golden.model.layout(), 2 * golden.model.layout().page_bytes());
    let mut cache = KvCache::new(&memory, true);
    cache.reserve(40).expect("two pages");
    let error = cache.reserve(65).expect_err("a third page");
    assert_eq!(error.kind(), pgml_core::ErrorKind::OutOfMemory);
    assert_eq!(memory.used(), memory.limit());
    drop(cache);
    assert_eq!(memory.used(), 0);
}

#[test]
fn quantised_weights_compute_nearly_the_same() {
    // Rows of 32 random numbers have one scale each, and large weights carry its error far: these bounds say that nothing
    // is out of place, not how good a real model is.
    for (dtype, quantization, tolerance) in
        [(Some("bf16"), None, 0.05), (Some("f16"), None, 1e-3), (None, Some("int8"), 0.15), (None, Some("int4"), 0.9)]
    {
        let spec = ModelSpec {
            dtype: dtype.map(str::to_owned),
            quantization: quantization.map(str::to_owned),
            ..ModelSpec::named("")
        };
        let placement = Placement::of_generator(&spec).expect("a placement");
        for folder in folders() {
            let golden = load(&folder, &placement);
            let mut errors: Vec<f32> = golden.cases.iter().map(|case| relative_error(&golden.model, case)).collect();
            errors.sort_by(f32::total_cmp);
            assert!(errors[0] > 0.0, "{} {dtype:?} {quantization:?} changes nothing", golden.name);
            // Where two experts are nearly as good, rounding may send a token to the other: that prompt ends elsewhere.
            let mixture = config(&folder)["num_experts_per_tok"].is_number();
            let error = errors[if mixture { (errors.len() - 1) / 2 } else { errors.len() - 1 }];
            assert!(error < tolerance, "{} {dtype:?} {quantization:?}: off by {errors:?}", golden.name);
        }
    }
}

/// How far the scores after a prompt are from those of the golden file, in parts of their length.
fn relative_error(model: &CausalLm, case: &Case) -> f32 {
    let got = &step(model, &[(&case.ids, cache(model))], 1)[0];
    let want = &case.logits[case.logits.len() - model.vocabulary()..];
    let square = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>();
    let apart: Vec<f32> = got.iter().zip(want).map(|(a, b)| a - b).collect();
    (square(&apart) / square(want)).sqrt()
}
