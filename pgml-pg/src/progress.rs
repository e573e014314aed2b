//! How far each running training and download has come, for every session to see: one slot per backend in one small mapped file.
//!
//! The file lies in a folder of the data directory whose name base backups skip. It is sized once and never shrunk, for
//! truncating a mapped file kills whoever reads it. A slot is written by its backend alone; a reader retries when it
//! caught a slot in the middle of a change, and looks among the running processes whether its writer lives.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

use pgml_core::run::{Level, Progress, Reporter};
use pgrx::pg_sys;

use crate::{folder, message};

/// The number counts layouts.
const FILE: &str = "pgsql_tmp_pgml/progress.2";

const PHASE_WORDS: usize = 4;
const NAME_WORDS: usize = 8;

/// One backend's long work. A process id of 0 means none.
#[repr(C, align(64))]
struct Slot {
    /// Odd while the slot is being changed.
    sequence: AtomicU64,
    pid: AtomicI64,
    started: AtomicI64,
    phase_started: AtomicI64,
    done: AtomicU64,
    total: AtomicU64,
    phase: Text<PHASE_WORDS>,
    algorithm: Text<PHASE_WORDS>,
    project: Text<NAME_WORDS>,
}

/// A short text, cut at a character if it does not fit, in words that can be read while they are written.
struct Text<const WORDS: usize>([AtomicU64; WORDS]);

/// What a slot says.
pub struct Row {
    pub pid: i32,
    pub database: pg_sys::Oid,
    /// Whose session it is.
    pub owner: pg_sys::Oid,
    pub started: i64,
    pub phase_started: i64,
    pub done: u64,
    pub total: u64,
    pub phase: String,
    pub algorithm: String,
    pub project: String,
}

/// The long work of this backend: a training, or a download. Its slot is empty again when this is dropped.
pub struct Work(());

impl Work {
    /// Shows that work has begun, on a project or a transformer.
    pub fn begin(project: &str, algorithm: &str) -> Self {
        if let Some(slot) = own_slot() {
            let now = now();
            slot.change(|slot| {
                // SAFETY: a global of this backend, set before any session command runs.
                slot.pid.store(i64::from(unsafe { pg_sys::MyProcPid }), Ordering::Relaxed);
                slot.started.store(now, Ordering::Relaxed);
                slot.phase_started.store(now, Ordering::Relaxed);
                slot.done.store(0, Ordering::Relaxed);
                slot.total.store(0, Ordering::Relaxed);
                slot.phase.set("starting");
                slot.algorithm.set(algorithm);
                slot.project.set(project);
            });
        }
        Self(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(slot) = own_slot() {
            slot.change(|slot| slot.pid.store(0, Ordering::Relaxed));
        }
    }
}

/// Shows how far this backend's work has come. Main thread only.
pub fn publish(progress: Progress) {
    show(progress.phase, progress.done, progress.total);
}

/// As [`publish`].
pub fn show(phase: &str, done: u64, total: u64) {
    let Some(slot) = own_slot() else { return };
    if slot.pid.load(Ordering::Relaxed) == 0 {
        return;
    }
    let phase_began = slot.phase.get() != phase;
    slot.change(|slot| {
        if phase_began {
            slot.phase.set(phase);
            slot.phase_started.store(now(), Ordering::Relaxed);
        }
        slot.done.store(done, Ordering::Relaxed);
        slot.total.store(total, Ordering::Relaxed);
    });
}

/// What work on the main thread reports to.
pub struct MainThread;

impl Reporter for MainThread {
    fn progress(&self, progress: Progress) {
        publish(progress);
    }

    fn message(&self, level: Level, text: &str) {
        match level {
            Level::Info => message::info(text),
            Level::Warning => message::warning(text),
        }
    }
}

/// The running work that the caller may see: its own role's, and all to those who train or watch the server.
pub fn rows() -> Vec<Row> {
    let all = sees_all();
    let visible = |row: &Row| all || is_member(row.owner);
    let slots = slots().unwrap_or_default().iter().enumerate();
    slots.filter_map(|(index, slot)| slot.read()?.of_process(index)).filter(visible).collect()
}

fn sees_all() -> bool {
    // SAFETY: a catalog look-up; the invalid id when the role was dropped.
    let trainer = unsafe { pg_sys::get_role_oid(c"pgml_trainer".as_ptr(), true) };
    is_member(pg_sys::ROLE_PG_READ_ALL_STATS.into()) || (trainer != pg_sys::InvalidOid && is_member(trainer))
}

/// Whether the current user has the privileges of `role`.
fn is_member(role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) }
}

