//! The set behind the view `pgml.progress`.

use pgrx::prelude::*;

use crate::progress;

type ProgressRows = TableIterator<
    'static,
    (
        name!(pid, i32),
        name!(database, pg_sys::Oid),
        name!(owner, pg_sys::Oid),
        name!(project, String),
        name!(algorithm, String),
        name!(phase, String),
        name!(done, i64),
        name!(total, Option<i64>),
        name!(started_at, TimestampWithTimeZone),
        name!(phase_started_at, TimestampWithTimeZone),
    ),
>;

#[pg_extern(sql = false)]
fn progress_table() -> ProgressRows {
    TableIterator::new(progress::rows().into_iter().map(|row| {
        let total = (row.total > 0).then(|| i64::try_from(row.total).unwrap_or(i64::MAX));
        let done = i64::try_from(row.done).unwrap_or(i64::MAX);
        let [started, phase_started] = [row.started, row.phase_started].map(time);
        (row.pid, row.database, row.owner, row.project, row.algorithm, row.phase, done, total, started, phase_started)
    }))
}

/// Microseconds since 2000, as PostgreSQL counts; what is out of range is the beginning.
fn time(micros: i64) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(micros).unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}
