//! The inference program with scripted models, for the process tests: see `pgml_worker::scripted`.

use std::process::ExitCode;

use pgml_worker::scripted::Scripted;
use pgml_worker::{Server, descriptors, supervised};

fn main() -> ExitCode {
    match supervised::take_over() {
        Ok(listener) => {
            Server::new(Box::new(Scripted::default()), 2, descriptors::make_room()).serve(&listener);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("scripted-worker: {error}");
            ExitCode::FAILURE
        }
    }
}
