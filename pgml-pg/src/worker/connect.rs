//! Reaching the program, whatever it takes: connecting, or starting the supervisor first.

use std::io::ErrorKind as IoErrorKind;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use pgml_core::{Error, ErrorKind, Result};
use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};

use super::client::pause;
use super::lock::FileLock;
use super::{socket, start_lock};

/// How long a supervisor may take to listen. It takes milliseconds, but the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// After this time without a listener another supervisor is asked for: one that was ending may have been in the way.
const AGAIN: Duration = Duration::from_secs(2);

/// How often to look.
const LOOK: Duration = Duration::from_millis(2);

/// A connection to the program; `None` when nobody listens.
///
/// # Errors
/// [`ErrorKind::ConnectionFailure`] when the socket is there but cannot be used.
pub fn if_running() -> Result<Option<UnixStream>> {
    loop {
        match socket::connect() {
            Ok(stream) => return Ok(Some(stream)),
            Err(error) => match error.kind() {
                IoErrorKind::NotFound | IoErrorKind::ConnectionRefused => return Ok(None),
                // More have connected than the program has accepted yet.
                IoErrorKind::WouldBlock | IoErrorKind::Interrupted => pause(LOOK),
                _ => {
                    let message = format!("could not connect to the inference program: {error}");
                    return Err(Error::new(ErrorKind::ConnectionFailure, message));
                }
            },
        }
    }
}

/// A connection to the program, started if need be.
///
/// # Errors
/// [`ErrorKind::NotReady`] when no background worker can be started; those of [`if_running`].
pub fn or_start() -> Result<UnixStream> {
    match if_running()? {
        Some(stream) => Ok(stream),
        None => start(),
    }
}

fn start() -> Result<UnixStream> {
    let begin = Instant::now();
    // Whoever holds it is starting the supervisor: the others need only wait.
    let mut lock: Option<FileLock> = None;
    let mut asked: Option<Instant> = None;
    while begin.elapsed() < PATIENCE {
        if let Some(stream) = if_running()? {
            return Ok(stream);
        }
        // Asked for only after a look with the lock held: its last holder may have started one since the look before.
        if lock.is_some() && asked.is_none_or(|asked| asked.elapsed() > AGAIN) {
            ask_for_a_supervisor()?;
            asked = Some(Instant::now());
        }
        if lock.is_none() {
            lock = FileLock::try_take(&start_lock()).map_err(|error| cannot_lock(&error))?;
        }
        if asked.is_some() || lock.is_none() {
            pause(LOOK);
        }
    }
    Err(Error::new(ErrorKind::NotReady, "the supervisor of the inference program did not start")
        .with_hint("the server's log may say why"))
}

fn ask_for_a_supervisor() -> Result<()> {
    let asked = BackgroundWorkerBuilder::new("pgml supervisor")
        .set_library("pgml")
        .set_function("pgml_supervisor_main")
        .enable_spi_access()
        // After `enable_spi_access`, which sets another one. A hot standby is consistent too.
        .set_start_time(BgWorkerStartTime::ConsistentState)
        // Whoever needs it next starts the next one.
        .set_restart_time(None)
        .load_dynamic();
    asked.map(drop).map_err(|_| {
        Error::new(
            ErrorKind::NotReady,
            "there is no free background worker for the supervisor of the inference program",
        )
        .with_hint("raise max_worker_processes and restart the server, or wait until other background workers end")
    })
}

fn cannot_lock(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not lock \"{}\": {error}", start_lock()))
}
