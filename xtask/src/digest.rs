//! Has anything changed since last time? A digest over files, for skipping work.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};

/// A digest of the names and contents of everything in `paths` (files and folders below `root`), as hexadecimal.
///
/// Only good for noticing changes on one machine: the algorithm is the standard library's and may change with it.
///
/// # Errors
/// When a file cannot be read.
pub fn of_files(root: &Path, paths: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        collect(&root.join(path), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(root).unwrap_or(&file).hash(&mut hasher);
        fs::read(&file).context(|| format!("reading {}", file.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// A digest of a text, as hexadecimal.
pub fn of_text(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        if path.exists() {
            files.push(path.into());
        }
        return Ok(());
    }
    let doing = || format!("reading {}", path.display());
    for entry in fs::read_dir(path).context(doing)? {
        let entry = entry.context(doing)?;
        // Hidden files are editors' business; `target` may stand inside a crate built on its own.
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with('.') && name != "target" {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}
