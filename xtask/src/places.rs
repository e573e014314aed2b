//! Where things are: the repository, the cache folder, cargo's target folder.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::identity::{ServerUser, is_root};

/// The root of the repository.
pub fn repository() -> PathBuf {
    // `cargo run` names the package's folder at run time, so that a moved clone still finds itself.
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or(package.clone(), Path::to_path_buf)
}

/// The folder that holds everything provisioned and every private server.
///
/// `PGML_CACHE` if set. Else for an ordinary user `pgml` in the cache folder of their home; for root `/var/cache/pgml`,
/// because servers run as another user then, who cannot read root's home.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    if let Some(chosen) = absolute_variable("PGML_CACHE")? {
        return Ok(chosen);
    }
    if is_root() { Ok("/var/cache/pgml".into()) } else { user_cache() }
}

/// Cargo's target folder: `CARGO_TARGET_DIR` if set, else in the user's own cache, so that every clean checkout shares
/// the built dependencies.
///
/// # Errors
/// When neither `CARGO_TARGET_DIR`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        // Cargo reads a relative path from where it is run; we always run it in the repository.
        Some(chosen) => Ok(repository().join(chosen)),
        None => Ok(user_cache()?.join("target")),
    }
}

fn user_cache() -> Result<PathBuf> {
    if let Some(chosen) = absolute_variable("XDG_CACHE_HOME")? {
        return Ok(chosen.join("pgml"));
    }
    match absolute_variable("HOME")? {
        Some(home) => Ok(home.join(".cache/pgml")),
        None => Err(Error::new("neither XDG_CACHE_HOME nor HOME is set: no place for the cache folder; set one")),
    }
}

fn absolute_variable(name: &str) -> Result<Option<PathBuf>> {
    match env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from) {
        Some(path) if !path.is_absolute() => Err(Error::new(format!(
            "the environment variable {name} must be an absolute path, but is `{}`",
            path.display()
        ))),
        found => Ok(found),
    }
}

/// Creates `folder` and its parents, readable by everyone: the server's user must get through to what lies below.
///
/// # Errors
/// When it cannot be created.
pub fn create_public(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_public(parent)?;
    }
    fs::create_dir_all(folder).context(|| format!("creating {}", folder.display()))?;
    // Set after creation, so that a strict umask does not lock the server's user out.
    let mode = if is_root() { 0o755 } else { 0o700 };
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
        .context(|| format!("setting permissions of {}", folder.display()))
}

/// Creates `folder` (its parent exists) for the server's user alone.
///
/// # Errors
/// When it cannot be created or given away.
pub fn create_private(folder: &Path, owner: ServerUser) -> Result<()> {
    if !folder.is_dir() {
        fs::DirBuilder::new().mode(0o700).create(folder).context(|| format!("creating {}", folder.display()))?;
    }
    owner.own(folder)
}

/// Writes `bytes` to `path` unless they are there already, through a temporary file and a rename: a process that has
/// the old file mapped keeps it. True when something was written.
///
/// # Errors
/// When the file cannot be written.
pub fn write_if_changed(path: &Path, bytes: &[u8], mode: u32) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let temporary = path.with_extension(format!("new{}", std::process::id()));
    let doing = || format!("writing {}", path.display());
    fs::write(&temporary, bytes).context(doing)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode)).context(doing)?;
    fs::rename(&temporary, path).context(doing)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_not_written_twice() {
        let path = env::temp_dir().join(format!("pgml-write-{}", std::process::id()));
        assert!(write_if_changed(&path, b"one", 0o644).expect("first"));
        assert!(!write_if_changed(&path, b"one", 0o644).expect("second"));
        assert!(write_if_changed(&path, b"two", 0o644).expect("third"));
        assert_eq!(fs::read(&path).expect("written"), b"two");
        fs::remove_file(&path).expect("clean up");
    }
}
