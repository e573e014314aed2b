//! Stored transformers as folders, which the inference program reads: one per server and digest.
//!
//! | name | what |
//! |---|---|
//! | `<digest>` | the files; made under another name, and given this one when it is whole |
//! | `<digest>.<database>.<model>` | an empty file: this model of this database uses the folder, and when it last did |
//! | `<digest>….tmp` | a folder that is being made, locked by who makes it |
//!
//! What is in a folder was checked against its digests on its way from the rows and has reached the disk, so later looks
//! are at names and lengths alone. When a folder is made, those go that nobody uses: whose models or databases were
//! dropped, or were not used for 30 days.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as IoErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pgml_core::{Error, ErrorKind, Result};

use super::{Step, Stored, is_dropped};
use crate::Port;

/// Folders that were not used for this long go.
const LONG: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A use is noted this often.
const NOTED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait for another process that makes the same folder, before making it too. It reads the database meanwhile,
/// and might wait there for a lock of the one that waits here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What names of folders in the making end with.
const UNFINISHED: &str = ".tmp";

/// The folders of one server, as one of its databases uses them.
pub struct Unpacked<'a> {
    root: PathBuf,
    database: u32,
    has_database: &'a dyn Fn(u32) -> bool,
    step: Step<'a>,
}

/// A transformer whose files lie in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The folder.
    pub folder: PathBuf,
    marker: PathBuf,
}

impl<'a> Unpacked<'a> {
    /// The folders below `root`, which is made when it is needed, for the database of this number. `has_database` tells
    /// whether there is one of a number; `step` is told how far the making of a folder is, and called while one waits.
    pub fn new(root: PathBuf, database: u32, has_database: &'a dyn Fn(u32) -> bool, step: Step<'a>) -> Self {
        Self { root, database, has_database, step }
    }

    /// The files of the stored transformer `model_id`, in a folder.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the file, when a row is missing or was changed; [`ErrorKind::Io`] when the folder
    /// cannot be made.
    pub fn copy(&self, port: &mut dyn Port, model_id: i64) -> Result<Copy> {
        let stored = Stored::read(port, model_id)?;
        let name = |end: &str| self.root.join(format!("{}{end}", stored.digest));
        let copy = Copy { folder: name(""), marker: name(&format!(".{}.{model_id}", self.database)) };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root).map_err(|e| unusable(&self.root, &e))?;
        // First: from now on nobody removes the folder.
        mark(&copy.marker).map_err(|e| unusable(&copy.marker, &e))?;
        if !is_whole(&copy.folder, &stored) {
            self.make(port, &stored, &copy)?;
        }
        Ok(copy)
    }

    /// Makes the folder, or waits until another process has.
    fn make(&self, port: &mut dyn Port, stored: &Stored, copy: &Copy) -> Result<()> {
        let failed = |error: io::Error| unusable(&copy.folder, &error);
        let start = Instant::now();
        loop {
            let own = if start.elapsed() < PATIENCE { String::new() } else { format!(".{}", std::process::id()) };
            let path = self.root.join(format!("{}{own}{UNFINISHED}", stored.digest));
            if let Some(unfinished) = Unfinished::take(path).map_err(failed)? {
                // It may have been made between the look and the lock.
                return if is_whole(&copy.folder, stored) { Ok(()) } else { self.fill(port, stored, copy, unfinished) };
            }
            (self.step)(0, stored.bytes());
            thread::sleep(Duration::from_millis(5));
            if is_whole(&copy.folder, stored) {
                return Ok(());
            }
        }
    }

    fn fill(&self, port: &mut dyn Port, stored: &Stored, copy: &Copy, mut unfinished: Unfinished) -> Result<()> {
        self.remove_unused(port)?;
        let (mut done, total) = (0, stored.bytes());
        for entry in &stored.parts {
            let path = unfinished.path.join(&entry.name);
            let failed = |error: io::Error| unusable(&path, &error);
            let mut file = new_file(&path).map_err(failed)?;
            stored.read_file(port, entry, &mut |piece| {
                file.write_all(piece).map_err(failed)?;
                done += piece.len() as u64;
                (self.step)(done, total);
                Ok(())
            })?;
            // Nobody looks at its content again: it must not be lost in a crash of the machine that its name survives.
            file.sync_all().map_err(failed)?;
        }
        unfinished.publish(&copy.folder, stored).map_err(|e| unusable(&copy.folder, &e))
    }

    /// Removes the folders that nobody uses. What cannot be removed takes room and does no other harm.
    fn remove_unused(&self, port: &mut dyn Port) -> Result<()> {
        let names = names(&self.root).map_err(|e| unusable(&self.root, &e))?;
        let mut used = BTreeSet::new();
        for (digest, database, model_id) in names.iter().filter_map(|name| parse_marker(name)) {
            let path = self.root.join(format!("{digest}.{database}.{model_id}"));
            let dropped =
                if database == self.database { is_dropped(port, model_id)? } else { !(self.has_database)(database) };
            if dropped || age(&path).is_some_and(|age| age > LONG) {
                let _ = fs::remove_file(path);
            } else {
                used.insert(digest);
            }
        }
        for name in &names {
            let path = self.root.join(name);
            if name.ends_with(UNFINISHED) {
                drop(Unfinished::take_existing(path));
            } else if is_digest(name) && !used.contains(name.as_str()) {
                let _ = fs::remove_dir_all(path);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Unpacked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacked").field("root", &self.root).field("database", &self.database).finish_non_exhaustive()
    }
}

impl Copy {
    /// Whether the folder is still there. Notes that it is used.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match age(&self.marker) {
            Some(age) if age < NOTED_EVERY => {}
            Some(_) => drop(mark(&self.marker)),
            None => return false,
        }
        self.folder.is_dir()
    }
}

