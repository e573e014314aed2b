//! The state machine as its callers meet it.

use pgml_core::text::GenerateArgs;
use pgml_core::{Error, ErrorKind, Hyperparams, Result};
use serde_json::{Value, json};

use super::*;

const VOCABULARY: usize = 12;

fn settings(args: Value) -> Result<GenerationSettings> {
    let args = GenerateArgs::from_json("transform", args.as_object().expect("an object"))?;
    GenerationSettings::resolve(&[], &args, None)
}

/// The logits of a model that looks at the last token alone.
fn logits(token: u32) -> impl Iterator<Item = f32> {
    (0..VOCABULARY as u32).map(move |id| ((id * 7 + token * 5) % 12) as f32 / 4.0)
}

/// Runs a generation to its end; `seen` gets each round's branches.
fn run(generation: &mut Generation, mut seen: impl FnMut(&[Branch])) -> Result<()> {
    while !generation.is_done() {
        let mut rows: Vec<f32> = match generation.wanted() {
            Wanted::Prompt(tokens) => tokens.last().into_iter().flat_map(|token| logits(*token)).collect(),
            Wanted::Next(branches) => {
                seen(branches);
                branches.iter().flat_map(|branch| logits(branch.token)).collect()
            }
        };
        generation.advance(&mut rows)?;
    }
    Ok(())
}

fn generate(args: Value, seed: u64) -> Result<Vec<Completion>> {
    let mut generation = Generation::start(&Prompt::of(&[1, 2]), &settings(args)?, None, None, seed)?;
    run(&mut generation, |_| {})?;
    generation.finish()
}

#[test]
fn one_seed_gives_the_same_texts_and_another_others() {
    let args = json!({"do_sample": true, "num_return_sequences": 5, "max_new_tokens": 12, "eos_token_id": 3});
    let first = generate(args.clone(), 7).expect("works");
    assert_eq!(first, generate(args.clone(), 7).expect("works"));
    assert_ne!(first, generate(args, 8).expect("works"));
    let lengths: Vec<usize> = first.iter().map(|text| text.tokens.len()).collect();
    assert!(lengths.iter().any(|n| *n < 12), "some end early: {lengths:?}");
    for text in &first {
        let reason = if text.tokens.ends_with(&[3]) { FinishReason::Stop } else { FinishReason::Length };
        assert_eq!(text.finished, reason);
    }
}

#[test]
fn a_text_does_not_depend_on_how_many_are_drawn_beside_it() {
    let args = |n: usize| json!({"do_sample": true, "num_return_sequences": n, "max_new_tokens": 9, "eos_token_id": 3});
    let many = generate(args(6), 1).expect("works");
    assert_eq!(generate(args(2), 1).expect("works"), many[..2]);
}

#[test]
fn branches_name_their_parents_in_the_round_before() {
    let args = json!({"do_sample": true, "num_return_sequences": 4, "max_new_tokens": 15, "eos_token_id": [3, 5]});
    let mut generation =
        Generation::start(&Prompt::of(&[1, 2]), &settings(args).expect("valid"), None, None, 3).expect("begins");
    let mut before = 1;
    run(&mut generation, |branches| {
        assert!(branches.iter().all(|branch| branch.parent < before));
        before = branches.len();
    })
    .expect("works");
    assert_eq!(generation.finish().expect("done").len(), 4);
}

#[test]
fn the_best_of_several_is_the_most_probable() {
    let args = json!({"n": 2, "best_of": 8, "max_tokens": 6, "temperature": 1.0});
    let best = generate(args, 5).expect("works");
    assert_eq!(best.len(), 2);
    assert!(best[0].score >= best[1].score && best[1].score.is_some());
}

#[test]
fn beams_that_are_drawn_are_as_many_as_asked_for() {
    let args = json!({"num_beams": 3, "do_sample": true, "num_return_sequences": 3, "max_new_tokens": 5});
    let texts = generate(args.clone(), 2).expect("works");
    assert_eq!(texts.len(), 3);
    assert_eq!(texts, generate(args, 2).expect("works"));
}

#[test]
fn openai_names_mean_what_they_mean_there() {
    let sdk = settings(json!({"temperature": 0.8, "max_tokens": 1000, "top_p": 1, "presence_penalty": 0}));
    let sdk = sdk.expect("valid");
    assert!(sdk.do_sample && sdk.max_new_tokens == Some(1000));
    assert!(
        !settings(json!({"temperature": 0.8, "max_new_tokens": 10})).expect("valid").do_sample,
        "transformers' rule"
    );
    assert!(!settings(json!({"temperature": 0, "max_tokens": 10})).expect("valid").do_sample);
    assert_eq!(settings(json!({"logit_bias": {"5": -100}})).expect("valid").sequence_bias, [(vec![5], -100.0)]);
}

