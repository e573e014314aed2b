//! What many processes do with a folder of copies, and what they find in it. Threads stand for processes: locks belong to
//! open files.

use std::cell::{Cell, RefCell};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgml_core::ErrorKind;
use tempfile::TempDir;

use super::*;

const BYTES: usize = (1 << 20) + 4096;

/// A part of [`BYTES`] bytes that depend on `seed`.
fn part(seed: u8) -> (PartEntry, Vec<u8>) {
    let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8 ^ seed).collect();
    (PartEntry::of("state.safetensors", &bytes), bytes)
}

struct Folder {
    temporary: TempDir,
    limit: u64,
    reads: Cell<usize>,
    warnings: RefCell<Vec<String>>,
}

impl Folder {
    fn new(limit: u64) -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        Self { temporary, limit, reads: Cell::default(), warnings: RefCell::default() }
    }

    fn path(&self) -> PathBuf {
        self.temporary.path().join("copies")
    }

    fn copy(&self, entry: &PartEntry) -> PathBuf {
        self.path().join(&entry.sha256)
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.path()).expect("the folder").map(|entry| entry.expect("a file").file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }

    /// What loading the part gives, when the database has `stored`.
    fn load(&self, entry: &PartEntry, stored: &[u8]) -> pgml_core::Result<Option<Shared<u8>>> {
        let log = |level, text: &str| {
            if level == Level::Warning {
                self.warnings.borrow_mut().push(text.to_owned());
            }
        };
        Spool::new(self.path(), self.limit, &|| (), &log).part(entry, &mut |take| {
            self.reads.set(self.reads.get() + 1);
            stored.chunks(100_000).try_for_each(take)
        })
    }

    fn loaded(&self, (entry, bytes): &(PartEntry, Vec<u8>)) -> Shared<u8> {
        let found = self.load(entry, bytes).expect("no error").expect("a copy");
        assert_eq!(*found, **bytes);
        found
    }
}

#[test]
fn the_first_load_writes_the_copy_and_later_ones_map_it() {
    let folder = Folder::new(1 << 30);
    let part = part(1);
    let first = folder.loaded(&part);
    let second = folder.loaded(&part);
    assert_eq!(folder.reads.get(), 1);
    assert_eq!((first.private_bytes(), second.private_bytes()), (0, 0));
    assert_eq!(folder.names(), [&*part.0.sha256]);
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(folder.copy(&part.0)), mode(folder.path())), (0o600, 0o700));
    assert!(folder.warnings.borrow().is_empty());
}

#[test]
fn of_many_that_load_at_once_one_reads_and_writes_and_all_map_its_file() {
    let temporary = tempfile::tempdir().expect("a folder");
    let (entry, bytes) = part(2);
    let (reads, start) = (AtomicUsize::new(0), Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                let spool = Spool::new(temporary.path().to_owned(), 1 << 30, &|| (), &|_, _| ());
                let found = spool.part(&entry, &mut |take| {
                    reads.fetch_add(1, Ordering::SeqCst);
                    bytes.chunks(10_000).try_for_each(|piece| {
                        thread::sleep(Duration::from_micros(100));
                        take(piece)
                    })
                });
                assert_eq!(*found.expect("no error").expect("a copy"), *bytes);
            });
        }
    });
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert_eq!(fs::read_dir(temporary.path()).expect("the folder").count(), 1);
}

#[test]
fn a_changed_a_cut_and_an_open_copy_are_noticed_and_written_again() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 3] = [
        ("its SHA-256 digest does not match", |path| {
            let mut bytes = fs::read(path).expect("the copy");
            bytes[BYTES / 2] ^= 1;
            fs::write(path, bytes).expect("writable");
        }),
        ("bytes instead of", |path| fs::write(path, vec![0; BYTES - 1]).expect("writable")),
        ("others may access it (mode 640)", |path| {
            fs::set_permissions(path, Permissions::from_mode(0o640)).expect("own file");
        }),
    ];
    for (n, (why, harm)) in harms.into_iter().enumerate() {
        let folder = Folder::new(1 << 30);
        let part = part(3);
        folder.loaded(&part);
        harm(&folder.copy(&part.0));
        folder.loaded(&part);
        folder.loaded(&part);
        assert_eq!(folder.reads.get(), 2, "harm {n}");
        let warnings = folder.warnings.borrow();
        assert!(warnings.len() == 1 && warnings[0].contains(why), "{warnings:?}");
        assert_eq!(folder.names(), [&*part.0.sha256]);
    }
}

#[test]
fn what_a_killed_writer_left_is_never_used_and_is_removed() {
    let folder = Folder::new(1 << 30);
    let (mine, other) = (part(4), part(5));
    fs::create_dir(folder.path()).expect("the folder");
    for (entry, bytes) in [&mine, &other] {
        let path = folder.copy(entry).with_extension(claim::EXTENSION);
        fs::write(path, &bytes[..BYTES / 2]).expect("half a file");
    }
    folder.loaded(&mine);
    assert_eq!(folder.names(), [&*mine.0.sha256]);
}

