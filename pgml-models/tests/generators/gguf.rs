//! The same checkpoints in GGUF files, made by `tests/golden/gguf_models.py` with gguf 0.19.0 and confirmed with
//! llama-cpp-python 0.3.36.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pgml_core::ErrorKind;
use pgml_core::text::ModelSpec;
use pgml_models::device::Placement;
use pgml_models::nn::Source;
use pgml_models::text::{GgufModel, load_generator};
use pgml_models::transformers::{CausalLm, causal};
use serde::Deserialize;

use super::golden::{Case, assert_close, placements};
use super::{cache, golden, step};

#[rustfmt::skip]
const NAMES: [&str; 31] = [
    "gpt2", "writer", "llama", "llama_3", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi", "phi_old", "phi3", "phi3_long", "mixtral",
    "mixtral_old", "qwen2_moe", "qwen3_moe", "starcoder2", "falcon", "falcon_groups", "falcon_one_norm", "gpt_neox",
    "gpt_neox_serial", "olmo", "olmo2", "bloom", "mpt", "stablelm", "cohere", "granite", "smollm3",
];

/// The parts of the file that is in three.
const PARTS: [&str; 3] = ["model-00001-of-00003.gguf", "model-00002-of-00003.gguf", "model-00003-of-00003.gguf"];

fn folder(name: &str) -> PathBuf {
    golden::folder("").join("../gguf").join(name)
}

fn read(name: &str) -> GgufModel {
    let file = if name == "mixtral" { PARTS[0] } else { "model.gguf" };
    GgufModel::read(&folder(name).join(file)).expect(name)
}

fn load(name: &str, placement: &Placement) -> CausalLm {
    let model = read(name);
    let config = model.config.into();
    let architecture = causal::of_config(&config).expect("known");
    let weights = model.checkpoint.weights();
    let loaded = architecture.load(&config, &Source { weights, placement }).expect(name);
    model.checkpoint.all_used(&[]).expect("every tensor is used");
    loaded
}

fn cases(name: &str) -> Vec<Case> {
    #[derive(Deserialize)]
    struct Stored {
        cases: Vec<Case>,
    }
    let own = folder(name).join("golden.json");
    // The older form of a file is of the same checkpoint.
    let path = if own.is_file() { own } else { golden::folder(name.trim_end_matches("_old")).join("golden.json") };
    let stored: Stored = serde_json::from_slice(&std::fs::read(path).expect("the golden")).expect("valid JSON");
    stored.cases
}

#[test]
fn files_compute_what_the_checkpoints_compute_that_they_were_made_from() {
    for placement in placements() {
        for name in NAMES {
            let model = load(name, &placement);
            for case in cases(name) {
                let got = step(&model, &[(&case.ids, cache(&model))], 2);
                let want = &case.logits[case.logits.len() - model.vocabulary()..];
                assert_close(&got[0], want, &format!("{name}, {:?}, {}", case.prompt, placement.name()));
            }
        }
    }
}

#[test]
fn quantised_on_load_they_compute_nearly_the_same() {
    let spec = ModelSpec { quantization: Some("int8".to_owned()), ..ModelSpec::named("") };
    let placement = Placement::of_generator(&spec).expect("a placement");
    // Of rounded numbers a mixture may choose other experts.
    for name in NAMES.into_iter().filter(|name| !name.contains("moe") && !name.contains("mixtral")) {
        let (model, exact) = (load(name, &placement), load(name, &Placement::cpu()));
        for case in cases(name) {
            let one = |model: &CausalLm| step(model, &[(&case.ids, cache(model))], 1).remove(0);
            let (got, want) = (one(&model), one(&exact));
            let square = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>();
            let apart = square(&mut got.iter().zip(&want).map(|(a, b)| a - b));
            let error = (apart / square(&mut want.iter().copied())).sqrt();
            assert!(error > 0.0 && error < 0.15, "{name}: off by {error}");
        }
    }
}

