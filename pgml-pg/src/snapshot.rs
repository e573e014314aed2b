//! What the current statement can see, as a value that can be compared.

use pgrx::pg_sys;

/// These run once per predicted row, and pgrx's guard (a saved stack, in case of an error) costs several times what they do.
mod unguarded {
    use pgrx::pg_sys::{Oid, Snapshot};

    // SAFETY: declared as in PostgreSQL's headers. They only read variables and never raise an error.
    unsafe extern "C" {
        pub fn ActiveSnapshotSet() -> bool;
        pub fn GetActiveSnapshot() -> Snapshot;
        pub fn GetUserId() -> Oid;
    }
}

/// Identifies the state of the database that the active snapshot shows, for the current user.
///
/// Two snapshots with equal keys show the same rows: the transactions in progress and the own command number are all
/// that visibility depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotKey {
    xmin: u32,
    xmax: u32,
    command: u32,
    in_progress: u64,
    user: u32,
}

impl SnapshotKey {
    /// The active snapshot's key; `None` outside any.
    #[inline]
    pub fn active() -> Option<Self> {
        // SAFETY: the active snapshot is valid until it is popped, which nothing here does.
        unsafe { unguarded::ActiveSnapshotSet().then(|| Self::of(unguarded::GetActiveSnapshot())) }
    }

    /// The key of a snapshot of everything committed by now.
    ///
    /// `None` where PostgreSQL allows no such snapshot: in parallel mode, and in a transaction whose snapshot is fixed.
    pub fn latest() -> Option<Self> {
        // SAFETY: in a transaction, outside parallel mode; the static snapshot is read at once.
        unsafe {
            let fixed = pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32;
            if fixed || pg_sys::IsInParallelMode() || !pg_sys::ActiveSnapshotSet() {
                return None;
            }
            Some(Self::of(pg_sys::GetLatestSnapshot()))
        }
    }

    /// Whether both show the same rows, whatever the user.
    pub fn shows_same_rows_as(&self, other: &Self) -> bool {
        self.sees_same_commits(other) && self.command == other.command
    }

    /// Whether this snapshot surely sees what `older` sees: its commits (transaction ids are compared modulo 2³², as ever),
    /// and what the own transaction had done by then, which a cursor opened before does not see.
    pub fn is_not_older_than(&self, older: &Self) -> bool {
        let sees_commits = self.sees_same_commits(older) || (self.xmax.wrapping_sub(older.xmax) as i32) > 0;
        sees_commits && self.command >= older.command
    }

    fn sees_same_commits(&self, other: &Self) -> bool {
        self.xmax == other.xmax && self.in_progress == other.in_progress
    }

    #[inline]
    unsafe fn of(snapshot: pg_sys::Snapshot) -> Self {
        // SAFETY: the caller's snapshot is valid; its arrays have the lengths it says.
        unsafe {
            let s = &*snapshot;
            let mut in_progress = u64::from(s.suboverflowed) ^ 0xcbf2_9ce4_8422_2325;
            let mut mix = |array: *mut pg_sys::TransactionId, n: usize| {
                for i in 0..n {
                    in_progress = (in_progress ^ u64::from((*array.add(i)).into_inner())).wrapping_mul(0x100_0000_01b3);
                }
            };
            mix(s.xip, s.xcnt as usize);
            mix(s.subxip, usize::try_from(s.subxcnt).unwrap_or(0));
            Self {
                xmin: s.xmin.into_inner(),
                xmax: s.xmax.into_inner(),
                command: s.curcid,
                in_progress,
                user: unguarded::GetUserId().to_u32(),
            }
        }
    }
}
