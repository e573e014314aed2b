//! A name means one model for good: what was found under it at its first use is written down, and anything else is
//! refused later. Vectors stored in a database are of use only with the model that made them.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pgml_core::{Error, ErrorKind, Result, Run};
use serde::{Deserialize, Serialize};

use super::digest::sha256;
use super::failure::of_disk;
use super::layout::{lock, write_whole};
use super::snapshot::files;

/// The pins of one model, or of one of its GGUF files, in a file beside the downloaded models.
#[derive(Debug, Clone)]
pub struct Pins {
    name: String,
    path: PathBuf,
    /// The GGUF file that is meant.
    wanted: Option<String>,
}

/// What a revision of a model was at its first use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The commit.
    pub commit: String,
    /// Its files that matter, by path.
    pub files: BTreeMap<String, PinnedFile>,
}

/// What a file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedFile {
    /// Of its content, in hexadecimal digits.
    pub sha256: String,
    size: u64,
    /// When the kernel last changed anything about it, in nanoseconds: nothing can be written without changing this, so a
    /// file that still has it is not read again.
    changed: i64,
}

/// Pins that could not be written, for as long as the process lives.
static UNWRITTEN: Mutex<BTreeMap<(PathBuf, String), Pin>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    model: String,
    revisions: BTreeMap<String, Pin>,
}

impl Pins {
    /// Of the model `name`, whose name was checked, and of its GGUF file `wanted` where there is one.
    #[must_use]
    pub fn new(cache: &Path, name: &str, wanted: Option<&str>) -> Self {
        let path = cache.join("pgml/pins").join(format!("{}.json", name.replace('/', "--")));
        Self { name: name.to_owned(), path, wanted: wanted.map(str::to_owned) }
    }

    /// What `revision` was at its first use, if it was ever used.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when the file cannot be understood, [`ErrorKind::Io`] when it cannot be read.
    pub fn get(&self, revision: &str) -> Result<Option<Pin>> {
        let written = self.read()?.revisions.remove(&self.entry(revision));
        Ok(written.or_else(|| unwritten().get(&self.key(revision)).cloned()))
    }

    /// Compares the commit's `folder` with the pin of `revision`, or writes the pin if there is none. `known` are digests
    /// that were found just now, by path.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] for another commit, [`ErrorKind::Corrupted`] for other files under the same.
    pub fn hold(
        &self,
        revision: &str,
        commit: &str,
        folder: &Path,
        known: &BTreeMap<String, String>,
        run: &Run,
    ) -> Result<()> {
        let before = self.get(revision)?;
        let now = Pin { commit: commit.to_owned(), files: self.observe(folder, before.as_ref(), known, run)? };
        match before {
            Some(before) if before == now => Ok(()),
            Some(before) => {
                self.compare(&before, &now)?;
                self.write(revision, now, run)
            }
            None => self.write(revision, now, run),
        }
    }

    /// Writes what the commit's `folder` is now, whatever the pin said before.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn replace(
        &self,
        revision: &str,
        commit: &str,
        folder: &Path,
        known: &BTreeMap<String, String>,
        run: &Run,
    ) -> Result<()> {
        let now = Pin { commit: commit.to_owned(), files: self.observe(folder, None, known, run)? };
        self.write(revision, now, run)
    }

    /// The refusal of `now`, another commit than the pinned one.
    #[must_use]
    pub fn other_commit(&self, pinned: &str, now: &str) -> Error {
        self.refused(ErrorKind::NotReady, format!("it was commit {pinned}, now there is {now}"))
    }

    fn compare(&self, before: &Pin, now: &Pin) -> Result<()> {
        if before.commit != now.commit {
            return Err(self.other_commit(&before.commit, &now.commit));
        }
        let paths = before.files.keys().chain(now.files.keys());
        for path in paths {
            let detail = match (before.files.get(path), now.files.get(path)) {
                (Some(before), Some(now)) if before.sha256 == now.sha256 => continue,
                (Some(before), Some(now)) => {
                    format!("the SHA-256 of \"{path}\" was {}, now it is {}", before.sha256, now.sha256)
                }
                (Some(_), None) => format!("\"{path}\" is gone"),
                (None, _) => format!("\"{path}\" was not there"),
            };
            return Err(self.refused(ErrorKind::Corrupted, detail));
        }
        Ok(())
    }

    fn refused(&self, kind: ErrorKind, detail: String) -> Error {
        let name = &self.name;
        Error::new(kind, format!("\"{name}\" is not the model that it was at its first use"))
            .with_detail(detail)
            .with_hint(format!(
                "vectors of the old and the new model do not fit together; to accept the new one: \
                 pgml.load_model('{name}', refresh => true)"
            ))
    }

    fn read(&self) -> Result<Document> {
        let json = match fs::read(&self.path) {
            Ok(json) => json,
            // Where a file stands in the folder's place, nothing can be written either: see `write`.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Document::default());
            }
            Err(error) => return Err(of_disk("read", &self.path, &error)),
        };
        serde_json::from_slice(&json).map_err(|error| {
            Error::new(ErrorKind::Corrupted, format!("\"{}\" cannot be understood: {error}", self.path.display()))
                .with_hint(
                    "it says which commits of the model are in use; without it, the next use counts as the first",
                )
        })
    }

    /// A cache that cannot be written to has pins for as long as the process lives.
    fn write(&self, revision: &str, pin: Pin, run: &Run) -> Result<()> {
        match self.add(revision, &pin, run) {
            Err(error) if error.kind() == ErrorKind::Io => {
                run.warn(&format!("\"{}\" is pinned for now only: {}", self.name, error.message()));
                unwritten().insert(self.key(revision), pin);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn add(&self, revision: &str, pin: &Pin, run: &Run) -> Result<()> {
        let _writer = lock(&self.path.with_extension("lock"), run)?;
        let mut document = self.read()?;
        document.model.clone_from(&self.name);
        document.revisions.insert(self.entry(revision), pin.clone());
        let json = serde_json::to_vec_pretty(&document)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("a pin is no JSON: {error}")))?;
        write_whole(&self.path, &json)
    }

    fn key(&self, revision: &str) -> (PathBuf, String) {
        (self.path.clone(), self.entry(revision))
    }

    /// Under what a pin is written: another GGUF file is another model. No revision has a colon in it.
    fn entry(&self, revision: &str) -> String {
        match &self.wanted {
            Some(file) => format!("{revision}:{file}"),
            None => revision.to_owned(),
        }
    }

    /// Whether nothing about the files in the `folder` of the pinned commit was touched since they were last read. Quick.
    #[must_use]
    pub fn is_untouched(&self, pin: &Pin, folder: &Path) -> bool {
        let same = |path: &String| {
            let seen = pin.files.get(path).map(|seen| (seen.size, seen.changed));
            seen.is_some() && fs::metadata(folder.join(path)).ok().as_ref().map(stamp) == seen
        };
        let files = files(folder, self.wanted.as_deref());
        files.is_ok_and(|files| files.len() == pin.files.len() && files.iter().all(same))
    }

    fn observe(
        &self,
        folder: &Path,
        before: Option<&Pin>,
        known: &BTreeMap<String, String>,
        run: &Run,
    ) -> Result<BTreeMap<String, PinnedFile>> {
        let files = files(folder, self.wanted.as_deref())?.into_iter().map(|path| {
            let file = folder.join(&path);
            let metadata = fs::metadata(&file).map_err(|error| of_disk("read", &file, &error))?;
            let (size, changed) = stamp(&metadata);
            let seen = before.and_then(|before| before.files.get(&path));
            let seen = seen.filter(|seen| (seen.size, seen.changed) == (size, changed)).map(|seen| seen.sha256.clone());
            let sha256 = match seen.or_else(|| known.get(&path).cloned()) {
                Some(sha256) => sha256,
                None => sha256(&file, run)?.map_err(|error| of_disk("read", &file, &error))?,
            };
            Ok((path, PinnedFile { sha256, size, changed }))
        });
        files.collect()
    }
}

