//! The server's copies of large models, in the folder of the data directory that base backups skip.

use std::path::Path;

use pgml_core::run::Level;
use pgml_store::Spool;

use crate::{folder, guc, message};

/// The copies that every session of this server maps. They are files, not WAL: a standby has its own, and a restored
/// backup starts without.
pub fn of_this_server() -> Spool<'static> {
    Spool::new(Path::new(folder::FOLDER).join("models"), guc::spool_size(), &poll, &log)
}

/// Lets a cancel or a timeout end the load; it unwinds.
fn poll() {
    pgrx::check_for_interrupts!();
}

fn log(level: Level, text: &str) {
    match level {
        Level::Info => message::debug(text),
        Level::Warning => message::log(text),
    }
}
