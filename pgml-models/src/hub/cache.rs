//! From a model's name to its folder: below the folders that an administrator allows, or in the model cache, which is
//! laid out as Hugging Face's own (`hub/models--org--name/snapshots/COMMIT/`, `refs/main`). Only reads.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use pgml_core::{Error, ErrorKind, Result};

/// Where models are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Folders whose models may be used by path, absolute or relative to one of them.
    pub folders: Vec<PathBuf>,
    /// The folder that Python's libraries call `HF_HOME`.
    pub cache: PathBuf,
}

/// The folder of the model cache when none is set: `HF_HOME`, else `huggingface` in the user's cache folder.
#[must_use]
pub fn default_cache() -> PathBuf {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("HF_HOME")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("huggingface")))
        .or_else(|| Some(variable("HOME")?.join(".cache/huggingface")))
        .unwrap_or_else(|| "/var/cache/huggingface".into())
}

/// The folder of the model `name`, at `revision` (a branch, tag or commit) or at its main branch.
///
/// # Errors
/// [`ErrorKind::UnresolvedModel`] when there is none, [`ErrorKind::InvalidParameter`] when the name cannot be one.
pub fn find(name: &str, revision: Option<&str>, places: &Places) -> Result<PathBuf> {
    if Path::new(name).is_absolute() {
        return by_path(name, places);
    }
    check_name(name)?;
    if let Some(folder) = places.folders.iter().map(|folder| folder.join(name)).find(|folder| is_model(folder)) {
        return inside(&folder, places).ok_or_else(|| outside(name));
    }
    let repository = places.cache.join("hub").join(format!("models--{}", name.replace('/', "--")));
    snapshot(&repository, revision.unwrap_or("main")).ok_or_else(|| not_found(name, revision, places))
}

fn by_path(name: &str, places: &Places) -> Result<PathBuf> {
    // One answer for what is not there and what may not be used: a user learns nothing of the server's files.
    inside(Path::new(name), places).filter(|folder| is_model(folder)).ok_or_else(|| outside(name))
}

/// The folder without links and `..`, if it is below one of the allowed folders.
fn inside(folder: &Path, places: &Places) -> Option<PathBuf> {
    let real = fs::canonicalize(folder).ok()?;
    let allowed = places.folders.iter().filter_map(|allowed| fs::canonicalize(allowed).ok());
    allowed.into_iter().any(|allowed| real.starts_with(allowed)).then_some(real)
}

fn is_model(folder: &Path) -> bool {
    folder.join("config.json").is_file() || folder.join("modules.json").is_file()
}

/// The snapshot folder that a revision names.
fn snapshot(repository: &Path, revision: &str) -> Option<PathBuf> {
    // A branch may hold slashes; what could lead out of the folder is refused.
    if revision.is_empty() || revision.starts_with('/') || revision.split('/').any(|part| part == "..") {
        return None;
    }
    let commit = fs::read_to_string(repository.join("refs").join(revision)).ok();
    let commit = commit.as_deref().map_or(revision, str::trim);
    let folder = repository.join("snapshots").join(commit);
    (!commit.contains(['/', '.']) && is_model(&folder)).then_some(folder)
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

fn not_found(name: &str, revision: Option<&str>, places: &Places) -> Error {
    let at = revision.map(|revision| format!(" at revision \"{revision}\"")).unwrap_or_default();
    Error::new(ErrorKind::UnresolvedModel, format!("there is no model \"{name}\"{at}"))
        .with_detail(format!("looked in pgml.model_path and in the model cache {}", places.cache.display()))
        .with_hint("put it into the model cache, for example with `hf download`, or name its folder in pgml.model_path")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn places() -> (PathBuf, Places) {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let root = env::temp_dir().join(format!("pgml-hub-{}-{number}", std::process::id()));
        let repository = root.join("home/hub/models--org--tiny");
        for folder in [repository.join("snapshots").join(COMMIT), root.join("models/mine"), root.join("secret")] {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("config.json"), "{}").expect("a file");
        }
        fs::create_dir_all(repository.join("refs")).expect("a folder");
        fs::write(repository.join("refs/main"), format!("{COMMIT}\n")).expect("a file");
        let places = Places { folders: vec![root.join("models")], cache: root.join("home") };
        (root, places)
    }

    #[test]
    fn a_name_is_found_in_the_cache_by_branch_and_by_commit() {
        let (root, places) = places();
        let expected = root.join("home/hub/models--org--tiny/snapshots").join(COMMIT);
        assert_eq!(find("org/tiny", None, &places).expect("main"), expected);
        assert_eq!(find("org/tiny", Some(COMMIT), &places).expect("the commit"), expected);
        let error = find("org/tiny", Some("v2"), &places).expect_err("no such branch");
        assert_eq!(error.kind(), ErrorKind::UnresolvedModel);
        assert_eq!(error.message(), "there is no model \"org/tiny\" at revision \"v2\"");
        fs::remove_dir_all(root).expect("removed");
    }

    #[test]
    fn only_folders_that_are_allowed_are_found_by_path() {
        let (root, places) = places();
        let path = |name: &str| root.join(name).display().to_string();
        assert_eq!(find("mine", None, &places).expect("relative"), root.join("models/mine"));
        assert_eq!(find(&path("models/mine"), None, &places).expect("absolute"), root.join("models/mine"));
        std::os::unix::fs::symlink(root.join("secret"), root.join("models/link")).expect("a link");
        for name in [path("secret"), path("models/../secret"), path("models/link"), path("nowhere"), "link".into()] {
            let error = find(&name, None, &places).expect_err("not allowed");
            assert_eq!(error.kind(), ErrorKind::UnresolvedModel, "{name}");
            assert!(error.message().ends_with("in the folders that may be used"), "{error}");
        }
        fs::remove_dir_all(root).expect("removed");
    }

    #[test]
    fn names_and_revisions_lead_nowhere_else() {
        let (root, places) = places();
        for name in ["", "..", "../secret", "a/../../b", "a//b", "a b", ".hidden", "a/\u{e9}", "a\0b"] {
            assert_eq!(find(name, None, &places).expect_err("no name").kind(), ErrorKind::UnresolvedModel, "{name:?}");
        }
        for revision in ["../refs/main", "/etc", "", "main/../main", ".."] {
            assert!(find("org/tiny", Some(revision), &places).is_err(), "{revision}");
        }
        fs::remove_dir_all(root).expect("removed");
    }
}
