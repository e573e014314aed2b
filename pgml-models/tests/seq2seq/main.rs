//! Every architecture with encoder and decoder against `transformers`: scores, greedy and beam search, and the answers of the
//! pipelines, alone and in batches.
//! Made by `tests/golden/seq2seq.py` with transformers 4.48.3 (some with 5.23.0) and torch 2.15.0.
#![cfg(feature = "transformers")]

mod golden;
mod pipelines;
#[path = "../common/steps.rs"]
mod steps;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use pgml_core::Hyperparams;
use pgml_core::text::{GenerateArgs, ModelSpec, Tokens};
use pgml_models::device::Placement;
use pgml_models::generation::{Generation, GenerationSettings, Prompt, Wanted};
use pgml_models::kernels::Team;
use pgml_models::nn::{KvCache, PackedBatch, SharedCache};
use pgml_models::transformers::{SEQ2SEQ, Seq2SeqLm};
use serde_json::{Map, Value, json};

use golden::{Case, NEW_TOKENS, assert_close, config, folders, load, placements};
use steps::best;

/// A model and what its texts take.
struct Running {
    model: Seq2SeqLm,
    team: Arc<Team>,
}

impl Running {
    fn new(model: Seq2SeqLm, threads: usize) -> Self {
        Self { model, team: Arc::new(Team::new(threads)) }
    }

    fn cache(&self) -> KvCache {
        steps::cache(&self.model.decoder)
    }

    fn read(&self, texts: &[&[u32]]) -> Vec<Arc<KvCache>> {
        let tokens: Vec<Tokens> = texts.iter().map(|ids| Tokens { ids: ids.to_vec(), ..Tokens::default() }).collect();
        let batch = PackedBatch::new(&tokens.iter().collect::<Vec<_>>(), &self.team);
        let mut caches: Vec<KvCache> = texts.iter().map(|_| self.cache()).collect();
        caches.iter_mut().zip(texts).for_each(|(cache, ids)| cache.reserve(ids.len()).expect("plenty of memory"));
        self.model.reader.read(&batch, &mut caches).expect("an encoder's pass");
        caches.into_iter().map(Arc::new).collect()
    }

    /// The scores of the last token of each sequence.
    fn step(&self, sequences: &[(&[u32], SharedCache)], sources: Vec<Arc<KvCache>>) -> Vec<Vec<f32>> {
        steps::step(&self.model.decoder, sequences, sources, &self.team)
    }

    fn shared(&self) -> SharedCache {
        Arc::new(Mutex::new(self.cache()))
    }

    /// What a generation by these arguments makes of a text: tokens without the first, best first.
    fn generate(&self, ids: &[u32], defaults: &[&Map<String, Value>], args: &Value) -> Vec<Vec<u32>> {
        let args = GenerateArgs::from_json("generation", args.as_object().expect("an object")).expect("valid");
        let settings = GenerationSettings::resolve(defaults, &args, None).expect("valid");
        let prompt = Prompt { tokens: &[], encoder: Some(ids) };
        let mut generation = Generation::start(&prompt, &settings, None, None, 0).expect("starts");
        let source = self.read(&[ids]).remove(0);
        let mut caches: Vec<SharedCache> = vec![self.shared()];
        while !generation.is_done() {
            let next: Vec<Vec<u32>> = match generation.wanted() {
                Wanted::Prompt(tokens) => vec![tokens.to_vec()],
                Wanted::Next(branches) => {
                    let fork = |parent: usize| caches[parent].lock().expect("a cache").clone();
                    caches = branches.iter().map(|branch| Arc::new(Mutex::new(fork(branch.parent)))).collect();
                    branches.iter().map(|branch| vec![branch.token]).collect()
                }
            };
            let sequences: Vec<(&[u32], SharedCache)> =
                next.iter().zip(&caches).map(|(ids, cache)| (ids.as_slice(), Arc::clone(cache))).collect();
            let sources = vec![Arc::clone(&source); sequences.len()];
            generation.advance(&mut self.step(&sequences, sources).concat()).expect("goes on");
        }
        generation.finish().expect("finished").into_iter().map(|text| text.tokens).collect()
    }
}

fn json_file(folder: &std::path::Path, name: &str) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(folder.join(name)).expect(name)).expect("an object")
}

#[test]
fn every_architecture_has_a_golden() {
    let with_golden: BTreeSet<String> = folders()
        .iter()
        .map(|folder| config(folder)["model_type"].as_str().expect("a model_type").to_owned())
        .collect();
    for architecture in SEQ2SEQ {
        for name in architecture.model_types {
            assert!(with_golden.contains(*name), "{name}");
        }
    }
}

