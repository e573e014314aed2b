//! The checkpoints of `tests/golden/generators` and what transformers computes with them.

use std::path::{Path, PathBuf};

use pgml_models::checkpoint::Checkpoint;
use pgml_models::device::Placement;
use pgml_models::nn::Source;
use pgml_models::transformers::{CausalLm, causal};
use serde::Deserialize;

/// Largest difference that rounding in another order may make, relative to values around 1.
const TOLERANCE: f32 = 1e-5;

/// Where it is computed: on the CPU in both forms, and on the device that `cargo xtask test --device` names.
pub fn placements() -> Vec<Placement> {
    let device = std::env::var("PGML_TEST_DEVICE").ok();
    let named = ["cpu", "flex"].into_iter().chain(device.as_deref());
    named.map(|device| Placement::on(device).expect(device)).collect()
}

/// A checkpoint and what it computes.
pub struct Golden {
    pub name: String,
    pub model: CausalLm,
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Case {
    pub prompt: String,
    pub ids: Vec<u32>,
    /// Of the last two tokens, one after the other.
    pub logits: Vec<f32>,
    pub greedy: Vec<u32>,
    /// The best first, filled up with the token that pads.
    #[serde(default)]
    pub beams: Vec<Vec<u32>>,
    #[serde(default)]
    pub beam_scores: Vec<f32>,
}

/// Where one checkpoint lies.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/generators").join(name)
}

/// Where all checkpoints lie.
pub fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder("")).expect("the goldens").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

pub fn config(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).expect("config.json")).expect("valid JSON")
}

pub fn load(folder: &Path, placement: &Placement) -> Golden {
    #[derive(Deserialize)]
    struct Stored {
        cases: Vec<Case>,
    }
    let stored: Stored =
        serde_json::from_slice(&std::fs::read(folder.join("golden.json")).expect("golden.json")).expect("valid JSON");
    let model = load_with(folder, &config(folder), placement).expect("loads");
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    Golden { name, model, cases: stored.cases }
}

/// The checkpoint by another configuration than its own.
pub fn load_with(folder: &Path, config: &serde_json::Value, placement: &Placement) -> pgml_core::Result<CausalLm> {
    let architecture = causal::of_config(config)?;
    let checkpoint = Checkpoint::open(folder)?;
    let model = architecture.load(config, &Source { weights: checkpoint.weights(), placement })?;
    checkpoint.all_used(&["attn.bias"])?;
    Ok(model)
}

pub fn assert_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0_f32, |max, x| max.max(x.abs()));
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    assert!(worst <= TOLERANCE * scale, "{what}: largest difference {worst:e} among values up to {scale}");
}
