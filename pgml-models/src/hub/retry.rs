//! Trying again, with pauses, as long as that may help and nobody cancels.

use std::time::{Duration, Instant};

use pgml_core::{Result, Run};

use super::failure::{Again, Failure};
use super::settings::Patience;

/// How often a pause looks whether the work was cancelled.
const LOOK: Duration = Duration::from_millis(20);

/// Calls `attempt` until it succeeds, fails for good, or has failed too often without getting further.
///
/// # Errors
/// Those of `run`, and the last of `attempt`.
pub fn with_retries<T>(patience: &Patience, run: &Run, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T> {
    let mut failures = 0;
    loop {
        run.check()?;
        let failure = match attempt() {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        // A connection that was closed because of a cancel fails too; the cancel is what the caller is told.
        run.check()?;
        failures = if failure.progressed { 1 } else { failures + 1 };
        let Some(pause) = pause(patience, &failure, failures) else { return Err(failure.error) };
        sleep(pause, run)?;
    }
}

/// How long to wait after so many failures; not at all when there is no point in another try.
fn pause(patience: &Patience, failure: &Failure, failures: u32) -> Option<Duration> {
    if failures >= patience.attempts {
        return None;
    }
    let usual = patience.pause.saturating_mul(1 << (failures - 1).min(16));
    match failure.again {
        Again::Never => None,
        Again::Soon => Some(usual.min(patience.longest_pause)),
        // Asking before that would be refused again, and held against us.
        Again::After(wait) => (wait <= patience.longest_pause).then_some(wait.max(usual.min(patience.longest_pause))),
    }
}

/// Waits, unless cancelled.
///
/// # Errors
/// Those of `run`.
pub fn sleep(pause: Duration, run: &Run) -> Result<()> {
    let end = Instant::now() + pause;
    loop {
        run.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::{Error, ErrorKind};

    use super::*;

    fn failure(again: Again, progressed: bool) -> Failure {
        Failure { error: Error::new(ErrorKind::Io, "failed"), again, progressed, status: None }
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_end() {
        let patience = Patience { longest_pause: Duration::from_secs(2), ..Patience::default() };
        let pauses: Vec<_> = (1..=5).map(|n| pause(&patience, &failure(Again::Soon, false), n)).collect();
        let milliseconds = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [milliseconds(500), milliseconds(1000), milliseconds(2000), milliseconds(2000), None]);
        let wait = |seconds| pause(&patience, &failure(Again::After(Duration::from_secs(seconds)), false), 1);
        assert_eq!(wait(1), milliseconds(1000));
        assert_eq!(wait(3600), None);
        assert_eq!(pause(&patience, &failure(Again::Never, false), 1), None);
    }

    #[test]
    fn a_download_that_gets_further_is_not_given_up() {
        let patience = Patience { pause: Duration::ZERO, attempts: 2, ..Patience::default() };
        let mut left = 10;
        let outcome = with_retries(&patience, &Run::new(), || {
            left -= 1;
            if left == 0 { Ok(()) } else { Err(failure(Again::Soon, true)) }
        });
        assert!(outcome.is_ok());
        assert!(with_retries::<()>(&patience, &Run::new(), || Err(failure(Again::Soon, false))).is_err());
    }
}
