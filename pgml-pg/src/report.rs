//! Errors on their way to SQL: every [`ErrorKind`] has one SQLSTATE.

use pgml_core::{Error, ErrorKind};
use pgrx::PgSqlErrorCode as Sqlstate;
use pgrx::pg_sys::panic::ErrorReport;

use crate::encoding::message;

/// What a `#[pg_extern]` function returns. The error is raised after the function has returned, so destructors have run;
/// errors that Postgres itself raises below (SPI, cancel) unwind past it and arrive at the client unchanged.
pub type SqlResult<T> = Result<T, ErrorReport>;

/// Turns the workspace's results into SQL's.
pub trait Report<T> {
    /// The same result, with the error as a report that has a SQLSTATE, DETAIL and HINT.
    ///
    /// # Errors
    /// The same ones.
    fn report(self) -> SqlResult<T>;
}

impl<T> Report<T> for pgml_core::Result<T> {
    #[track_caller]
    fn report(self) -> SqlResult<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error_report(&error)),
        }
    }
}

/// Runs the body of a wrapper, in which `?` works on the workspace's errors.
///
/// # Errors
/// Those of `body`, as reports.
#[track_caller]
pub fn sql<T>(body: impl FnOnce() -> pgml_core::Result<T>) -> SqlResult<T> {
    body().report()
}

#[track_caller]
fn error_report(error: &Error) -> ErrorReport {
    let mut report = ErrorReport::new(sqlstate(error.kind()), message(error.message()).into_owned(), "pgml");
    if let Some(detail) = error.detail() {
        report = report.set_detail(message(detail));
    }
    if let Some(hint) = error.hint() {
        report = report.set_hint(message(hint));
    }
    report
}

/// The SQLSTATE of an error kind.
fn sqlstate(kind: ErrorKind) -> Sqlstate {
    match kind {
        ErrorKind::Cancelled => Sqlstate::ERRCODE_QUERY_CANCELED,
        ErrorKind::InvalidParameter => Sqlstate::ERRCODE_INVALID_PARAMETER_VALUE,
        ErrorKind::InvalidData => Sqlstate::ERRCODE_DATA_EXCEPTION,
        ErrorKind::WrongDimension => Sqlstate::ERRCODE_ARRAY_ELEMENT_ERROR,
        ErrorKind::WrongType => Sqlstate::ERRCODE_DATATYPE_MISMATCH,
        ErrorKind::NotFound => Sqlstate::ERRCODE_UNDEFINED_OBJECT,
        ErrorKind::UndefinedTable => Sqlstate::ERRCODE_UNDEFINED_TABLE,
        ErrorKind::UndefinedColumn => Sqlstate::ERRCODE_UNDEFINED_COLUMN,
        ErrorKind::AlreadyExists => Sqlstate::ERRCODE_DUPLICATE_OBJECT,
        ErrorKind::NotSupported => Sqlstate::ERRCODE_FEATURE_NOT_SUPPORTED,
        ErrorKind::NotReady => Sqlstate::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        ErrorKind::OutOfMemory => Sqlstate::ERRCODE_OUT_OF_MEMORY,
        ErrorKind::Corrupted => Sqlstate::ERRCODE_DATA_CORRUPTED,
        ErrorKind::PermissionDenied => Sqlstate::ERRCODE_INSUFFICIENT_PRIVILEGE,
        ErrorKind::MissingLibrary => Sqlstate::ERRCODE_UNDEFINED_FILE,
        ErrorKind::Io => Sqlstate::ERRCODE_IO_ERROR,
        ErrorKind::ConnectionFailure => Sqlstate::ERRCODE_CONNECTION_FAILURE,
        // The client SDK asks again in another way when it sees XX000.
        ErrorKind::UnresolvedModel => Sqlstate::ERRCODE_INTERNAL_ERROR,
        _ => Sqlstate::ERRCODE_INTERNAL_ERROR,
    }
}

/// Keeps backtraces out of the clients' DETAIL when the server's environment holds `RUST_BACKTRACE`; capturing one also
/// doubles the cost of an error. The standard library reads the variable once, so it is set for that moment alone.
pub fn without_backtraces() {
    const VARIABLE: &str = "RUST_LIB_BACKTRACE";
    let before = std::env::var_os(VARIABLE);
    // SAFETY: called while the library is loaded, by a process that has one thread.
    unsafe { std::env::set_var(VARIABLE, "0") };
    drop(std::backtrace::Backtrace::capture());
    // SAFETY: as above.
    unsafe {
        match before {
            Some(value) => std::env::set_var(VARIABLE, value),
            None => std::env::remove_var(VARIABLE),
        }
    }
}
