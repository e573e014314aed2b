//! The command line.

use std::path::PathBuf;

use pgml_core::{Error, ErrorKind, Result};

/// What `--help` prints.
pub const HELP: &str = "\
The inference program of pgml: holds each transformer once and answers requests for vectors and scores.

Usage: pgml-worker --listen PATH    listen on a Unix socket of this path
       pgml-worker --supervised     as PostgreSQL starts it: the listening socket is file descriptor 3; the program
                                    says on descriptor 0 that it is ready, and ends when that is closed

Options:
  --threads N   threads that one batch may use (default: as many as there are processors)
  --help        print this
  --version     print the version

Programs speak pgml_core::frames with it.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The help.
    Help,
    /// The version.
    Version,
    /// To serve.
    Serve {
        /// Where.
        socket: Socket,
        /// Threads per batch.
        threads: usize,
    },
}

/// Where to listen.
#[derive(Debug, PartialEq, Eq)]
pub enum Socket {
    /// On a new socket of this path.
    Path(PathBuf),
    /// On the descriptors that a supervisor has handed over.
    Supervised,
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`].
pub fn read(words: impl IntoIterator<Item = String>) -> Result<Wanted> {
    let mut words = words.into_iter();
    let (mut socket, mut threads) = (None, std::thread::available_parallelism().map_or(1, usize::from));
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| refuse(&format!("{word} wants a value")));
        match word.as_str() {
            "--help" | "-h" => return Ok(Wanted::Help),
            "--version" => return Ok(Wanted::Version),
            "--supervised" => socket = Some(Socket::Supervised),
            "--listen" => socket = Some(Socket::Path(value()?.into())),
            "--threads" => threads = number(&value()?)?,
            _ => return Err(refuse(&format!("unknown argument `{word}`"))),
        }
    }
    let socket = socket.ok_or_else(|| refuse("say where to listen: --listen PATH"))?;
    Ok(Wanted::Serve { socket, threads })
}

fn number(text: &str) -> Result<usize> {
    let number = text.parse().ok().filter(|n| (1..=1024).contains(n));
    number.ok_or_else(|| refuse(&format!("--threads is `{text}`, but must be a number from 1 to 1024")))
}

fn refuse(message: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, message).with_hint("pgml-worker --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Wanted> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_says_where_to_listen() {
        let socket = Socket::Path("/tmp/s".into());
        assert_eq!(parse("--threads 3 --listen /tmp/s").expect("valid"), Wanted::Serve { socket, threads: 3 });
        assert_eq!(parse("--listen x --help").expect("valid"), Wanted::Help);
        for wrong in ["", "--listen", "--threads 0 --supervised", "--threads many --supervised", "serve"] {
            assert_eq!(parse(wrong).expect_err(wrong).kind(), ErrorKind::InvalidParameter);
        }
    }
}
