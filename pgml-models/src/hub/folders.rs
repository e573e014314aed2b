//! Models that lie in folders of the administrator's, and where the model cache is. Only reads.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use pgml_core::{Error, ErrorKind, Result};

use super::gguf_files;

/// The folder of the model cache when none is set: `HF_HOME`, else `huggingface` in the user's cache folder.
#[must_use]
pub fn default_cache() -> PathBuf {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("HF_HOME")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("huggingface")))
        .or_else(|| Some(variable("HOME")?.join(".cache/huggingface")))
        .unwrap_or_else(|| "/var/cache/huggingface".into())
}

/// The folder of the model `name`, an absolute path or one relative to one of `allowed`; `None` when it is neither and may
/// be the name of a model elsewhere.
///
/// # Errors
/// [`ErrorKind::UnresolvedModel`] for a path that is none of a model in the allowed folders, and for a name that leads
/// elsewhere.
pub fn in_folders(name: &str, allowed: &[PathBuf]) -> Result<Option<PathBuf>> {
    if Path::new(name).is_absolute() {
        // One answer for what is not there and what may not be used: a user learns nothing of the server's files.
        let folder = inside(Path::new(name), allowed).filter(|folder| is_model(folder));
        return folder.map(Some).ok_or_else(|| outside(name));
    }
    check_name(name)?;
    match allowed.iter().map(|folder| folder.join(name)).find(|folder| is_model(folder)) {
        Some(folder) => inside(&folder, allowed).map(Some).ok_or_else(|| outside(name)),
        None => Ok(None),
    }
}

/// The folder without links and `..`, if it is below one of the allowed folders.
fn inside(folder: &Path, allowed: &[PathBuf]) -> Option<PathBuf> {
    let real = fs::canonicalize(folder).ok()?;
    let allowed = allowed.iter().filter_map(|allowed| fs::canonicalize(allowed).ok());
    allowed.into_iter().any(|allowed| real.starts_with(allowed)).then_some(real)
}

fn is_model(folder: &Path) -> bool {
    let has_gguf = || gguf_files::has_model(names(folder).iter().map(String::as_str));
    folder.join("config.json").is_file() || folder.join("modules.json").is_file() || has_gguf()
}

/// What a folder holds; nothing when it cannot be read.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What a folder holds, and of its folders the one that `file`, a path in it, leads to.
#[must_use]
pub fn files_for(folder: &Path, file: Option<&str>) -> Vec<String> {
    let mut files = names(folder);
    let below = file.and_then(|file| file.rsplit_once('/')).map(|(below, _)| below);
    // A name from outside: it may lead down, and nowhere else.
    if let Some(below) = below.filter(|below| below.split('/').all(|part| !matches!(part, "" | "." | ".."))) {
        files.extend(names(&folder.join(below)).into_iter().map(|name| format!("{below}/{name}")));
    }
    files
}

fn check_name(name: &str) -> Result<()> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if !name.is_empty() && name.len() <= 200 && name.split('/').all(part) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnresolvedModel, format!("\"{name}\" is no name of a model")).with_hint(
        "a model is named \"organisation/name\" as on Hugging Face, or by a path in a folder of pgml.model_path",
    ))
}

fn outside(name: &str) -> Error {
    Error::new(ErrorKind::UnresolvedModel, format!("there is no model \"{name}\" in the folders that may be used"))
        .with_hint("pgml.model_path names the folders whose models may be used by path")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with `models/mine`, which is allowed, and `secret`, which is not.
    fn places() -> (tempfile::TempDir, Vec<PathBuf>) {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["models/mine", "secret"] {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("config.json"), "{}").expect("a file");
        }
        let allowed = vec![root.path().join("models")];
        (root, allowed)
    }

    #[test]
    fn only_folders_that_are_allowed_are_found_by_path() {
        let (root, allowed) = places();
        let path = |name: &str| root.path().join(name).display().to_string();
        let mine = Some(fs::canonicalize(root.path().join("models/mine")).expect("it is there"));
        assert_eq!(in_folders("mine", &allowed).expect("relative"), mine);
        assert_eq!(in_folders(&path("models/mine"), &allowed).expect("absolute"), mine);
        std::os::unix::fs::symlink(root.path().join("secret"), root.path().join("models/link")).expect("a link");
        for name in [path("secret"), path("models/../secret"), path("models/link"), path("nowhere"), "link".into()] {
            let error = in_folders(&name, &allowed).expect_err("not allowed");
            assert_eq!(error.kind(), ErrorKind::UnresolvedModel, "{name}");
            assert!(error.message().ends_with("in the folders that may be used"), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_nowhere_may_be_elsewhere() {
        let (_root, allowed) = places();
        assert_eq!(in_folders("org/model", &allowed).expect("a name"), None);
        assert_eq!(in_folders("mine", &[]).expect("a name"), None);
    }

    #[test]
    fn names_lead_nowhere_else() {
        let (_root, allowed) = places();
        for name in ["", "..", "../secret", "a/../../b", "a//b", "a b", ".hidden", "a/\u{e9}", "a\0b"] {
            let error = in_folders(name, &allowed).expect_err("no name");
            assert_eq!(error.kind(), ErrorKind::UnresolvedModel, "{name:?}");
        }
    }
}
