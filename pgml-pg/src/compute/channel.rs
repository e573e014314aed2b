//! What a compute thread tells the main thread: messages, progress, and that it has ended.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pgml_core::run::{Level, Progress, Reporter};
use pgml_core::{Error, ErrorKind, Result};

use crate::{message, progress};

/// At most one NOTICE with progress per this time.
const NOTICE_INTERVAL: Duration = Duration::from_secs(1);

/// The thread's end. Dropping it marks the end, whoever else still holds the [`Reporter`].
pub struct Outbox(Arc<Wire>);

/// The main thread's end.
pub struct Inbox {
    socket: UnixStream,
    messages: Receiver<(Level, String)>,
    wire: Arc<Wire>,
    last_notice: std::cell::Cell<Instant>,
}

struct Wire {
    socket: UnixStream,
    messages: Mutex<Sender<(Level, String)>>,
    progress: Mutex<Option<Progress>>,
}

/// Both ends of a new channel.
///
/// # Errors
/// [`ErrorKind::Io`] when the process has no descriptor left.
pub fn pair() -> Result<(Inbox, Outbox)> {
    let (near, far) = sockets().map_err(|e| Error::new(ErrorKind::Io, format!("could not make a socket pair: {e}")))?;
    let (sender, messages) = mpsc::channel();
    let wire = Arc::new(Wire { socket: far, messages: Mutex::new(sender), progress: Mutex::default() });
    let inbox =
        Inbox { socket: near, messages, wire: Arc::clone(&wire), last_notice: std::cell::Cell::new(Instant::now()) };
    Ok((inbox, Outbox(wire)))
}

fn sockets() -> std::io::Result<(UnixStream, UnixStream)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    Ok((near, far))
}

impl Outbox {
    /// What the work reports to.
    pub fn reporter(&self) -> Arc<dyn Reporter> {
        Arc::clone(&self.0) as Arc<dyn Reporter>
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // It fails only when the main thread has closed its end, and then nobody waits.
        let _ = self.0.socket.shutdown(Shutdown::Both);
    }
}

impl Reporter for Wire {
    fn progress(&self, progress: Progress) {
        // Called often and by many threads; who finds the slot taken drops their number, the next one is due soon.
        if let Ok(mut slot) = self.progress.try_lock() {
            *slot = Some(progress);
        }
    }

    fn message(&self, level: Level, text: &str) {
        let sender = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.send((level, text.to_owned())).is_ok() {
            // A full socket means that the main thread has been woken already.
            let _ = (&self.socket).write(&[1]);
        }
    }
}

impl Inbox {
    /// Whether the thread has ended. Reads away the wake-up bytes.
    pub fn ended(&self) -> bool {
        let mut bytes = [0_u8; 256];
        loop {
            match (&self.socket).read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) if e.kind() == IoErrorKind::Interrupted => {}
                Err(e) => return e.kind() != IoErrorKind::WouldBlock,
            }
        }
    }

    /// Sends what has arrived to the client.
    pub fn deliver(&self) {
        while let Ok((level, text)) = self.messages.try_recv() {
            match level {
                Level::Info => message::info(&text),
                Level::Warning => message::warning(&text),
            }
        }
        let arrived = self.wire.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(progress) = arrived {
            progress::publish(progress);
            if self.last_notice.get().elapsed() >= NOTICE_INTERVAL {
                self.last_notice.set(Instant::now());
                message::notice(&describe(progress));
            }
        }
    }
}

impl AsRawFd for Inbox {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn describe(progress: Progress) -> String {
    match progress.total {
        0 => format!("{}: {}", progress.phase, progress.done),
        total => format!("{}: {} of {total}", progress.phase, progress.done),
    }
}
