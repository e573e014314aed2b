//! The PostgreSQL extension `pgml`: converts arguments, calls the crates it is made of, converts results.
//!
//! The SQL declarations stand in `sql/`, in the order of `sql/order.txt`; each names a symbol `<function>_wrapper` that
//! `#[pg_extern(sql = false)]` makes here.

// Postgres calls us, and we call it, through C interfaces; every such place says why it is sound.
#![allow(unsafe_code)]
// pgrx recognises its report by value; a box around it would lose the SQLSTATE.
#![allow(clippy::result_large_err)]

use pgrx::prelude::*;

mod api;
mod array;
mod cache;
mod compute;
mod datum;
mod encoding;
mod evaluating;
mod features;
mod folder;
mod guc;
mod interrupts;
mod invalidation;
mod labels;
mod libraries;
mod message;
mod owner;
mod predict_agg;
mod privilege;
mod progress;
mod relation;
mod report;
mod row;
mod snapshot;
mod spi_port;
mod spool;
mod training;
mod transfer;
mod transformers;
mod tuple;
mod worker;

::pgrx::pg_module_magic!();

/// Runs when a process loads the library: in the postmaster with `shared_preload_libraries`, else in the first session
/// call of each backend. Nothing is started here.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    report::without_backtraces();
    guc::declare();
}
