//! Progress: one line per step, with the seconds since the command began.

use std::sync::OnceLock;
use std::time::Instant;

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Starts the clock that the steps' seconds are counted from.
pub fn begin() {
    BEGAN.get_or_init(Instant::now);
}

/// Says on standard error what is being done now. Standard output stays free for results (`url`).
pub fn step(what: impl AsRef<str>) {
    let elapsed = BEGAN.get_or_init(Instant::now).elapsed().as_secs();
    eprintln!("[{elapsed:>4} s] {}", what.as_ref());
}
