//! The checkpoints of `tests/golden/architectures` and what transformers computes with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgml_core::Result;
use pgml_core::text::Tokens;
use pgml_models::checkpoint::Checkpoint;
use pgml_models::device::Placement;
use pgml_models::kernels::Team;
use pgml_models::nn::{PackedBatch, Source};
use pgml_models::transformers::{TextEncoder, encoder};
use serde_json::Value;

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
    pub model: Box<dyn TextEncoder>,
    pub sequences: Vec<Tokens>,
    pub hidden: Vec<Vec<f32>>,
}

/// Where one checkpoint lies.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/architectures").join(name)
}

/// Where all checkpoints lie.
pub fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder("")).expect("the goldens").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

pub fn config(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).expect("config.json")).expect("valid JSON")
}

pub fn load(folder: &Path, placement: &Placement) -> Golden {
    let model = load_model(folder, &config(folder), placement).expect("loads");
    let bytes = std::fs::read(folder.join("golden.safetensors")).expect("golden.safetensors");
    let golden = safetensors::SafeTensors::deserialize(&bytes).expect("valid");
    let words =
        |name: String| -> Vec<[u8; 4]> { golden.tensor(&name).expect("a tensor").data().as_chunks().0.to_vec() };
    let n = golden.len() / 2;
    let ids = |i| words(format!("ids.{i}")).into_iter().map(u32::from_le_bytes).collect();
    Golden {
        name: folder.file_name().expect("a name").to_string_lossy().into_owned(),
        model,
        sequences: (0..n).map(|i| Tokens { ids: ids(i), ..Tokens::default() }).collect(),
        hidden: (0..n).map(|i| words(format!("hidden.{i}")).into_iter().map(f32::from_le_bytes).collect()).collect(),
    }
}

/// The checkpoint in `folder`, read as `config` says.
pub fn load_model(folder: &Path, config: &Value, placement: &Placement) -> Result<Box<dyn TextEncoder>> {
    let architecture = encoder(config["model_type"].as_str().expect("a model_type"))?;
    let checkpoint = Checkpoint::open(folder)?;
    let source = Source { weights: checkpoint.weights().at_or_here(architecture.prefix), placement };
    let model = (architecture.load)(config, &source)?;
    checkpoint.all_used(architecture.ignored)?;
    Ok(model)
}

pub fn run(model: &dyn TextEncoder, sequences: &[&Tokens], threads: usize) -> Vec<f32> {
    let team = Arc::new(Team::new(threads));
    let batch = PackedBatch::new(sequences, &team);
    model.forward(&batch).expect("a forward pass").into_matrix(&team).expect("values").values().to_vec()
}

pub fn assert_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0_f32, |max, x| max.max(x.abs()));
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    println!("{what}: largest difference {:.1e}", worst / scale);
    assert!(worst <= TOLERANCE * scale, "{what}: largest difference {worst:e} among values up to {scale}");
}
