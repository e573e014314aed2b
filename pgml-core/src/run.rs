//! What long work is given to stay well-behaved: a cancel flag, a progress sink, a seed, threads and a memory budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// What the user asked for: statistics, metrics.
    Info,
    /// Something the user should know.
    Warning,
}

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The phase's name, for instance `"training"`.
    pub phase: &'static str,
    /// Units done in this phase.
    pub done: u64,
    /// Units in all, 0 when unknown.
    pub total: u64,
}

/// Receives progress and messages. Called from any thread, often: implementations throttle.
pub trait Reporter: Send + Sync {
    /// Notes how far the work has come.
    fn progress(&self, progress: Progress);
    /// Delivers a message to the user.
    fn message(&self, level: Level, text: &str);
}

/// A [`Reporter`] that drops everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn progress(&self, _: Progress) {}
    fn message(&self, _: Level, _: &str) {}
}

/// Goes into all long work, which calls [`Run::check`] every few milliseconds. Cheap to clone; clones share state.
#[derive(Clone)]
pub struct Run {
    cancelled: Arc<AtomicBool>,
    reporter: Arc<dyn Reporter>,
    memory: Arc<Memory>,
    seed: u64,
    threads: usize,
}

struct Memory {
    limit: u64,
    used: AtomicU64,
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("cancelled", &self.cancelled)
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Run {
    /// A run with seed 0, one thread, no memory limit and a silent reporter.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cancelled: Arc::default(),
            reporter: Arc::new(Silent),
            memory: Arc::new(Memory { limit: u64::MAX, used: AtomicU64::new(0) }),
            seed: 0,
            threads: 1,
        }
    }

    /// Sets the seed: same input and same seed give the same bytes.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how many threads the work may use, at least one.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Sets the memory budget in bytes, for this run and all its clones made afterwards.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Arc::new(Memory { limit: bytes, used: AtomicU64::new(0) });
        self
    }

    /// Sets where progress and messages go.
    #[must_use]
    pub fn with_reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = reporter;
        self
    }

    /// An error of kind [`ErrorKind::Cancelled`] once [`Run::cancel`] was called; one relaxed load otherwise.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "canceling work due to user request"));
        }
        Ok(())
    }

    /// Whether [`Run::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Asks the work to stop. It does at its next [`Run::check`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The flag behind [`Run::check`], for foreign code that polls it.
    #[must_use]
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator for one purpose. Different `stream`s (tree 0, tree 1, …) are independent; equal ones are equal.
    #[must_use]
    pub fn rng(&self, stream: u64) -> fastrand::Rng {
        // SplitMix64 finaliser (Steele, Lea, Flood 2014), so that neighbouring streams share no low bits.
        let mut z = self.seed.wrapping_add(stream.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        fastrand::Rng::with_seed(z ^ (z >> 31))
    }

    /// How many threads the work may use, at least one.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Reports how far the work has come.
    pub fn progress(&self, phase: &'static str, done: u64, total: u64) {
        self.reporter.progress(Progress { phase, done, total });
    }

    /// Tells the user something they asked for.
    pub fn info(&self, text: &str) {
        self.reporter.message(Level::Info, text);
    }

    /// Warns the user.
    pub fn warn(&self, text: &str) {
        self.reporter.message(Level::Warning, text);
    }

    /// Takes `bytes` from the memory budget before they are allocated; dropping the reservation gives them back.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`], naming the need and the limit, when the budget does not cover them.
    pub fn reserve(&self, bytes: u64, what: &str) -> Result<Reservation> {
        let used = self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation { memory: Arc::clone(&self.memory), bytes };
        if used.saturating_add(bytes) > self.memory.limit {
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "{what} needs {} MiB, which exceeds the memory limit of {} MiB",
                    mebibytes(bytes),
                    mebibytes(self.memory.limit)
                ),
            )
            .with_detail(format!("{} MiB are in use by this call already", mebibytes(used)))
            .with_hint("raise pgml.memory_limit, or train on fewer rows or columns"));
        }
        Ok(reservation)
    }

    /// Bytes reserved at present.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.memory.used.load(Ordering::Relaxed)
    }
}

/// Bytes taken from a [`Run`]'s budget until this is dropped.
#[must_use = "dropping a reservation gives its bytes back"]
pub struct Reservation {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_run_fails_its_next_check_in_every_clone() {
        let run = Run::new();
        let clone = run.clone();
        assert!(clone.check().is_ok());
        run.cancel();
        assert_eq!(clone.check().map_err(|e| e.kind()), Err(ErrorKind::Cancelled));
    }

    #[test]
    fn memory_is_refused_beyond_the_limit_and_comes_back_on_drop() {
        let run = Run::new().with_memory_limit(100 << 20);
        let first = run.reserve(60 << 20, "the data").expect("60 of 100 MiB");
        let error = run.reserve(60 << 20, "the model").expect_err("120 of 100 MiB");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(error.message(), "the model needs 60 MiB, which exceeds the memory limit of 100 MiB");
        drop(first);
        assert_eq!(run.reserved(), 0);
        assert!(run.reserve(60 << 20, "the model").is_ok());
    }

    #[test]
    fn streams_differ_and_repeat() {
        let run = Run::new().with_seed(7);
        assert_eq!(run.rng(1).u64(..), run.rng(1).u64(..));
        assert_ne!(run.rng(1).u64(..), run.rng(2).u64(..));
    }
}
