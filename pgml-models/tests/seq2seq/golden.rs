//! The checkpoints of `tests/golden/seq2seq` and what transformers makes with them.

use std::path::{Path, PathBuf};

use pgml_models::checkpoint::Checkpoint;
use pgml_models::device::Placement;
use pgml_models::nn::Source;
use pgml_models::transformers::{Seq2SeqLm, seq2seq};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest difference that rounding in another order may make, relative to values around 1.
const TOLERANCE: f32 = 1e-5;

/// Where it is computed: on the CPU in both forms, and on the device that `cargo xtask test --device` names.
pub fn placements() -> Vec<Placement> {
    let device = std::env::var("PGML_TEST_DEVICE").ok();
    let named = ["cpu", "flex"].into_iter().chain(device.as_deref());
    named.map(|device| Placement::on(device).expect(device)).collect()
}

/// What one checkpoint makes.
#[derive(Deserialize)]
pub struct Golden {
    pub cases: Vec<Case>,
    pub pipelines: Vec<Pipeline>,
}

#[derive(Deserialize)]
pub struct Case {
    pub text: String,
    /// The text, as the encoder reads it.
    pub ids: Vec<u32>,
    /// A beginning of what is made of it.
    pub decoder_ids: Vec<u32>,
    /// Behind the first token of the beginning and behind its last.
    pub logits: Vec<f32>,
    /// Of `NEW_TOKENS` tokens at most, with what the decoder begins with.
    pub greedy: Vec<u32>,
    /// The best of as many beams.
    pub beams: Vec<Vec<u32>>,
}

/// What a pipeline of transformers answers.
#[derive(Deserialize)]
pub struct Pipeline {
    pub task: String,
    pub args: Map<String, Value>,
    pub inputs: Vec<String>,
    pub answer: Value,
}

/// Tokens that `greedy` and `beams` have beside the first.
pub const NEW_TOKENS: u32 = 10;

/// Where all checkpoints lie.
pub fn folders() -> Vec<PathBuf> {
    let all = folder("");
    let entries = std::fs::read_dir(all).expect("the goldens").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/seq2seq").join(name)
}

pub fn golden(folder: &Path) -> Golden {
    serde_json::from_slice(&std::fs::read(folder.join("golden.json")).expect("golden.json")).expect("valid JSON")
}

pub fn config(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).expect("config.json")).expect("valid JSON")
}

pub fn load(folder: &Path, placement: &Placement) -> Seq2SeqLm {
    let config = config(folder);
    let architecture = seq2seq::of_config(&config).expect("known");
    let checkpoint = Checkpoint::open(folder).expect("opens");
    let model = (architecture.load)(&config, &Source { weights: checkpoint.weights(), placement }).expect("loads");
    checkpoint.all_used(architecture.ignored).expect("every tensor is used");
    model
}

pub fn assert_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0_f32, |max, x| max.max(x.abs()));
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    assert!(worst <= TOLERANCE * scale, "{what}: largest difference {worst:e} among values up to {scale}");
}