#[test]
fn tokenizers_of_byte_pairs_are_those_of_the_checkpoints() {
    let original = golden::folder("").join("tokenizer.json");
    let original = tokenizers::Tokenizer::from_file(original).expect("a tokenizer");
    for name in NAMES {
        let model = read(name);
        for text in ["The river is wide", "  two\n\nlines 12 ", "naïve 水 and 🦀", "</s><s> it's", ""] {
            let ids = |tokenizer: &tokenizers::Tokenizer| {
                tokenizer.encode_fast(text, true).expect("encodes").get_ids().to_vec()
            };
            let (got, want) = (ids(&model.tokenizer), ids(&original));
            assert_eq!(got, want, "{name}, {text:?}");
            let decode = |tokenizer: &tokenizers::Tokenizer| tokenizer.decode(&want, false).expect("decodes");
            assert_eq!(decode(&model.tokenizer), decode(&original), "{name}, {text:?}");
        }
        assert_eq!(model.generation["eos_token_id"], serde_json::json!([1]), "{name}");
    }
}

#[test]
fn tokenizers_of_pieces_are_those_of_llama_cpp() {
    #[derive(Deserialize)]
    struct Text {
        text: String,
        ids: Vec<u32>,
    }
    let model = read("pieces");
    let golden = std::fs::read(folder("pieces").join("golden.json")).expect("the golden");
    let golden: Vec<Text> = serde_json::from_slice(&golden).expect("valid JSON");
    for Text { text, ids } in golden {
        assert_eq!(model.tokenizer.encode_fast(text.as_str(), true).expect("encodes").get_ids(), ids, "{text:?}");
        if !text.contains('<') {
            assert_eq!(model.tokenizer.decode(&ids, true).expect("decodes"), text);
        }
    }
    assert_eq!(model.special.get("eos_token"), Some("</s>"));
    assert!(model.template.expect("Jinja").is_some());
}

#[test]
fn texts_are_cut_as_llama_cpp_cuts_them_by_every_name_of_a_way() {
    #[derive(Deserialize)]
    struct Cuts {
        texts: Vec<String>,
        ids: BTreeMap<String, Vec<Vec<u32>>>,
    }
    let golden = std::fs::read(folder("cuts").join("golden.json")).expect("the golden");
    let Cuts { texts, ids } = serde_json::from_slice(&golden).expect("valid JSON");
    assert_eq!(ids.len(), 38);
    for (name, ids) in ids {
        let copy = changed("cuts", |bytes| rename_cut(bytes, &name));
        let model = GgufModel::read(&copy.path().join("model.gguf")).expect(&name);
        // There llama.cpp takes marks out of words, against the published pattern.
        let without_marks = ["tekken", "gpt-4o", "llama4"].contains(&name.as_str());
        let texts = texts.iter().zip(ids).filter(|(text, _)| !(without_marks && text.contains('\u{301}')));
        for (text, ids) in texts {
            let got = model.tokenizer.encode_fast(text.as_str(), true).expect("encodes");
            assert_eq!(got.get_ids(), ids, "{name}, {text:?}");
            assert_eq!(model.tokenizer.decode(&ids, true).expect("decodes"), *text, "{name}");
        }
    }
}

/// Puts another name in the place of "gpt-2", in a file without tensors.
fn rename_cut(bytes: &mut Vec<u8>, name: &str) {
    let key = b"tokenizer.ggml.pre\x08\0\0\0";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("it is there") + key.len();
    let text = [&(name.len() as u64).to_le_bytes(), name.as_bytes()].concat();
    bytes.splice(at..at + 8 + "gpt-2".len(), text);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
}

/// The three parts in a folder, under these names.
fn parts_as(names: [Option<&str>; 3]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for (part, name) in PARTS.iter().zip(names) {
        if let Some(name) = name {
            std::fs::copy(folder("mixtral").join(part), copy.path().join(name)).expect("copied");
        }
    }
    copy
}

