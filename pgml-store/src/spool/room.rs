//! Which files go when room is needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::claim::{Claim, EXTENSION};

/// Files that nobody has loaded for this long are those of dropped models, most likely, and go even where there is room.
const LONG: Duration = Duration::from_secs(30 * 24 * 60 * 60);

struct Copy {
    loaded: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Unlinks what was not loaded for longest until `needed` bytes more are at most `limit` together, and what killed
/// writers have left. Processes that have an unlinked file mapped keep it. Tells what went.
pub(super) fn make(folder: &Path, needed: u64, limit: u64) -> io::Result<Vec<PathBuf>> {
    let mut copies = copies(folder)?;
    copies.sort_by(|a, b| (a.loaded, &a.path).cmp(&(b.loaded, &b.path)));
    let mut bytes = copies.iter().fold(needed, |sum, copy| sum.saturating_add(copy.bytes));
    let now = SystemTime::now();
    let mut gone = Vec::new();
    for copy in copies {
        let is_old = now.duration_since(copy.loaded).is_ok_and(|age| age > LONG);
        // Another process may have removed it meanwhile.
        if (bytes > limit || is_old) && fs::remove_file(&copy.path).is_ok() {
            bytes -= copy.bytes;
            gone.push(copy.path);
        }
    }
    Ok(gone)
}

/// The copies in `folder`; temporary files that have no writer are removed.
fn copies(folder: &Path) -> io::Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            // One that cannot be removed takes room and does no other harm.
            let _ = Claim::remove_abandoned(path);
            continue;
        }
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if let (true, Ok(loaded)) = (found.is_file(), found.modified()) {
            copies.push(Copy { loaded, bytes: found.len(), path });
        }
    }
    Ok(copies)
}
