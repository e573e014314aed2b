//! The inference program of pgml. `pgml-worker --help` says how to start it.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;

use pgml_core::{Error, ErrorKind, Result};
use pgml_worker::options::{HELP, Socket, Wanted, read};
use pgml_worker::transformers::Transformers;
use pgml_worker::{Server, descriptors, supervised};

fn main() -> ExitCode {
    match read(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgml-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: Wanted) -> Result<()> {
    match wanted {
        Wanted::Help => print!("{HELP}"),
        Wanted::Version => println!("pgml-worker {}", env!("CARGO_PKG_VERSION")),
        Wanted::Serve { socket, threads } => {
            let listener = match socket {
                Socket::Path(path) => listen(&path)?,
                Socket::Supervised => supervised::take_over()?,
            };
            Server::new(Box::new(Transformers), threads, descriptors::make_room()).serve(&listener);
        }
    }
    Ok(())
}

fn listen(path: &Path) -> Result<UnixListener> {
    UnixListener::bind(path)
        .map_err(|e| Error::new(ErrorKind::Io, format!("could not listen on \"{}\": {e}", path.display())))
}
