//! What a program that a supervisor has started does first.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use pgml_core::{Error, ErrorKind, Result};

/// What is written to descriptor 0 when the program takes connections.
const READY: &[u8] = b"R";

/// Takes over the listening socket (descriptor 3) and the socket that tells whether the supervisor lives (descriptor 0),
/// says there that this program is ready, and ends it when the other end is closed. To be called once.
///
/// # Errors
/// [`ErrorKind::Io`] when the descriptors are no supervisor's.
pub fn take_over() -> Result<UnixListener> {
    prefer_for_the_out_of_memory_killer();
    // SAFETY: both descriptors were opened for this program by whoever started it as supervised; nothing else in it uses
    // them.
    #[allow(unsafe_code)]
    let (mut life, listener) = unsafe { (File::from_raw_fd(0), OwnedFd::from_raw_fd(3)) };
    let said = life.write_all(READY);
    said.map_err(|e| Error::new(ErrorKind::Io, format!("descriptor 0 is no supervisor's: {e}")))?;
    let watch = move || {
        // Nothing is ever written there: the read ends when the other end is closed.
        let _ = life.read(&mut [0]);
        std::process::exit(0);
    };
    let thread = std::thread::Builder::new().name("life".into()).spawn(watch);
    thread.map_err(|e| Error::new(ErrorKind::Internal, format!("could not start a thread: {e}")))?;
    Ok(UnixListener::from(listener))
}

/// When memory runs out, this program is to go, not a process of the database, which would take all sessions along.
fn prefer_for_the_out_of_memory_killer() {
    // Where it cannot be written the kernel chooses by size, which is often the same.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}
