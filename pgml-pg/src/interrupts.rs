//! Work on the main thread that can be cancelled: it says how far it is, and that is when interrupts are looked for.

use std::sync::Arc;

use pgml_core::Run;
use pgml_core::run::{Level, Progress, Reporter};
use pgrx::check_for_interrupts;

use crate::{guc, message};

/// A run for work on the main thread, within `pgml.memory_limit`, which a cancel or a timeout ends by PostgreSQL's own error.
pub fn interruptible() -> Run {
    Run::new().with_memory_limit(guc::memory_limit()).with_reporter(Arc::new(Interrupts))
}

/// Looks for interrupts whenever work says how far it is. Main thread only.
struct Interrupts;

impl Reporter for Interrupts {
    fn progress(&self, _: Progress) {
        check_for_interrupts!();
    }

    fn message(&self, level: Level, text: &str) {
        match level {
            Level::Info => message::info(text),
            Level::Warning => message::warning(text),
        }
    }
}
