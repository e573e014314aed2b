//! SQL tests in the format of sqllogictest: files of records, each a statement and what must come of it.
//!
//! The format is described in `tests/sql/README.md`.

pub mod parse;
pub mod run;

pub use parse::{Record, parse};
pub use run::run_file;
