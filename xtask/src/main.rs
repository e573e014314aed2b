//! The developers' commands: `cargo xtask <command>`.

fn main() {}