#[test]
fn parts_that_are_missing_or_others_are_errors_that_name_them() {
    let [first, second, third] = PARTS;
    let load = |copy: &tempfile::TempDir| error(copy.path());
    let missing = load(&parts_as([Some(first), None, Some(third)]));
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.message().contains("\"model-00002-of-00003.gguf\""), "{missing}");
    let swapped = load(&parts_as([Some(first), Some(third), Some(second)]));
    assert_eq!(swapped.kind(), ErrorKind::Corrupted);
    assert!(swapped.message().contains("part 2 of 3 of the GGUF file says that it is 3 of 3"), "{swapped}");
    let alone = load(&parts_as([Some("model.gguf"), None, None]));
    assert!(alone.message().contains("one of 3 parts of a model, but by its name one of 1"), "{alone}");
}

#[test]
fn a_file_in_a_folder_below_is_a_model_by_its_path() {
    let copy = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(copy.path().join("f16")).expect("a folder");
    for part in PARTS {
        std::fs::copy(folder("mixtral").join(part), copy.path().join("f16").join(part)).expect("copied");
    }
    let load = |file: &str| {
        let spec = ModelSpec { file: Some(file.to_owned()), ..ModelSpec::named("") };
        load_generator(copy.path(), &spec, &pgml_core::Run::new())
    };
    assert!(load("f16/model-00001-of-00003.gguf").is_ok());
    assert!(load("f16/model-00002-of-00003.gguf").is_ok());
    assert_eq!(load("f16/../f16/model-00001-of-00003.gguf").err().map(|e| e.kind()), Some(ErrorKind::NotFound));
}

/// A copy of a file that `change` was done to, in a folder of its own.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    let mut bytes = std::fs::read(folder(name).join("model.gguf")).expect("the file");
    change(&mut bytes);
    std::fs::write(copy.path().join("model.gguf"), bytes).expect("written");
    copy
}

/// Replaces the first `from` by `to`, which is as long.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    bytes[at..at + to.len()].copy_from_slice(to);
}

fn error(folder: &Path) -> pgml_core::Error {
    match load_generator(folder, &ModelSpec::named(""), &pgml_core::Run::new()) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

#[test]
fn what_a_file_has_too_much_too_little_or_of_another_kind_is_an_error_that_names_it() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(Change, ErrorKind, &str); 5] = [
        (
            |bytes| {
                replace(
                    bytes,
                    b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama",
                    b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0lamas",
                )
            },
            ErrorKind::NotSupported,
            "lamas",
        ),
        (
            |bytes| replace(bytes, b"blk.1.ffn_up", b"blk.1.ffn_on"),
            ErrorKind::Corrupted,
            "model.layers.1.mlp.up_proj.weight",
        ),
        (
            |bytes| replace(bytes, b"llama.block_count\x04\0\0\0\x02", b"llama.block_count\x04\0\0\0\x01"),
            ErrorKind::Corrupted,
            "model.layers.1.",
        ),
        (
            |bytes| {
                replace(
                    bytes,
                    b"tokenizer.ggml.pre\x08\0\0\0\x05\0\0\0\0\0\0\0gpt-2",
                    b"tokenizer.ggml.pre\x08\0\0\0\x05\0\0\0\0\0\0\0other",
                )
            },
            ErrorKind::NotSupported,
            "the pre-tokenizer \"other\"",
        ),
        (|bytes| bytes.truncate(60_000), ErrorKind::Corrupted, "ends beyond the file's 60000 bytes"),
    ];
    for (change, kind, message) in cases {
        let copy = changed("llama", change);
        let error = error(copy.path());
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(message), "{error} ({message})");
    }
}

#[test]
fn a_folder_with_a_file_is_a_generator() {
    let load = |spec: &ModelSpec| load_generator(&folder("llama"), spec, &pgml_core::Run::new());
    assert!(load(&ModelSpec::named("")).is_ok());
    let named = |file: &str| ModelSpec { file: Some(file.to_owned()), ..ModelSpec::named("") };
    assert!(load(&named("model.gguf")).is_ok());
    let error = load(&named("other.gguf")).err().expect("it is not there");
    assert_eq!((error.kind(), error.detail()), (ErrorKind::NotFound, Some("known: model.gguf")));
}