#[test]
fn a_caller_goes_before_a_checkpoint() {
    let checkpoint = json!({"do_sample": true, "temperature": 0.6, "max_new_tokens": 99, "eos_token_id": [2, 3],
                            "transformers_version": "4.40.0", "top_p": null});
    let args = GenerateArgs { max_length: Some(7), temperature: Some(0.9), ..GenerateArgs::default() };
    let merged =
        GenerationSettings::resolve(&[checkpoint.as_object().expect("an object")], &args, None).expect("valid");
    assert_eq!((merged.max_new_tokens, merged.max_length, merged.temperature), (None, Some(7), 0.9));
    assert_eq!((merged.do_sample, merged.eos_token_id), (true, vec![2, 3]));
}

#[test]
fn refusals_say_what_is_wrong() {
    for (args, message) in [
        (json!({"num_return_sequences": 2}), "greedy generation without beams makes one text, not 2"),
        (json!({"num_beams": 2, "num_return_sequences": 3}), "num_return_sequences is 3, but can be at most num_beams"),
        (json!({"max_length": 2}), "the prompt has 2 tokens, but max_length is 2"),
        (json!({"do_sample": true, "temperature": 0}), "temperature is 0, but must be greater than 0"),
        (
            json!({"early_stopping": "ever"}),
            "argument \"early_stopping\" is \"ever\", but must be true, false or \"never\"",
        ),
        (json!({"bad_words_ids": [[]]}), "argument \"bad_words_ids\" is [[]], but must be lists of tokens"),
        (json!({"bad_words_ids": [[99]]}), "bad_words_ids has the token 99, but the model's vocabulary has 12"),
        (json!({"max_tokens": 3, "max_new_tokens": 4}), "max_new_tokens is 4 and max_tokens is 3"),
        (json!({"n": 3, "best_of": 2}), "best_of is 2, but must be at least"),
        (json!({"logprobs": true}), "logprobs are not returned"),
        (json!({"stop": "x"}), "stop strings need a tokenizer"),
        (json!({"eos_token": "x"}), "\"eos_token\" needs a tokenizer"),
        (json!({"suppress_tokens": (0..12).collect::<Vec<_>>()}), "the arguments leave no token that may come next"),
        (json!({"stop": [""]}), "argument \"stop\" is [\"\"], but must be a text that is not empty"),
    ] {
        let error = generate(args, 0).expect_err(message);
        assert!(error.message().starts_with(message), "{error}");
    }
}

#[test]
fn bad_logits_are_errors() {
    let start = || Generation::start(&Prompt::of(&[1]), &GenerationSettings::default(), None, None, 0).expect("begins");
    for bad in [f32::NAN, f32::INFINITY] {
        let error = start().advance(&mut [0.0, bad, 1.0]).expect_err("refused");
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::InvalidData, "the model produced NaN or infinite numbers")
        );
    }
    assert_eq!(start().advance(&mut []).map_err(|e| e.kind()), Err(ErrorKind::WrongDimension));
    let mut generation = start();
    generation.advance(&mut [0.0, 1.0]).expect("works");
    assert_eq!(generation.advance(&mut [0.0; 3]).map_err(|e| e.kind()), Err(ErrorKind::WrongDimension));
    let replaced = GenerationSettings { remove_invalid_values: true, ..GenerationSettings::default() };
    for num_beams in [1, 2] {
        let settings = GenerationSettings { num_beams, ..replaced.clone() };
        let mut generation = Generation::start(&Prompt::of(&[1]), &settings, None, None, 0).expect("begins");
        generation.advance(&mut [f32::NAN, -1.0, f32::NEG_INFINITY]).expect("replaced");
    }
}

#[test]
fn an_empty_prompt_begins_with_the_models_own_token() {
    let error =
        Generation::start(&Prompt::of(&[]), &GenerationSettings::default(), None, None, 0).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let settings = GenerationSettings { bos_token_id: Some(4), ..GenerationSettings::default() };
    let generation = Generation::start(&Prompt::of(&[]), &settings, None, None, 0).expect("begins");
    assert_eq!(generation.wanted(), Wanted::Prompt(&[4]));
}

/// Allows one list of tokens.
#[derive(Debug)]
struct Exactly(Vec<u32>);

impl Constraint for Exactly {
    fn mask(&mut self, scores: &mut [f32]) -> Result<()> {
        let allowed = self.0.first().copied().ok_or_else(|| Error::new(ErrorKind::Internal, "asked after its end"))?;
        let others = scores.iter_mut().zip(0..).filter(|(_, id)| *id != allowed);
        others.for_each(|(score, _)| *score = f32::NEG_INFINITY);
        Ok(())
    }

    fn advance(&mut self, token: u32) -> Result<()> {
        assert_eq!(self.0.remove(0), token);
        Ok(())
    }

    fn fork(&self) -> Box<dyn Constraint> {
        Box::new(Self(self.0.clone()))
    }
}

