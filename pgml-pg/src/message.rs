//! Messages to the client that are no errors.
//!
//! Sending a message ends with a check for interrupts. A cancel found there would jump over Rust frames and skip their
//! destructors (pgrx#2372), so interrupts are held until the message is out; the next ordinary check then accepts them.

use pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION as NO_ERROR;
use pgrx::pg_sys;
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::pg_sys::panic::ErrorReport;

use crate::encoding;

/// Tells the user what they asked for (statistics, metrics), whatever `client_min_messages` says.
pub fn info(text: &str) {
    send(PgLogLevel::INFO, text);
}

/// Tells the user what is helpful to know.
pub fn notice(text: &str) {
    send(PgLogLevel::NOTICE, text);
}

/// Warns the user.
pub fn warning(text: &str) {
    send(PgLogLevel::WARNING, text);
}

/// Tells the administrator, in the server's log.
pub fn log(text: &str) {
    send(PgLogLevel::LOG, text);
}

/// Tells whoever looks for the cause of something.
pub fn debug(text: &str) {
    send(PgLogLevel::DEBUG1, text);
}

fn send(level: PgLogLevel, text: &str) {
    let code = if level == PgLogLevel::WARNING { pgrx::PgSqlErrorCode::ERRCODE_WARNING } else { NO_ERROR };
    let report = ErrorReport::new(code, encoding::message(text).into_owned(), "pgml");
    let _held = HeldInterrupts::new();
    report.report(level);
}

/// Interrupts wait while this lives.
pub struct HeldInterrupts(());

impl HeldInterrupts {
    /// Holds them, as the macro `HOLD_INTERRUPTS()` does.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: a counter of this single-threaded process; `drop` takes back what is added here.
        unsafe { pg_sys::InterruptHoldoffCount += 1 };
        Self(())
    }
}

impl Drop for HeldInterrupts {
    fn drop(&mut self) {
        // An error raised meanwhile has reset the counter to 0 already.
        // SAFETY: as in `new`.
        unsafe { pg_sys::InterruptHoldoffCount = pg_sys::InterruptHoldoffCount.saturating_sub(1) };
    }
}
