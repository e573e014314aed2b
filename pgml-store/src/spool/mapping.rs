//! Files mapped for reading.
#![expect(unsafe_code, reason = "mapping a file is a system call that no safe function offers")]

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use pgml_core::shared::Region;

/// A file's first bytes, readable as long as this lives, even when the file is unlinked.
pub(super) struct Mapping {
    start: *const u8,
    len: usize,
}

// SAFETY: memory that is only read.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` bytes, which the file has: it is one that nobody changes or truncates.
    pub(super) fn of(file: &File, bytes: u64) -> io::Result<Self> {
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        #[cfg(target_os = "linux")]
        // All of it will be read at once, to be checked.
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        #[cfg(not(target_os = "linux"))]
        let flags = libc::MAP_SHARED;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, flags, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast_const().cast(), len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.len) };
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped as long as this lives.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

// SAFETY: the mapping stays where it is until it is dropped, and files of the spool are never changed.
unsafe impl Region for Mapping {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Opens a file for reading: `None` when there is none. Follows no link and waits for nobody.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is a plain file of this user's, closed to all others, and of this length; else why not.
pub(super) fn expect_own_file(file: &File, bytes: u64) -> io::Result<Result<(), String>> {
    let found = file.metadata()?;
    // SAFETY: reads a number of this process.
    let user = unsafe { libc::geteuid() };
    Ok(if !found.is_file() || found.uid() != user {
        Err("it is no file of the server's".to_owned())
    } else if found.mode() & 0o077 != 0 {
        Err(format!("others may access it (mode {:o})", found.mode() & 0o777))
    } else if found.len() != bytes {
        Err(format!("it has {} bytes instead of {bytes}", found.len()))
    } else {
        Ok(())
    })
}

/// Whether `path` leads to this file now.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(mine), Ok(there)) => (mine.dev(), mine.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
