//! Large vectors whose memory is reserved before it is taken, and whose allocation may fail.

use pgml_core::run::Reservation;
use pgml_core::{Error, ErrorKind, Result, Run};

/// `len` zeros for `what`, with the reservation that lasts as long as they do.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`], naming the need, when the run's budget or the machine does not have the memory.
pub fn zeros(len: usize, what: &str, run: &Run) -> Result<(Vec<f64>, Reservation)> {
    let bytes = 8 * len as u64;
    let memory = run.reserve(bytes, what)?;
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| {
        Error::new(
            ErrorKind::OutOfMemory,
            format!("{what} needs {} MiB, which this machine does not have", bytes >> 20),
        )
        .with_hint("train on fewer rows, for example a sample of them in a view")
    })?;
    values.resize(len, 0.0);
    Ok((values, memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_budget_or_the_machine_is_refused() {
        let limited = Run::new().with_memory_limit(1 << 20);
        let error = zeros(1 << 20, "the matrix", &limited).expect_err("8 of 1 MiB");
        assert_eq!((error.kind(), limited.reserved()), (ErrorKind::OutOfMemory, 0));
        let error = zeros(1 << 59, "the matrix", &Run::new()).expect_err("4 exbibytes");
        assert_eq!(error.message(), "the matrix needs 4398046511104 MiB, which this machine does not have");
        assert_eq!(zeros(3, "the matrix", &limited).map(|(values, _)| values), Ok(vec![0.0; 3]));
    }
}
