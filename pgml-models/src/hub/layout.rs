//! Where the files of a model lie in the cache that Python's library shares: contents by their digest in `blobs/`,
//! a folder of links per commit in `snapshots/`, commits by the name of a branch or tag in `refs/`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgml_core::{Error, ErrorKind, Result, Run};

use super::digest::Digest;
use super::failure::of_disk;
use super::names::is_commit;
use super::retry::sleep;

/// The folders of one model.
#[derive(Debug, Clone)]
pub struct Layout {
    folder: PathBuf,
    locks: PathBuf,
}

impl Layout {
    /// Of the model `name`, whose name was checked.
    #[must_use]
    pub fn new(cache: &Path, name: &str) -> Self {
        let (hub, own) = (cache.join("hub"), format!("models--{}", name.replace('/', "--")));
        Self { folder: hub.join(&own), locks: hub.join(".locks").join(own) }
    }

    /// The content with this digest.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.as_str())
    }

    /// The same, while it arrives. Python's library gives its own unfinished files other names.
    #[must_use]
    pub fn partial(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(format!("{}.pgml.incomplete", digest.as_str()))
    }

    /// The folder of a commit.
    #[must_use]
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// The commit that a branch or tag means here.
    #[must_use]
    pub fn commit_of(&self, revision: &str) -> Option<String> {
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes the commit that a branch or tag means from now on. No line end: Python's library takes the file as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn set_commit(&self, revision: &str, commit: &str) -> Result<()> {
        write_whole(&self.folder.join("refs").join(revision), commit.as_bytes())
    }

    /// Makes the content with this digest the file `path` of the commit.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn link(&self, commit: &str, path: &str, digest: &Digest) -> Result<()> {
        let file = self.snapshot(commit).join(path);
        // Up from the file's folder to the commit's, from there to `snapshots/`, from there to the model's.
        let up = "../".repeat(path.matches('/').count() + 2);
        let target = PathBuf::from(format!("{up}blobs/{}", digest.as_str()));
        if fs::read_link(&file).is_ok_and(|found| found == target) {
            return Ok(());
        }
        make_parent(&file)?;
        let new = beside(&file);
        std::os::unix::fs::symlink(&target, &new)
            .and_then(|()| fs::rename(&new, &file))
            .map_err(|error| of_disk("link", &file, &error))
    }

    /// Waits until nobody else, Python's library included, writes the content with this digest.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], and those of `run`.
    pub fn lock(&self, digest: &Digest, run: &Run) -> Result<File> {
        lock(&self.locks.join(format!("{}.lock", digest.as_str())), run)
    }
}

/// Waits for a lock that the kernel takes back from a process that dies.
///
/// # Errors
/// [`ErrorKind::Io`], and those of `run`.
pub fn lock(path: &Path, run: &Run) -> Result<File> {
    make_parent(path)?;
    // Never truncated, never removed: others may hold it.
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| of_disk("open", path, &error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(50), run)?,
            Err(TryLockError::Error(error)) => return Err(of_disk("lock", path, &error)),
        }
    }
}

/// Writes a small file so that readers see the old content or the new, and nothing between.
///
/// # Errors
/// [`ErrorKind::Io`].
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    make_parent(path)?;
    let new = beside(path);
    let write = || -> io::Result<()> {
        fs::write(&new, content)?;
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        of_disk("write", path, &error)
    })
}

/// Creates the folder that a file is to lie in.
///
/// # Errors
/// [`ErrorKind::Io`].
pub fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().ok_or_else(|| Error::new(ErrorKind::Internal, "a file without a folder"))?;
    fs::create_dir_all(parent).map_err(|error| of_disk("create", parent, &error))
}

/// A name in the same folder that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    path.with_file_name(name)
}
