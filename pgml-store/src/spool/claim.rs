//! The right to write one file: a locked temporary file, which becomes it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::mapping::is_at;

/// What names of temporary files end with.
pub(super) const EXTENSION: &str = "tmp";

/// A temporary file that this process has locked. The kernel gives the lock back when the process ends in any way, so a
/// file without one is what a killed writer left. Removed with the value unless it was published.
pub(super) struct Claim {
    pub(super) file: File,
    path: PathBuf,
    published: bool,
}

impl Claim {
    /// An empty file at `path`; `None` when another process has it, or had until now.
    pub(super) fn take(path: PathBuf) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path)?;
        Ok(Self::lock(file, path)?.filter(|claim| claim.file.metadata().is_ok_and(|found| found.len() == 0)))
    }

    /// Removes what a killed writer has left at `path`, if no writer has it.
    pub(super) fn remove_abandoned(path: PathBuf) -> io::Result<()> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path)?;
        Self::lock(file, path).map(drop)
    }

    fn lock(file: File, path: PathBuf) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between opening and locking, the writer before may have published or removed it. From now on only this process
        // may do so.
        Ok(is_at(&file, &path).then_some(Self { file, path, published: false }))
    }

    /// Gives the file its name.
    pub(super) fn publish(&mut self, name: &Path) -> io::Result<()> {
        fs::rename(&self.path, name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is removed as abandoned later.
            let _ = fs::remove_file(&self.path);
        }
    }
}
