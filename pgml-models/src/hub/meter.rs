//! How much of all files has arrived.

use std::sync::atomic::{AtomicU64, Ordering};

use pgml_core::Run;

/// Counts the bytes of one model, from several threads.
pub struct Meter<'a> {
    run: &'a Run,
    done: AtomicU64,
    total: u64,
}

impl<'a> Meter<'a> {
    /// Of `total` bytes.
    pub fn new(run: &'a Run, total: u64) -> Self {
        Self { run, done: AtomicU64::new(0), total }
    }

    /// So many more bytes are here.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.run.progress("downloading", done, self.total);
    }

    /// So many bytes were of no use.
    pub fn take_back(&self, bytes: u64) {
        let before = self.done.fetch_sub(bytes, Ordering::Relaxed);
        self.run.progress("downloading", before.saturating_sub(bytes), self.total);
    }
}

/// A number of bytes for people.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