impl Row {
    /// With database and role of its process; `None` when that has ended without emptying its slot `index`.
    fn of_process(mut self, index: usize) -> Option<Self> {
        // SAFETY: the process may end at any time, but its entry in shared memory stays readable.
        unsafe {
            let process = pg_sys::BackendPidGetProc(self.pid);
            if process.is_null() || slot_index(process) != Some(index) {
                return None;
            }
            (self.database, self.owner) = ((*process).databaseId, (*process).roleId);
        }
        Some(self)
    }
}

impl Slot {
    fn change(&self, work: impl FnOnce(&Self)) {
        self.sequence.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        work(self);
        self.sequence.fetch_add(1, Ordering::Release);
    }

    fn read(&self) -> Option<Row> {
        // A writer needs well under a microsecond; one that died in the middle is not worth waiting for.
        (0..100)
            .find_map(|_| {
                let before = self.sequence.load(Ordering::Acquire);
                let row = Row {
                    pid: self.pid.load(Ordering::Relaxed) as i32,
                    database: pg_sys::InvalidOid,
                    owner: pg_sys::InvalidOid,
                    started: self.started.load(Ordering::Relaxed),
                    phase_started: self.phase_started.load(Ordering::Relaxed),
                    done: self.done.load(Ordering::Relaxed),
                    total: self.total.load(Ordering::Relaxed),
                    phase: self.phase.get(),
                    algorithm: self.algorithm.get(),
                    project: self.project.get(),
                };
                fence(Ordering::Acquire);
                (before.is_multiple_of(2) && before == self.sequence.load(Ordering::Relaxed)).then_some(row)
            })
            .filter(|row| row.pid != 0)
    }
}

impl<const WORDS: usize> Text<WORDS> {
    fn set(&self, text: &str) {
        let text = &text[..text.floor_char_boundary(8 * WORDS)];
        let mut bytes = text.bytes().chain(std::iter::repeat(0));
        for word in &self.0 {
            let mut piece = [0; 8];
            piece.fill_with(|| bytes.next().unwrap_or(0));
            word.store(u64::from_le_bytes(piece), Ordering::Relaxed);
        }
    }

    fn get(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()
    }
}

fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

fn own_slot() -> Option<&'static Slot> {
    // SAFETY: this process's own entry in shared memory, set before any session command runs.
    let index = unsafe { slot_index(pg_sys::MyProc) };
    slots()?.get(index?)
}

/// The slot of a process: its number among the backends.
///
/// # Safety
/// The pointer is to an entry of the server's array of processes.
unsafe fn slot_index(process: *const pg_sys::PGPROC) -> Option<usize> {
    // SAFETY: as promised by the caller. The numbers count from 1 before PostgreSQL 17, from 0 since.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    let index = unsafe { (*process).backendId } - 1;
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: as above.
    let index = unsafe { (*process).vxid.procNumber };
    usize::try_from(index).ok()
}

/// The mapped slots; `None` where the file cannot be made, for instance on a full disk: progress is not worth an error.
fn slots() -> Option<&'static [Slot]> {
    static SLOTS: OnceLock<Option<&'static [Slot]>> = OnceLock::new();
    *SLOTS.get_or_init(|| map().ok())
}

fn map() -> std::io::Result<&'static [Slot]> {
    // Backends and auxiliary processes share the numbers.
    // SAFETY: a global that is set when the server starts.
    let n_slots = usize::try_from(unsafe { pg_sys::MaxBackends }).unwrap_or(0) + 64;
    let length = n_slots * size_of::<Slot>();
    folder::ensure()?;
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(FILE)?;
    // SAFETY: the file is at least as long as the mapping and never gets shorter; zeros are valid, empty slots; all
    // accesses are atomic. The mapping lives as long as the process.
    unsafe {
        match libc::posix_fallocate(file.as_raw_fd(), 0, length as libc::off_t) {
            0 => {}
            code => return Err(std::io::Error::from_raw_os_error(code)),
        }
        let address = libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(std::slice::from_raw_parts(address.cast::<Slot>(), n_slots))
    }
}