#[test]
fn a_constraint_decides_whatever_the_way() {
    for args in
        [json!({}), json!({"do_sample": true}), json!({"num_beams": 3}), json!({"num_beams": 2, "do_sample": true})]
    {
        let mut settings = settings(args).expect("valid");
        settings.eos_token_id = vec![3];
        let constraint = Box::new(Exactly(vec![9, 0, 9, 3]));
        let mut generation =
            Generation::start(&Prompt::of(&[1]), &settings, None, Some(constraint), 0).expect("begins");
        run(&mut generation, |_| {}).expect("works");
        let texts = generation.finish().expect("done");
        assert_eq!((texts.len(), texts[0].tokens.as_slice()), (1, [9, 0, 9, 3].as_slice()));
    }
}

#[test]
fn drawn_tokens_follow_the_models_distribution() {
    let draws = 1024;
    let args = json!({"do_sample": true, "top_k": 0, "num_return_sequences": draws, "max_new_tokens": 1});
    let texts = generate(args, 11).expect("works");
    let weights: Vec<f64> = logits(2).map(|x| f64::from(x).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut counts = [0_u32; VOCABULARY];
    texts.iter().for_each(|text| counts[text.tokens[0] as usize] += 1);
    let chi_squared: f64 = counts.iter().zip(weights).fold(0.0, |sum, (count, weight)| {
        let expected = weight / total * f64::from(draws);
        sum + (f64::from(*count) - expected).powi(2) / expected
    });
    // The 99.9th percentile with 11 degrees of freedom.
    assert!(chi_squared < 31.3, "{chi_squared}");
}

#[test]
fn no_settings_and_no_logits_make_it_panic() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut finished = 0;
    for round in 0..4000 {
        let small = |rng: &mut fastrand::Rng| if rng.bool() { 0 } else { rng.usize(0..6) };
        let unit = |rng: &mut fastrand::Rng| if rng.bool() { 1.0 } else { rng.f64() };
        let tokens = |rng: &mut fastrand::Rng| (0..small(rng)).map(|_| rng.u32(0..14)).collect::<Vec<u32>>();
        let settings = GenerationSettings {
            max_new_tokens: rng.bool().then(|| rng.usize(0..9)),
            max_length: rng.bool().then(|| rng.usize(0..9)),
            context: rng.bool().then(|| rng.usize(0..12)),
            min_length: small(&mut rng),
            min_new_tokens: if round % 50 == 0 { usize::MAX } else { small(&mut rng) },
            do_sample: rng.bool(),
            temperature: [1.0, 1e-44, 0.5, 1e30][rng.usize(0..4)],
            top_k: small(&mut rng),
            top_p: unit(&mut rng),
            min_p: rng.bool().then(|| unit(&mut rng)),
            typical_p: unit(&mut rng),
            epsilon_cutoff: 1.0 - unit(&mut rng),
            eta_cutoff: 1.0 - unit(&mut rng),
            top_h: rng.bool().then(|| unit(&mut rng)),
            repetition_penalty: [1.0, 1e-300, 1.5][rng.usize(0..3)],
            presence_penalty: rng.f32(),
            no_repeat_ngram_size: small(&mut rng),
            encoder_no_repeat_ngram_size: small(&mut rng),
            suppress_tokens: tokens(&mut rng),
            bad_words_ids: vec![tokens(&mut rng); small(&mut rng)],
            sequence_bias: vec![(tokens(&mut rng), f32::MAX); small(&mut rng)],
            forced_eos_token_id: tokens(&mut rng),
            exponential_decay_length_penalty: rng.bool().then(|| (small(&mut rng), 1e300)),
            remove_invalid_values: rng.bool(),
            renormalize_logits: rng.bool(),
            num_beams: rng.usize(0..5),
            early_stopping: [EarlyStopping::Yes, EarlyStopping::No, EarlyStopping::Never][rng.usize(0..3)],
            length_penalty: [1.0, -500.0, 500.0, 0.0][rng.usize(0..4)],
            num_return_sequences: rng.usize(0..4),
            best_of: rng.usize(0..4),
            eos_token_id: tokens(&mut rng),
            ..GenerationSettings::default()
        };
        let prompt = tokens(&mut rng);
        let Ok(mut generation) = Generation::start(&Prompt::of(&prompt), &settings, None, None, round) else {
            continue;
        };
        let strange = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0];
        for _ in 0..40 {
            let rows = match generation.wanted() {
                Wanted::Prompt(_) => 1,
                Wanted::Next(branches) => branches.len(),
            };
            let number = |_| if rng.u8(0..60) == 0 { strange[rng.usize(0..6)] } else { rng.f32() * 9.0 - 4.0 };
            let mut logits: Vec<f32> = (0..rows * VOCABULARY).map(number).collect();
            if generation.is_done() || generation.advance(&mut logits).is_err() {
                break;
            }
        }
        finished += usize::from(generation.finish().is_ok());
    }
    assert!(finished > 200, "{finished}");
}