fn unwritten() -> MutexGuard<'static, BTreeMap<(PathBuf, String), Pin>> {
    UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Length, and time of the last change in nanoseconds.
fn stamp(metadata: &Metadata) -> (u64, i64) {
    (metadata.len(), metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> (tempfile::TempDir, Pins, PathBuf) {
        let cache = tempfile::tempdir().expect("a folder");
        let folder = cache.path().join("snapshot");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("config.json"), "{}").expect("written");
        fs::write(folder.join("model.safetensors"), "weights").expect("written");
        let pins = Pins::new(cache.path(), "org/model", None);
        (cache, pins, folder)
    }

    fn hold(pins: &Pins, commit: &str, folder: &Path) -> Result<()> {
        pins.hold("main", commit, folder, &BTreeMap::new(), &Run::new())
    }

    #[test]
    fn another_commit_and_another_file_are_refused_until_they_are_accepted() {
        let (_cache, pins, folder) = model();
        hold(&pins, "a", &folder).expect("the first use");
        hold(&pins, "a", &folder).expect("the same");
        assert_eq!(hold(&pins, "b", &folder).expect_err("another commit").kind(), ErrorKind::NotReady);
        fs::write(folder.join("model.safetensors"), "WEIGHTS").expect("written");
        let error = hold(&pins, "a", &folder).expect_err("other weights");
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        assert!(error.detail().is_some_and(|detail| detail.contains("model.safetensors")), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("refresh => true")), "{error}");
        pins.replace("main", "b", &folder, &BTreeMap::new(), &Run::new()).expect("accepted");
        hold(&pins, "b", &folder).expect("the new one");
    }

    #[test]
    fn a_file_that_comes_or_goes_makes_another_model() {
        let (_cache, pins, folder) = model();
        hold(&pins, "a", &folder).expect("the first use");
        fs::write(folder.join("README.md"), "words").expect("written");
        hold(&pins, "a", &folder).expect("a file that does not matter");
        fs::write(folder.join("modules.json"), "[]").expect("written");
        assert!(hold(&pins, "a", &folder).expect_err("came").detail().is_some_and(|d| d.contains("was not there")));
        fs::remove_file(folder.join("modules.json")).expect("removed");
        fs::remove_file(folder.join("config.json")).expect("removed");
        assert!(hold(&pins, "a", &folder).expect_err("went").detail().is_some_and(|d| d.contains("is gone")));
    }

    #[test]
    fn files_that_were_only_copied_are_the_same() {
        let (_cache, pins, folder) = model();
        hold(&pins, "a", &folder).expect("the first use");
        let before = pins.get("main").expect("readable");
        fs::write(folder.join("model.safetensors"), "weights").expect("written again");
        hold(&pins, "a", &folder).expect("the same content");
        let after = pins.get("main").expect("readable");
        assert_ne!(before, after, "the new time is noted, so that the file is not read again");
        assert!(!pins.is_untouched(&before.expect("a pin"), &folder));
        assert!(pins.is_untouched(&after.expect("a pin"), &folder));
    }

    #[test]
    fn a_cache_that_cannot_be_written_to_has_pins_while_the_process_lives() {
        let (cache, pins, folder) = model();
        fs::write(cache.path().join("pgml"), "no folder").expect("written");
        hold(&pins, "a", &folder).expect("the first use");
        assert_eq!(hold(&pins, "b", &folder).expect_err("another commit").kind(), ErrorKind::NotReady);
    }
}
