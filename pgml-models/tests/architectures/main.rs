//! Every architecture against `transformers`: the last hidden states of tiny seeded checkpoints.
//! Made by `tests/golden/architectures.py` with transformers 5.23.0 and torch 2.15.0.
#![cfg(feature = "transformers")]

mod checkpoint_forms;
mod config_forms;
mod golden;

use std::collections::BTreeSet;
use std::sync::Arc;

use pgml_core::text::Tokens;
use pgml_models::device::Placement;
use pgml_models::kernels::Team;
use pgml_models::nn::PackedBatch;
use pgml_models::transformers::ENCODERS;

use golden::{assert_close, config, folders, load, placements, run};

#[test]
fn every_architecture_has_a_golden() {
    let with_golden: BTreeSet<String> = folders()
        .iter()
        .map(|folder| config(folder)["model_type"].as_str().expect("a model_type").to_owned())
        .collect();
    for architecture in ENCODERS {
        assert!(
            architecture.model_types.iter().any(|name| with_golden.contains(*name)),
            "{:?}",
            architecture.model_types
        );
    }
}

#[test]
fn last_hidden_states_equal_those_of_transformers() {
    for placement in placements() {
        for folder in folders() {
            let golden = load(&folder, &placement);
            for (i, (sequence, want)) in golden.sequences.iter().zip(&golden.hidden).enumerate() {
                let what = format!("{}, sequence {i}, {}", golden.name, placement.name());
                assert_close(&run(&*golden.model, &[sequence], 1), want, &what);
            }
        }
    }
}

#[test]
fn a_batch_equals_its_sequences_one_by_one() {
    for placement in placements() {
        for folder in folders() {
            let golden = load(&folder, &placement);
            let sequences: Vec<&Tokens> = golden.sequences.iter().collect();
            for threads in [1, 3] {
                let what = format!("{}, {threads} threads, {}", golden.name, placement.name());
                assert_close(&run(&*golden.model, &sequences, threads), &golden.hidden.concat(), &what);
            }
        }
    }
}

#[test]
fn a_token_beyond_the_vocabulary_is_an_error() {
    for folder in folders() {
        let golden = load(&folder, &Placement::cpu());
        let tokens = Tokens { ids: vec![3, 1_000_000], ..Tokens::default() };
        let error = golden.model.forward(&PackedBatch::new(&[&tokens], &Arc::new(Team::new(1)))).err();
        assert!(error.is_some_and(|e| e.kind() == pgml_core::ErrorKind::InvalidData), "{}", golden.name);
    }
}
