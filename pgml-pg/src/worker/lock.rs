//! Locks between processes: released when their holder ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use crate::folder;

/// A lock on a file, held until this is dropped.
#[derive(Debug)]
pub struct FileLock(#[allow(dead_code, reason = "it is held, not read")] File);

impl FileLock {
    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn try_take(path: &str) -> io::Result<Option<Self>> {
        folder::ensure()?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
