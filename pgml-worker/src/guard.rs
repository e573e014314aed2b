//! A defect in a model fails the request that met it, not the program.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pgml_core::{Error, ErrorKind, Result};

/// The result of `work`; a panic in it becomes an error.
///
/// # Errors
/// Those of `work`; [`ErrorKind::Internal`] when it panics.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Err(Error::new(ErrorKind::Internal, format!("a model panicked: {text}"))
            .with_hint("this is a defect of pgml; please report it with the statement that led to it"))
    })
}
