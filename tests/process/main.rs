//! Process tests: programs that start, kill, dump, replicate and upgrade real servers. One file per topic.
//!
//! Each test is `#[ignore]`d for plain `cargo test`, because it needs a server; `cargo xtask test` runs them all.
//! With `PGML_TEST_THOROUGH=1` in the environment those that try something again and again do so more often.

mod backend;
mod cancel;
mod concurrent;
mod deploys;
mod dump;
mod encodings;
mod grants;
mod kills;
mod logical;
mod own_server;
mod privileges;
mod progress;
mod samples;
mod spool;
#[path = "../../pgml-models/tests/hub/stand_in.rs"]
#[allow(dead_code, reason = "the tests of the downloads themselves need all of it")]
mod stand_in;
mod standby;
mod store;
mod symbols;
mod throwaway;
mod upgrade;
mod worker;
mod worker_crashes;
mod worker_downloads;
mod worker_generating;
mod worker_ranking;
mod worker_sharing;
mod worker_starting;
mod worker_stored;
mod worker_waiting;

/// How often to try: `usually`, or `thoroughly` when asked for.
fn tries(usually: usize, thoroughly: usize) -> usize {
    if std::env::var_os("PGML_TEST_THOROUGH").is_some() { thoroughly } else { usually }
}

/// Shows a measured number. Past the test harness, which keeps what passing tests print to itself.
fn measured(text: &str) {
    use std::io::Write as _;
    // Nobody to tell when nobody listens.
    let _ = writeln!(std::io::stderr(), "measured: {text}");
}
