//! The same numbers in every type and in shards. The goldens hold bfloat16, which both other types can hold.

use std::collections::BTreeMap;
use std::path::Path;

use pgml_models::checkpoint::Checkpoint;
use pgml_models::device::Placement;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::golden::{assert_close, folder, load, run};

const NAME: &str = "bert";

/// Name, shape and values of the golden's tensors.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors() -> Tensors {
    let bytes = std::fs::read(folder(NAME).join("model.safetensors")).expect("read");
    let stored = safetensors::SafeTensors::deserialize(&bytes).expect("valid");
    let checkpoint = Checkpoint::open(&folder(NAME)).expect("opens");
    let values = |name: &str, shape: &[usize]| checkpoint.weights().floats(name, shape).expect("read").into_owned();
    let all = stored.tensors().into_iter();
    all.map(|(name, view)| (name.clone(), (view.shape().to_vec(), values(&name, view.shape())))).collect()
}

fn write(path: &Path, tensors: &Tensors, dtype: Dtype) {
    let bytes = |values: &[f32]| -> Vec<u8> {
        match dtype {
            Dtype::F16 => values.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    };
    let stored: Vec<_> = tensors.iter().map(|(name, (shape, values))| (name, shape.clone(), bytes(values))).collect();
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(dtype, shape.clone(), bytes).expect("valid")));
    std::fs::write(path, safetensors::serialize(views, None).expect("serialises")).expect("written");
}

/// A folder with the golden's configuration and results, and no weights yet.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["config.json", "golden.safetensors"] {
        std::fs::copy(folder(NAME).join(name), copy.path().join(name)).expect("copied");
    }
    copy
}

fn assert_golden(folder: &Path, what: &str) {
    let golden = load(folder, &Placement::cpu());
    for (sequence, want) in golden.sequences.iter().zip(&golden.hidden) {
        assert_close(&run(&*golden.model, &[sequence], 1), want, what);
    }
}

#[test]
fn single_and_half_precision_checkpoints_compute_the_same() {
    for dtype in [Dtype::F32, Dtype::F16] {
        let copy = copy();
        write(&copy.path().join("model.safetensors"), &tensors(), dtype);
        assert_golden(copy.path(), &format!("{dtype:?}"));
    }
}

#[test]
fn a_sharded_checkpoint_computes_the_same_and_a_lost_shard_is_named() {
    let copy = copy();
    let all = tensors();
    let mut weight_map = BTreeMap::new();
    for shard in 0..3 {
        let file = format!("model-{:05}-of-00003.safetensors", shard + 1);
        let part: Tensors =
            all.clone().into_iter().enumerate().filter(|(i, _)| i % 3 == shard).map(|(_, x)| x).collect();
        weight_map.extend(part.keys().map(|name| (name.clone(), file.clone())));
        write(&copy.path().join(&file), &part, if shard == 1 { Dtype::F16 } else { Dtype::F32 });
    }
    let index = json!({"metadata": {}, "weight_map": weight_map});
    std::fs::write(copy.path().join("model.safetensors.index.json"), index.to_string()).expect("written");
    assert_golden(copy.path(), "three shards");
    std::fs::remove_file(copy.path().join("model-00002-of-00003.safetensors")).expect("removed");
    let error = Checkpoint::open(copy.path()).expect_err("a shard is gone");
    assert!(error.message().contains("model-00002-of-00003.safetensors"), "{}", error.message());
}
