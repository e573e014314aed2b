//! One target folder for many checkouts, without one checkout's crates passing for another's.
//!
//! Cargo names a workspace's own crates by their place in the workspace and judges their freshness by file times. So
//! after a build in one checkout, older files of another look fresh although they differ. Dependencies from the registry
//! are safe to share; the workspace's own crates are built anew when the checkout changes.

use std::fs;
use std::path::Path;

use crate::error::{Context, Result};
use crate::places;

/// Remembers in the target folder which checkout built last.
const STAMP: &str = "pgml-checkout";

/// Makes cargo build this checkout's own crates anew if another checkout was built last in `target`.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn claim(target: &Path) -> Result<()> {
    let stamp = target.join(STAMP);
    let here = places::repository();
    let here = here.as_os_str().as_encoded_bytes();
    if fs::read(&stamp).is_ok_and(|last| last == here) {
        return Ok(());
    }
    for profile in ["release", "debug"] {
        forget_own_crates(&target.join(profile).join(".fingerprint"))?;
    }
    fs::create_dir_all(target).context(|| format!("creating {}", target.display()))?;
    fs::write(&stamp, here).context(|| format!("writing {}", stamp.display()))
}

fn forget_own_crates(fingerprints: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(fingerprints) else { return Ok(()) };
    for entry in entries {
        let path = entry.context(|| format!("reading {}", fingerprints.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("pgml-") || name.starts_with("xtask-") {
            fs::remove_dir_all(&path).context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_crates_are_forgotten_once_and_dependencies_stay() {
        let target = std::env::temp_dir().join(format!("pgml-claim-{}", std::process::id()));
        let fingerprints = target.join("release/.fingerprint");
        let of = |name: &str| fingerprints.join(name);
        for name in ["pgml-core-1", "serde-1"] {
            fs::create_dir_all(of(name)).expect("a folder in the temporary folder");
        }
        claim(&target).expect("the first claim");
        assert!(!of("pgml-core-1").exists() && of("serde-1").exists());
        fs::create_dir_all(of("pgml-core-2")).expect("a folder in the temporary folder");
        claim(&target).expect("the second claim of the same checkout");
        assert!(of("pgml-core-2").exists());
        fs::remove_dir_all(&target).expect("the temporary folder can be removed");
    }
}
