//! Which files of a repository a model needs. The rest (weights of other frameworks, images, code) stays on the hub.

use pgml_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::gguf_files;
use super::names::is_inside;

/// Files whose presence says how the model computes and how its texts are read.
const NAMED: &[&str] = &[
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "model.safetensors.index.json",
];

/// What texts are read by where there is no `tokenizer.json`: SentencePiece models, lists of words, and the vocabulary of models
/// whose numbers are not those of their pieces.
const PIECES: &[&str] = &[
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "target.spm",
    "vocab.json",
    "target_vocab.json",
    "vocab.txt",
];

/// Of these, one is there where texts can be read.
const READERS: &[&str] = &["tokenizer.json", "spiece.model", "sentencepiece.bpe.model", "source.spm", "vocab.txt"];

/// Whether there is among these files by what texts are read.
#[must_use]
pub fn has_tokenizer<'a>(mut files: impl Iterator<Item = &'a str>) -> bool {
    files.any(|path| READERS.iter().any(|end| path.ends_with(end)))
}

/// Those of `files` that a model needs, whose `modules.json` names the folders `modules`; with a GGUF file where one is `wanted`
/// or there is nothing else.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when one of them has a path that leads elsewhere, or a part of a GGUF file is not there;
/// [`ErrorKind::NotFound`] when the wanted file is not there, with those that are.
pub fn select<'a>(
    files: impl IntoIterator<Item = &'a str>,
    modules: &[String],
    wanted: Option<&str>,
) -> Result<Vec<&'a str>> {
    let files: Vec<&str> = files.into_iter().collect();
    let mut needed: Vec<&str> = files.iter().copied().filter(|path| is_needed(path, modules, &files)).collect();
    if wanted.is_some() {
        needed.retain(|path| !path.contains(".safetensors"));
    }
    if !needed.iter().any(|path| path.ends_with(".safetensors"))
        && let Some(first) = gguf_files::find(files.iter().copied(), wanted)?
    {
        if let Some(part) = gguf_files::missing(first, &files) {
            return Err(Error::new(ErrorKind::Corrupted, format!("the part \"{part}\" of the model is not there"))
                .with_hint("another GGUF file of the model may be whole: \"model_file\" names the one to use"));
        }
        let parts = gguf_files::parts(first);
        needed.extend(files.iter().copied().filter(|file| parts.iter().any(|part| part == file)));
    }
    if let Some(path) = needed.iter().find(|path| !is_inside(path)) {
        return Err(Error::new(ErrorKind::Corrupted, format!("the model has a file with the path \"{path}\""))
            .with_hint("such a path could lead out of the model's folder, so the model is not used"));
    }
    Ok(needed)
}

fn is_needed(path: &str, modules: &[String], all: &[&str]) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_module = modules.iter().any(|module| module == folder);
    if !folder.is_empty() && !is_module {
        return false;
    }
    let pieces = PIECES.contains(&name) && !all.iter().any(|other| other.ends_with("tokenizer.json"));
    NAMED.contains(&name) || pieces || (name.ends_with(".safetensors") && is_weights(folder, name, all))
}

/// A folder may hold its weights twice: whole or in shards under the usual names, and under others (other layouts, other
/// precisions, adapters). The usual names win.
fn is_weights(folder: &str, name: &str, all: &[&str]) -> bool {
    is_usual(name)
        || !all.iter().any(|other| is_usual(other.strip_prefix(folder).unwrap_or("").trim_start_matches('/')))
}

fn is_usual(name: &str) -> bool {
    name == "model.safetensors"
        || (name.starts_with("model-") && name.contains("-of-") && name.ends_with(".safetensors"))
}

