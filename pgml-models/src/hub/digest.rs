//! Digests that a hub names its files by, and the check of what arrived against them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pgml_core::{Result, Run};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::names::is_hexadecimal;

/// Enough to be quick, and little enough that a cancel is noticed at once.
const CHUNK: usize = 1 << 20;

/// What a hub says a file's content is. It is also the file's name in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256 of the content, of files that the repository only points to (LFS).
    Sha256(String),
    /// What git calls a file in the repository itself: SHA-1 of a header with its length, and the content.
    GitBlob(String),
}

impl Digest {
    /// By its length: 64 hexadecimal digits are a SHA-256, 40 a git blob; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if is_hexadecimal(text, 64) {
            Some(Self::Sha256(text.to_owned()))
        } else if is_hexadecimal(text, 40) {
            Some(Self::GitBlob(text.to_owned()))
        } else {
            None
        }
    }

    /// Its hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let (Self::Sha256(text) | Self::GitBlob(text)) = self;
        text
    }

    /// A check of content of `size` bytes against this digest.
    #[must_use]
    pub fn check(&self, size: u64) -> Check {
        match self {
            Self::Sha256(text) => Check { expected: text.clone(), state: State::Sha256(Sha256::new()) },
            Self::GitBlob(text) => {
                let state = State::GitBlob(Sha1::new_with_prefix(format!("blob {size}\0")));
                Check { expected: text.clone(), state }
            }
        }
    }

    /// Whether the file at `path` has `size` bytes with this digest. A file that cannot be read has not.
    ///
    /// # Errors
    /// Of `run` alone.
    pub fn is_of(&self, path: &Path, size: u64, run: &Run) -> Result<bool> {
        let Ok(mut file) = File::open(path) else { return Ok(false) };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size) {
            return Ok(false);
        }
        let mut check = self.check(size);
        let read = read_through(&mut file, run, |chunk| check.update(chunk))?;
        Ok(read.is_ok() && check.holds())
    }
}

/// Content on its way, compared with a digest at its end.
pub struct Check {
    expected: String,
    state: State,
}

enum State {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Check {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::GitBlob(state) => state.update(bytes),
        }
    }

    /// Whether all bytes together were what they should be.
    #[must_use]
    pub fn holds(self) -> bool {
        let found = match self.state {
            State::Sha256(state) => hexadecimal(&state.finalize()),
            State::GitBlob(state) => hexadecimal(&state.finalize()),
        };
        found == self.expected
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// Outside of `run`; inside when the file cannot be read.
pub fn sha256(path: &Path, run: &Run) -> Result<std::io::Result<String>> {
    let mut state = Sha256::new();
    let read = match File::open(path) {
        Ok(mut file) => read_through(&mut file, run, |chunk| state.update(chunk))?,
        Err(error) => Err(error),
    };
    Ok(read.map(|()| hexadecimal(&state.finalize())))
}

/// Hands the rest of `file` to `take` chunk by chunk. The outer error is that of `run`.
pub fn read_through(file: &mut File, run: &Run, mut take: impl FnMut(&[u8])) -> Result<std::io::Result<()>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        run.check()?;
        match file.read(&mut chunk) {
            Ok(0) => return Ok(Ok(())),
            Ok(read) => take(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(digest: &str, content: &[u8]) -> bool {
        let mut check = Digest::parse(digest).expect("a digest").check(content.len() as u64);
        content.chunks(3).for_each(|chunk| check.update(chunk));
        check.holds()
    }

    #[test]
    fn digests_are_those_of_sha256sum_and_git_hash_object() {
        assert!(holds("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", b"hello\n"));
        assert!(holds("ce013625030ba8dba906f756967f9e9ca394464a", b"hello\n"));
        assert!(holds("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", b""));
        assert!(!holds("ce013625030ba8dba906f756967f9e9ca394464a", b"hello"));
    }

    #[test]
    fn what_could_be_a_path_is_no_digest() {
        for text in ["", "../x", "main", &"A".repeat(64), &"0".repeat(63)] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
