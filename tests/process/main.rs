//! Process tests: programs that start, kill, dump, replicate and upgrade real servers. One file per topic.
//!
//! Each test is `#[ignore]`d for plain `cargo test`, because it needs a server; `cargo xtask test` runs them all.

mod store;
mod symbols;
mod throwaway;
mod upgrade;
