//! The developers' commands: `cargo xtask <command>`.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::step::begin();
    match xtask::commands::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
