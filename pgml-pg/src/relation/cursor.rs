//! Fetches the rows of a SELECT through a cursor, some at a time.

use std::ffi::CString;

use pgml_core::run::Reservation;
use pgml_core::{Result, Run};
use pgrx::{PgMemoryContexts, Spi, check_for_interrupts, pg_sys};

use super::builder::Builder;
use super::internal;
use crate::encoding::to_server;

/// Rows fetched at a time: enough to forget the cost of the call, few enough to stay in cache.
const FETCH: i64 = 4096;

/// The order of rows that `last` sampling means is the table's own: a scan must not start in the middle.
pub fn without_synchronized_scans<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let name = c"synchronize_seqscans";
    // SAFETY: plain calls into the settings machinery, undone below or by the transaction's abort.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            name.as_ptr(),
            c"off".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        let result = work();
        pg_sys::AtEOXact_GUC(true, level);
        result
    }
}

/// Fetches the rows of `select` into `builders`, one memory context per batch.
pub fn read(select: &str, builders: &mut [Builder], run: &Run) -> Result<Vec<Reservation>> {
    let select = CString::new(to_server(select)).map_err(|_| internal("a NUL in a column name"))?;
    Spi::connect(|_| {
        // SAFETY: inside SPI; the portal lives until it is closed, errors unwind through SPI's own clean-up.
        unsafe {
            let plan = pg_sys::SPI_prepare(select.as_ptr(), 0, std::ptr::null_mut());
            if plan.is_null() {
                return Err(internal("the relation's SELECT could not be prepared"));
            }
            // Not read-only: a relation made by this same call must be visible.
            let portal = pg_sys::SPI_cursor_open(std::ptr::null(), plan, std::ptr::null_mut(), std::ptr::null(), false);
            let result = fetch_all(portal, builders, run);
            pg_sys::SPI_cursor_close(portal);
            result
        }
    })
}

unsafe fn fetch_all(portal: pg_sys::Portal, builders: &mut [Builder], run: &Run) -> Result<Vec<Reservation>> {
    let mut scratch = PgMemoryContexts::new("pgml rows");
    let mut reservations = Vec::new();
    let mut done = 0_u64;
    loop {
        check_for_interrupts!();
        // SAFETY: the portal is open; the tuple table is freed before the next fetch.
        let fetched = unsafe {
            pg_sys::SPI_cursor_fetch(portal, true, FETCH);
            let fetched = pg_sys::SPI_processed;
            let table = pg_sys::SPI_tuptable;
            let before: u64 = builders.iter().map(Builder::bytes).sum();
            let result = scratch.switch_to(|_| append(table, fetched as usize, builders));
            scratch.reset();
            pg_sys::SPI_freetuptable(table);
            result?;
            let after: u64 = builders.iter().map(Builder::bytes).sum();
            reservations.push(run.reserve(after.saturating_sub(before), "the training data")?);
            fetched
        };
        done += fetched;
        run.progress("reading", done, 0);
        if fetched == 0 {
            return Ok(reservations);
        }
    }
}

unsafe fn append(table: *mut pg_sys::SPITupleTable, rows: usize, builders: &mut [Builder]) -> Result<()> {
    let mut datums = vec![pg_sys::Datum::null(); builders.len()];
    let mut nulls = vec![true; builders.len()];
    for row in 0..rows {
        // SAFETY: the tuple table has `rows` tuples of its descriptor, whose width is that of the SELECT list.
        unsafe {
            let tuple = *(*table).vals.add(row);
            pg_sys::heap_deform_tuple(tuple, (*table).tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
            for ((builder, datum), is_null) in builders.iter_mut().zip(&datums).zip(&nulls) {
                builder.push((!is_null).then_some(*datum))?;
            }
        }
    }
    Ok(())
}