#[test]
fn scores_equal_those_of_transformers_however_the_beginning_is_cut() {
    for placement in placements() {
        for folder in folders() {
            let running = Running::new(load(&folder, &placement), 2);
            for Case { text, ids, decoder_ids, logits, .. } in golden::golden(&folder).cases {
                let what = format!("{}, {text:?}, {}", folder.display(), placement.name());
                let source = running.read(&[&ids]);
                let (first, last) = logits.split_at(logits.len() / 2);
                let got = running.step(&[(&decoder_ids[..1], running.shared())], source.clone());
                assert_close(&got[0], first, &what);
                for cut in [0, 1, 5, decoder_ids.len() - 1] {
                    let cache = running.shared();
                    let (before, rest) = decoder_ids.split_at(cut);
                    if !before.is_empty() {
                        running.step(&[(before, Arc::clone(&cache))], source.clone());
                    }
                    let got = running.step(&[(rest, cache)], source.clone());
                    assert_close(&got[0], last, &format!("{what} cut at {cut}"));
                }
            }
        }
    }
}

#[test]
fn greedy_and_beam_search_equal_those_of_transformers_token_by_token() {
    for placement in placements() {
        for folder in folders() {
            let running = Running::new(load(&folder, &placement), 1);
            let own = json_file(&folder, "generation_config.json");
            for Case { text, ids, greedy, beams, .. } in golden::golden(&folder).cases {
                let what = format!("{}, {text:?}, {}", folder.display(), placement.name());
                let args = json!({"max_new_tokens": NEW_TOKENS, "num_beams": 1});
                let got = running.generate(&ids, &[&own], &args);
                assert_eq!(got[0], greedy[1..], "{what}");
                let n = beams.len();
                let args = json!({"max_new_tokens": NEW_TOKENS, "num_beams": n, "num_return_sequences": n});
                let pad = own.get("pad_token_id").and_then(Value::as_u64).unwrap_or(0) as u32;
                let padded = |mut tokens: Vec<u32>| {
                    tokens.resize(beams[0].len() - 1, pad);
                    tokens
                };
                let got: Vec<Vec<u32>> = running.generate(&ids, &[&own], &args).into_iter().map(padded).collect();
                let want: Vec<Vec<u32>> = beams.iter().map(|tokens| tokens[1..].to_vec()).collect();
                assert_eq!(got, want, "{what}");
            }
        }
    }
}

#[test]
fn a_text_computes_the_same_bits_alone_and_beside_others() {
    for folder in folders() {
        let running = Running::new(load(&folder, &Placement::cpu()), 2);
        let cases = golden::golden(&folder).cases;
        let texts: Vec<&[u32]> = cases.iter().map(|case| case.ids.as_slice()).collect();
        let beginnings: Vec<&[u32]> = (1..).zip(&cases).map(|(n, case)| &case.decoder_ids[..n]).collect();
        let step = |running: &Running, which: &[usize]| {
            let sources = running.read(&which.iter().map(|i| texts[*i]).collect::<Vec<_>>());
            let sequences: Vec<(&[u32], SharedCache)> =
                which.iter().map(|i| (beginnings[*i], running.shared())).collect();
            let first = running.step(&sequences, sources.clone());
            let tokens: Vec<[u32; 1]> = first.iter().map(|row| [best(row)]).collect();
            let next: Vec<(&[u32], SharedCache)> = tokens
                .iter()
                .zip(&sequences)
                .map(|(token, (_, cache))| (token.as_slice(), Arc::clone(cache)))
                .collect();
            [first, running.step(&next, sources)]
        };
        let together = step(&running, &(0..cases.len()).collect::<Vec<_>>());
        let one_thread = Running::new(load(&folder, &Placement::cpu()), 1);
        let [first, second] = together;
        for (i, both) in first.iter().zip(&second).enumerate() {
            let alone = step(&one_thread, &[i]);
            assert_eq!((&alone[0][0], &alone[1][0]), both, "{}", folder.display());
        }
    }
}

#[test]
fn quantised_weights_compute_nearly_the_same() {
    // Rows of 32 random numbers have one scale each: these bounds say that nothing is out of place.
    for (dtype, quantization, tolerance) in
        [(Some("bf16"), None, 0.05), (Some("f16"), None, 1e-3), (None, Some("int8"), 0.15)]
    {
        let spec = ModelSpec {
            dtype: dtype.map(str::to_owned),
            quantization: quantization.map(str::to_owned),
            ..ModelSpec::named("")
        };
        let placement = Placement::of_generator(&spec).expect("a placement");
        for folder in folders() {
            let running = Running::new(load(&folder, &placement), 1);
            for Case { ids, decoder_ids, logits, .. } in golden::golden(&folder).cases {
                let got = running.step(&[(&decoder_ids, running.shared())], running.read(&[&ids])).remove(0);
                let want = &logits[logits.len() / 2..];
                let square = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>();
                let apart: Vec<f32> = got.iter().zip(want).map(|(a, b)| a - b).collect();
                let error = (square(&apart) / square(want)).sqrt();
                let what = format!("{} {dtype:?} {quantization:?}", folder.display());
                assert!(error < tolerance && error > 0.0, "{what}: off by {error}");
            }
        }
    }
}