/// The right to make one folder: a locked folder of another name, removed with the value unless it was published. The
/// kernel gives the lock back when the process ends in any way.
struct Unfinished {
    path: PathBuf,
    _lock: File,
    published: bool,
}

impl Unfinished {
    /// An empty folder at `path`; `None` when another process has it, or had until now.
    fn take(path: PathBuf) -> io::Result<Option<Self>> {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != IoErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let taken = match Self::take_existing(path) {
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            taken => taken?,
        };
        // One that is not empty is what a killed process left: it goes with the value, and the next look finds none.
        Ok(taken.filter(|taken| names(&taken.path).is_ok_and(|names| names.is_empty())))
    }

    fn take_existing(path: PathBuf) -> io::Result<Option<Self>> {
        let lock = File::open(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between opening and locking, the process before may have published or removed it.
        let (locked, now) = (lock.metadata()?, fs::symlink_metadata(&path)?);
        let is_same = (locked.dev(), locked.ino()) == (now.dev(), now.ino());
        Ok(is_same.then_some(Self { path, _lock: lock, published: false }))
    }

    /// Gives the folder its name. One that stands there and is not whole, because somebody removed from it, goes.
    fn publish(&mut self, name: &Path, stored: &Stored) -> io::Result<()> {
        if let Err(first) = fs::rename(&self.path, name) {
            if is_whole(name, stored) {
                return Ok(());
            }
            fs::remove_dir_all(name).map_err(|_| first)?;
            fs::rename(&self.path, name)?;
        }
        self.published = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is removed later.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Whether all files are in the folder, and as long as they should be.
fn is_whole(folder: &Path, stored: &Stored) -> bool {
    stored.parts.iter().all(|entry| {
        let found = fs::symlink_metadata(folder.join(&entry.name));
        found.is_ok_and(|found| found.is_file() && found.len() == entry.bytes)
    })
}

fn new_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the marker, used now.
fn mark(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_modified(SystemTime::now())
}

/// How long ago the file was changed.
fn age(path: &Path) -> Option<Duration> {
    let modified = fs::symlink_metadata(path).ok()?.modified().ok()?;
    // One of the future, after the clock was set back, is new.
    Some(SystemTime::now().duration_since(modified).unwrap_or_default())
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Digest, database and model of a marker's name.
fn parse_marker(name: &str) -> Option<(&str, u32, i64)> {
    let mut parts = name.split('.');
    let (digest, database, model) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (is_digest(digest) && parts.next().is_none()).then_some((digest, database, model))
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not write \"{}\": {error}", path.display())).with_hint(
        "a transformer that the database stores is laid out as files in the data directory for the inference program",
    )
}