#[test]
fn a_writer_at_work_keeps_its_temporary_file() {
    let folder = Folder::new(1 << 30);
    let (mine, other) = (part(6), part(7));
    folder.loaded(&mine);
    let temporary = folder.copy(&other.0).with_extension(claim::EXTENSION);
    let claim = Claim::take(temporary.clone()).expect("no error").expect("nobody has it");
    assert!(Claim::take(temporary.clone()).expect("no error").is_none());
    room::make(&folder.path(), 0, 0).expect("no error");
    assert_eq!(folder.names(), [format!("{}.{}", other.0.sha256, claim::EXTENSION)]);
    drop(claim);
    assert!(!temporary.exists());
}

#[test]
fn a_corrupted_part_is_refused_and_leaves_nothing() {
    let folder = Folder::new(1 << 30);
    let (entry, mut bytes) = part(8);
    bytes[77] ^= 4;
    let error = folder.load(&entry, &bytes).expect_err("another digest");
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert_eq!(folder.load(&entry, &bytes[1..]).map_err(|e| e.kind()), Err(ErrorKind::Corrupted));
    assert!(folder.names().is_empty());
}

#[test]
fn a_source_that_fails_or_unwinds_leaves_nothing() {
    let folder = Folder::new(1 << 30);
    let (entry, bytes) = part(9);
    let spool = || Spool::new(folder.path(), 1 << 30, &|| (), &|_, _| ());
    let failed = spool().part(&entry, &mut |take| {
        take(&bytes[..1000])?;
        Err(Error::new(ErrorKind::NotFound, "the row went away").into())
    });
    assert_eq!(failed.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        spool().part(&entry, &mut |take| {
            take(&bytes[..1000])?;
            std::panic::resume_unwind(Box::new("cancelled"))
        })
    }));
    assert!(unwound.is_err());
    assert!(folder.names().is_empty());
}

#[test]
fn what_was_not_loaded_for_longest_goes_first_and_stays_readable_where_it_is_mapped() {
    let folder = Folder::new(3 * BYTES as u64);
    let parts: Vec<_> = (10..13).map(part).collect();
    let mapped: Vec<_> = parts.iter().map(|part| folder.loaded(part)).collect();
    let hour = Duration::from_secs(3600);
    for (n, part) in parts.iter().enumerate() {
        let file = File::open(folder.copy(&part.0)).expect("a copy");
        file.set_modified(SystemTime::now() - hour * (3 - n as u32)).expect("own file");
    }
    // The oldest is loaded once more, so the second goes.
    folder.loaded(&parts[0]);
    folder.loaded(&part(13));
    let left: Vec<bool> = parts.iter().map(|part| folder.copy(&part.0).exists()).collect();
    assert_eq!(left, [true, false, true]);
    assert_eq!(*mapped[1], *parts[1].1);
}

#[test]
fn what_nobody_has_loaded_for_a_month_goes_even_where_there_is_room() {
    let folder = Folder::new(1 << 30);
    let (old, new) = (part(14), part(15));
    folder.loaded(&old);
    let long_ago = SystemTime::now() - Duration::from_secs(31 * 24 * 60 * 60);
    File::open(folder.copy(&old.0)).and_then(|file| file.set_modified(long_ago)).expect("own file");
    folder.loaded(&new);
    assert_eq!(folder.names(), [&*new.0.sha256]);
}

#[test]
fn small_parts_parts_beyond_the_limit_and_digests_that_are_none_have_no_copy() {
    let folder = Folder::new(BYTES as u64 - 1);
    let (entry, bytes) = part(16);
    assert_eq!(folder.load(&entry, &bytes), Ok(None));
    let folder = Folder::new(1 << 30);
    assert_eq!(folder.load(&PartEntry::of("x", b"few"), b"few"), Ok(None));
    for sha256 in ["../../postgresql.conf".to_owned(), "F".repeat(64), "/".repeat(64)] {
        assert_eq!(folder.load(&PartEntry { sha256, ..entry.clone() }, &bytes), Ok(None));
    }
    assert!(!folder.path().exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_told_and_nothing_fails() {
    let folder = Folder::new(1 << 30);
    let (entry, bytes) = part(17);
    fs::write(folder.path(), "a file in its place").expect("writable");
    assert_eq!(folder.load(&entry, &bytes), Ok(None));
    let warnings = folder.warnings.borrow();
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("a model is loaded into a session's own memory"),
        "{warnings:?}"
    );
    assert_eq!(folder.reads.get(), 0, "the caller reads");
}
