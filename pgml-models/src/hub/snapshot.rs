//! A model's folder in the cache: which files it needs, and whether they are all there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pgml_core::Result;
use serde_json::Value;

use super::needed;

/// The files in `folder` that the model needs, by path, with the GGUF file `wanted` where there is one. What cannot be read is as
/// if it were not there.
///
/// # Errors
/// Those of [`needed::select`] and [`needed::modules`].
pub fn files(folder: &Path, wanted: Option<&str>) -> Result<Vec<String>> {
    let modules = match fs::read(folder.join("modules.json")) {
        Ok(json) => needed::modules(&json)?,
        Err(_) => Vec::new(),
    };
    let mut found = names(folder, "");
    let below = wanted.and_then(|wanted| wanted.rsplit_once('/')).map(|(below, _)| below);
    let folders = modules.iter().map(String::as_str).chain(below).filter(|path| super::names::is_inside(path));
    for below in folders {
        found.extend(names(&folder.join(below), &format!("{below}/")));
    }
    let needed = needed::select(found.iter().map(String::as_str), &modules, wanted)?;
    Ok(needed.into_iter().map(str::to_owned).collect())
}

/// The files in `folder` itself, needed or not.
#[must_use]
pub fn all(folder: &Path) -> Vec<String> {
    names(folder, "")
}

fn names(folder: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    // Links are followed: one that leads nowhere is no file.
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.filter_map(|entry| entry.file_name().into_string().ok()).map(|name| format!("{prefix}{name}")).collect();
    names.sort();
    names
}

/// Whether a model could be loaded from `folder`, the GGUF file `wanted` where there is one: others leave half of one behind, too.
#[must_use]
pub fn is_complete(folder: &Path, wanted: Option<&str>) -> bool {
    let Ok(files) = files(folder, wanted) else { return false };
    let has = |end: &str| files.iter().any(|file| file.ends_with(end));
    has(".gguf")
        || has("config.json")
            && has(".safetensors")
            && needed::has_tokenizer(files.iter().map(String::as_str))
            && shards(folder).iter().all(|s| files.contains(s))
}

/// The files that the weights are spread over, if they are.
fn shards(folder: &Path) -> BTreeSet<String> {
    let index = fs::read(folder.join("model.safetensors.index.json")).ok();
    let index: Option<Value> = index.and_then(|json| serde_json::from_slice(&json).ok());
    let map = index.as_ref().and_then(|index| index["weight_map"].as_object());
    map.into_iter().flat_map(|map| map.values()).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_one_of_its_shards_is_not_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).expect("written");
        write("config.json", "{}");
        write("tokenizer.json", "{}");
        assert!(!is_complete(folder.path(), None));
        write(
            "model.safetensors.index.json",
            r#"{"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}"#,
        );
        write("model-1-of-2.safetensors", "");
        assert!(!is_complete(folder.path(), None));
        std::os::unix::fs::symlink("nowhere", folder.path().join("model-2-of-2.safetensors")).expect("a link");
        assert!(!is_complete(folder.path(), None), "a link that leads nowhere is no file");
        fs::remove_file(folder.path().join("model-2-of-2.safetensors")).expect("removed");
        write("model-2-of-2.safetensors", "");
        assert!(is_complete(folder.path(), None));
    }
}
