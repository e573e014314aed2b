//! One copy per server of each large part of an artifact: a file named by its digest, mapped by every process.
//!
//! The first process that loads the part writes its file, all others map that. A file appears under its name only when
//! it is whole and its digest is right, is never changed afterwards, and is never truncated, which would kill whoever has
//! it mapped: it is only unlinked. Whoever maps a file checks its owner, mode, length and digest first; a file that fails
//! is written again from the database. Files that no one has loaded for long go first when room is needed. Nothing here
//! is needed: whatever goes wrong, the caller reads the part into its own memory.

mod claim;
mod mapping;
mod room;

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pgml_core::run::Level;
use pgml_core::{Error, Shared};

use crate::digest::Running;
use crate::manifest::PartEntry;
use claim::Claim;
use mapping::Mapping;

/// Parts of at least this many bytes have one copy per server.
pub const LEAST_BYTES: u64 = 1 << 20;

/// How long to wait for another process that writes the same file. It reads the database meanwhile, and might wait there
/// for a lock of the one that waits here.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is digested between two polls: a few milliseconds.
const BYTES_PER_POLL: usize = 4 << 20;

/// A folder of copies.
pub struct Spool<'a> {
    folder: PathBuf,
    limit: u64,
    poll: &'a dyn Fn(),
    log: &'a dyn Fn(Level, &str),
}

/// Why a part has no copy.
pub(crate) enum Failed {
    /// The copy cannot be read or written.
    Copy(io::Error),
    /// The part itself cannot be read.
    Source(Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Copy(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

/// Takes the next bytes of a part.
pub(crate) type Take<'a> = dyn FnMut(&[u8]) -> Result<(), Failed> + 'a;

impl<'a> Spool<'a> {
    /// The copies in `folder`, which is made when it is needed, of about `limit` bytes together. `poll` is called every few
    /// milliseconds and may unwind; `log` is told what administrators want to know (a warning) or could (an info).
    pub fn new(folder: PathBuf, limit: u64, poll: &'a dyn Fn(), log: &'a dyn Fn(Level, &str)) -> Self {
        Self { folder, limit, poll, log }
    }

    /// The bytes of a part, mapped; `None` where they are few or the folder cannot be used. Without a copy, `read` gives
    /// the part piece by piece.
    ///
    /// # Errors
    /// Those of `read`, and [`Corrupted`](pgml_core::ErrorKind::Corrupted) when what it gave has another digest.
    pub(crate) fn part(
        &self,
        entry: &PartEntry,
        read: &mut dyn FnMut(&mut Take<'_>) -> Result<(), Failed>,
    ) -> pgml_core::Result<Option<Shared<u8>>> {
        // The manifest may come from anywhere; its digest becomes the name of a file.
        let is_digest =
            entry.sha256.len() == 64 && entry.sha256.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if entry.bytes < LEAST_BYTES || entry.bytes > self.limit || !is_digest {
            return Ok(None);
        }
        match self.find_or_write(entry, read) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Failed::Source(error)) => Err(error),
            Err(Failed::Copy(error)) => {
                let folder = self.folder.display();
                self.warn(&format!("a model is loaded into a session's own memory: {folder} cannot be used: {error}"));
                Ok(None)
            }
        }
    }

    fn find_or_write(
        &self,
        entry: &PartEntry,
        read: &mut dyn FnMut(&mut Take<'_>) -> Result<(), Failed>,
    ) -> Result<Shared<u8>, Failed> {
        if let Some(found) = self.find(entry)? {
            return Ok(found);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(mut claim) = Claim::take(self.path(entry).with_extension(claim::EXTENSION))? {
                // It may have been written between the look and the claim.
                return match self.find(entry)? {
                    Some(found) => Ok(found),
                    None => self.write(&mut claim, entry, read),
                };
            }
            (self.poll)();
            thread::sleep(Duration::from_millis(2));
            if let Some(found) = self.find(entry)? {
                return Ok(found);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "another process has been writing the same model for long").into())
    }

    fn path(&self, entry: &PartEntry) -> PathBuf {
        self.folder.join(&entry.sha256)
    }

    /// The copy, if there is one that can be trusted; one that cannot is removed.
    fn find(&self, entry: &PartEntry) -> io::Result<Option<Shared<u8>>> {
        let path = self.path(entry);
        let Some(file) = mapping::open(&path)? else { return Ok(None) };
        match self.checked(&file, entry)? {
            Ok(mapping) => {
                // When it was last loaded. Without it the file only goes sooner.
                let _ = file.set_modified(SystemTime::now());
                Ok(Some(Shared::of_region(mapping)))
            }
            Err(why) => {
                self.warn(&format!("the copy {} is not used: {why}; it is written again", path.display()));
                remove_if(&path, &file);
                Ok(None)
            }
        }
    }

    fn checked(&self, file: &File, entry: &PartEntry) -> io::Result<Result<Mapping, String>> {
        if let Err(why) = mapping::expect_own_file(file, entry.bytes)? {
            return Ok(Err(why));
        }
        let mapping = Mapping::of(file, entry.bytes)?;
        let mut digest = Running::new();
        for piece in mapping.chunks(BYTES_PER_POLL) {
            digest.update(piece);
            (self.poll)();
        }
        let right = digest.finish() == entry.sha256;
        Ok(if right { Ok(mapping) } else { Err("its SHA-256 digest does not match".to_owned()) })
    }

    /// Writes the copy and maps it. What was just digested on its way into the file is not digested again.
    fn write(
        &self,
        claim: &mut Claim,
        entry: &PartEntry,
        read: &mut dyn FnMut(&mut Take<'_>) -> Result<(), Failed>,
    ) -> Result<Shared<u8>, Failed> {
        for gone in room::make(&self.folder, entry.bytes, self.limit)? {
            (self.log)(Level::Info, &format!("removed {}, which was not loaded for longest", gone.display()));
        }
        let (mut digest, mut bytes) = (Running::new(), 0);
        read(&mut |piece| {
            claim.file.write_all(piece)?;
            digest.update(piece);
            bytes += piece.len() as u64;
            Ok(())
        })?;
        entry.check(bytes, &digest.finish())?;
        let path = self.path(entry);
        claim.publish(&path)?;
        (self.log)(Level::Info, &format!("wrote {} bytes of a model to {}", entry.bytes, path.display()));
        Ok(Shared::of_region(Mapping::of(&claim.file, entry.bytes)?))
    }

    fn warn(&self, text: &str) {
        (self.log)(Level::Warning, text);
    }
}

impl std::fmt::Debug for Spool<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("folder", &self.folder).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Unlinks `path` if it is still this file, and not a better one that took its name meanwhile.
fn remove_if(path: &Path, file: &File) {
    if mapping::is_at(file, path) {
        // Where it cannot be removed, it cannot be written again either, and that is told.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests;