/// The folders that `modules.json` names, without the empty one: the model's own.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when it is no list of modules.
pub fn modules(json: &[u8]) -> Result<Vec<String>> {
    let Ok(Value::Array(modules)) = serde_json::from_slice(json) else {
        return Err(Error::new(ErrorKind::Corrupted, "the model's modules.json is no list of modules"));
    };
    let paths = modules.iter().filter_map(|module| module["path"].as_str());
    Ok(paths.map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// Refuses a model that could not be loaded, before its weights are downloaded.
///
/// # Errors
/// [`ErrorKind::NotSupported`] with a hint how to convert the model.
pub fn check(name: &str, needed: &[&str], all: &[&str]) -> Result<()> {
    let has = |files: &[&str], end: &str| files.iter().any(|path| path.ends_with(end));
    // One file that has everything in it.
    if has(needed, ".gguf") {
        return Ok(());
    }
    let refuse = |what: String, hint: &str| Err(Error::new(ErrorKind::NotSupported, what).with_hint(hint));
    if !needed.iter().any(|path| matches!(*path, "config.json" | "modules.json")) {
        return refuse(
            format!("\"{name}\" is no model for transformers: it has no config.json"),
            "models in other formats (ONNX, …) cannot be used; name the repository they were made from",
        );
    }
    if !has(needed, ".safetensors") {
        let found = [".bin", ".pt", ".pth", ".h5", ".msgpack", ".ckpt"].iter().find(|end| has(all, end));
        let what = match found {
            Some(end) => format!("\"{name}\" has its weights in {end} files only, and no safetensors"),
            None => format!("\"{name}\" has no weights"),
        };
        return refuse(
            what,
            "convert them: in Python, AutoModel.from_pretrained(…).save_pretrained(…) writes safetensors",
        );
    }
    if !has_tokenizer(needed.iter().copied()) {
        return refuse(
            format!("\"{name}\" has no tokenizer.json"),
            "in Python, AutoTokenizer.from_pretrained(…).save_pretrained(…) makes it from merges.txt or a \
             SentencePiece model; put the result into a folder of pgml.model_path",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sentence_transformer_needs_is_chosen_and_nothing_else() {
        let all = [
            "README.md",
            "config.json",
            "model.safetensors",
            "model.fp16.safetensors",
            "pytorch_model.bin",
            "onnx/model.onnx",
            "onnx/config.json",
            "openvino/model.safetensors",
            "modules.json",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "2_Dense/pytorch_model.bin",
            "tokenizer.json",
            "vocab.txt",
            "modeling_custom.py",
            ".gitattributes",
        ];
        let json = br#"[{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}, {"path": "3_Normalize"}]"#;
        let needed = select(all, &modules(json).expect("modules"), None).expect("harmless");
        let expected = [
            "config.json",
            "model.safetensors",
            "modules.json",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "tokenizer.json",
        ];
        assert_eq!(needed, expected);
        assert!(check("org/model", &needed, &all).is_ok());
    }

    #[test]
    fn shards_win_over_a_second_copy_of_the_weights() {
        let all = ["consolidated.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        assert_eq!(select(all, &[], None).expect("harmless"), &all[1..]);
        assert_eq!(select(["weights.safetensors"], &[], None).expect("harmless"), ["weights.safetensors"]);
    }

    #[test]
    fn a_repository_of_gguf_files_needs_one_of_them() {
        let all = ["README.md", "config.json", "a.Q2_K.gguf", "a.Q4_K_M.gguf", "a.Q8_0.gguf"];
        let needed = select(all, &[], None).expect("harmless");
        assert_eq!(needed, ["config.json", "a.Q4_K_M.gguf"]);
        assert!(check("org/model", &needed, &all).is_ok());
        let both = ["model.safetensors", "a.Q4_0.gguf"];
        assert_eq!(select(both, &[], None).expect("harmless"), ["model.safetensors"]);
        assert_eq!(select(both, &[], Some("a.Q4_0.gguf")).expect("harmless"), ["a.Q4_0.gguf"]);
        assert_eq!(select(all, &[], Some("a.Q2_K.gguf")).expect("harmless"), ["config.json", "a.Q2_K.gguf"]);
    }

    #[test]
    fn a_gguf_file_in_parts_needs_all_of_them() {
        let parts = ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"];
        assert_eq!(select(parts, &[], None).expect("harmless"), parts);
        assert_eq!(select(parts, &[], Some(parts[1])).expect("harmless"), parts);
        let error = select([parts[0]], &[], None).expect_err("a part is not there");
        assert_eq!((error.kind(), error.message().contains(parts[1])), (ErrorKind::Corrupted, true));
    }

    #[test]
    fn pieces_of_text_are_chosen_where_there_is_no_tokenizer() {
        let marian = ["config.json", "model.safetensors", "source.spm", "target.spm", "vocab.json"];
        let needed = select(marian, &[], None).expect("harmless");
        assert_eq!(needed, marian);
        assert!(check("org/model", &needed, &marian).is_ok());
        let both = ["config.json", "spiece.model", "tokenizer.json", "vocab.json"];
        assert_eq!(select(both, &[], None).expect("harmless"), ["config.json", "tokenizer.json"]);
    }

    #[test]
    fn a_module_that_leads_out_of_the_folder_is_refused() {
        let modules = modules(br#"[{"path": "../../other"}]"#).expect("modules");
        let error = select(["../../other/config.json"], &modules, None).expect_err("a path trick");
        assert_eq!(error.kind(), ErrorKind::Corrupted);
    }

    #[test]
    fn what_cannot_be_loaded_is_refused_before_the_download() {
        let refused = |all: &[&str]| {
            let needed = select(all.iter().copied(), &[], None).expect("harmless");
            check("org/model", &needed, all).expect_err("not loadable").message().to_owned()
        };
        assert!(refused(&["model.onnx"]).contains("no config.json"));
        assert!(refused(&["config.json", "pytorch_model.bin"]).contains(".bin files only"));
        assert!(refused(&["config.json"]).contains("no weights"));
        assert!(refused(&["config.json", "model.safetensors", "merges.txt"]).contains("no tokenizer.json"));
    }
}
