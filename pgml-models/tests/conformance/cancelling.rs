//! Long work ends soon after it was cancelled.

use std::time::{Duration, Instant};

use pgml_core::{ErrorKind, Run};
use serde_json::Map;

use crate::data;
use crate::subject::{Finding, Subject};

/// When the fit is cancelled.
const AFTER: Duration = Duration::from_millis(50);
/// What is promised is 100 ms on a quiet machine for our own loops, and one call of a foreign library for others.
const AT_MOST: Duration = Duration::from_secs(1);
/// Enough for whatever is linear in the rows.
const MEMORY: u64 = 4 << 30;

pub fn a_cancelled_fit_ends_soon(subject: &Subject) -> Finding {
    let mut late = Duration::MAX;
    // One try in three may meet a busy machine.
    for _ in 0..3 {
        late = late.min(cancel_once(subject)?);
        if late <= AT_MOST.mul_f64(crowding()) {
            println!("{} ({}): back after {late:?}", subject.algorithm.name(), subject.task);
            return Ok(());
        }
    }
    Err(format!("still working {late:?} after it was cancelled"))
}

/// How many times as long work takes because others wait for the same cores: at least 1, and 1 where nobody tells.
pub fn crowding() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let waiting: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (waiting / cores as f64).max(1.0)
}

/// How long the fit went on after it was cancelled; nothing if it was done before.
fn cancel_once(subject: &Subject) -> Result<Duration, String> {
    let data = data::big(subject.task);
    let run = Run::new().with_threads(2).with_memory_limit(MEMORY);
    let begin = Instant::now();
    let (result, took) = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(AFTER);
            run.cancel();
        });
        (subject.fit_with(&Map::new(), data, &run), begin.elapsed())
    });
    match result {
        // Done in spite of the cancel: fine when it was about to be.
        Ok(_) => Ok(took.saturating_sub(AFTER)),
        Err(error) if error.kind() == ErrorKind::Cancelled => Ok(took.saturating_sub(AFTER)),
        // Matrices of all pairs of rows are refused before they are begun.
        Err(error) if error.kind() == ErrorKind::OutOfMemory => Ok(took.saturating_sub(AFTER)),
        Err(error) => Err(format!("ends with another error: {error}")),
    }
}

pub fn a_run_cancelled_before_it_begins_fits_nothing(subject: &Subject) -> Finding {
    let run = Run::new();
    run.cancel();
    match subject.fit_with(&Map::new(), &data::small(subject.task), &run) {
        Err(error) if error.kind() == ErrorKind::Cancelled => Ok(()),
        Err(error) => Err(format!("ends with another error: {error}")),
        Ok(_) => Err("fits all the same".to_owned()),
    }
}
