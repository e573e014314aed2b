//! One end of a connection: never blocks in a read or a write, so that it sees the other end close while it works.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use pgml_core::Error;
use pgml_core::frames::{Decoder, PIECE_BYTES, Reply, Request, encode};

/// Why a conversation stops.
#[derive(Debug)]
pub enum Stop {
    /// The other end is gone: nobody waits for an answer.
    Closed,
    /// The request failed; the other end is to be told.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Wakes the thread that waits on a [`Connection`]. Any thread may call it.
#[derive(Debug)]
pub struct Waker(UnixStream);

impl Waker {
    /// Makes the [`Connection::wait`] under way, or else the next one, return.
    pub fn wake(&self) {
        // When the socket is full it has been woken already; when it is closed nobody waits.
        let _ = (&self.0).write(&[1]);
    }
}

/// A connection, and what has arrived and is still to be sent.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    woken: UnixStream,
    waker: Arc<Waker>,
    decoder: Decoder,
    out: Vec<u8>,
    sent: usize,
}

impl Connection {
    /// Takes charge of an accepted socket.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        let (woken, waker) = UnixStream::pair()?;
        for socket in [&stream, &woken, &waker] {
            socket.set_nonblocking(true)?;
        }
        let waker = Arc::new(Waker(waker));
        Ok(Self { stream, woken, waker, decoder: Decoder::default(), out: Vec::new(), sent: 0 })
    }

    /// What ends a wait.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Bytes that the other end has not taken yet.
    pub fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The next frame that has arrived whole.
    ///
    /// # Errors
    /// [`Stop::Failed`] when what arrived is no frame.
    pub fn received(&mut self) -> Result<Option<Request>, Stop> {
        Ok(self.decoder.frame()?)
    }

    /// Waits for the next frame.
    ///
    /// # Errors
    /// [`Stop::Closed`] when there will be none; [`Stop::Failed`] when what arrived is no frame.
    pub fn receive(&mut self) -> Result<Request, Stop> {
        loop {
            if let Some(request) = self.received()? {
                return Ok(request);
            }
            self.wait(true, None)?;
        }
    }

    /// Queues a frame and sends what the other end takes at once.
    ///
    /// # Errors
    /// [`Stop::Closed`]; [`Stop::Failed`] when the frame is too long.
    pub fn send(&mut self, reply: &Reply) -> Result<(), Stop> {
        encode(reply, &mut self.out)?;
        self.write()
    }

    /// Waits until everything is sent.
    ///
    /// # Errors
    /// [`Stop::Closed`].
    pub fn flush(&mut self) -> Result<(), Stop> {
        while self.unsent() > 0 {
            self.wait(false, None)?;
        }
        Ok(())
    }

    /// Waits until something can be read (if `reading`), written, or the waker is called; then reads and writes what is
    /// possible. Without `reading` only the other end's close is noticed.
    ///
    /// # Errors
    /// [`Stop::Closed`].
    pub fn wait(&mut self, reading: bool, timeout: Option<Duration>) -> Result<(), Stop> {
        let mut events = libc::POLLRDHUP;
        if reading {
            events |= libc::POLLIN;
        }
        if self.unsent() > 0 {
            events |= libc::POLLOUT;
        }
        let mut polled = [
            libc::pollfd { fd: self.stream.as_raw_fd(), events, revents: 0 },
            libc::pollfd { fd: self.woken.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        ];
        let timeout = timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        // SAFETY: two entries that live through the call; both sockets are open.
        #[allow(unsafe_code)]
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), 2, timeout) };
        if ready > 0 {
            let happened = polled[0].revents;
            if reading && happened & libc::POLLIN != 0 {
                self.read()?;
            } else if happened & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0 {
                return Err(Stop::Closed);
            }
            if polled[1].revents != 0 {
                self.drain_wakes();
            }
        }
        self.write()
    }

    fn read(&mut self) -> Result<(), Stop> {
        let mut bytes = [0; 64 << 10];
        let mut total = 0;
        // As much as one piece: a fast sender must not keep this from its other work.
        while total < PIECE_BYTES {
            match (&self.stream).read(&mut bytes) {
                Ok(0) => return Err(Stop::Closed),
                Ok(n) => {
                    self.decoder.push(&bytes[..n]);
                    total += n;
                }
                Err(error) if error.kind() == IoErrorKind::WouldBlock => break,
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(_) => return Err(Stop::Closed),
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Stop> {
        while self.unsent() > 0 {
            match (&self.stream).write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == IoErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(_) => return Err(Stop::Closed),
            }
        }
        self.out.clear();
        self.out.shrink_to(2 * PIECE_BYTES);
        self.sent = 0;
        Ok(())
    }

    fn drain_wakes(&self) {
        let mut bytes = [0; 256];
        while matches!((&self.woken).read(&mut bytes), Ok(n) if n > 0) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_ends_close_is_seen_without_reading() {
        let (near, mut far) = UnixStream::pair().expect("a pair");
        let mut connection = Connection::new(near).expect("descriptors");
        far.write_all(b"something that is not read").expect("written");
        let none = connection.wait(false, Some(Duration::from_millis(1)));
        assert!(none.is_ok());
        drop(far);
        assert!(matches!(connection.wait(false, None), Err(Stop::Closed)));
    }

    #[test]
    fn what_the_other_end_does_not_take_waits_here() {
        let (near, far) = UnixStream::pair().expect("a pair");
        let mut connection = Connection::new(near).expect("descriptors");
        let reply = Reply::Vectors { dimensions: 1, values: vec![1.0; 1 << 20] };
        connection.send(&reply).expect("queued");
        assert!(connection.unsent() > 0);
        let reader = std::thread::spawn(move || {
            let (mut decoder, mut bytes) = (Decoder::default(), [0; 4096]);
            loop {
                let n = (&far).read(&mut bytes).expect("read");
                decoder.push(&bytes[..n]);
                if let Some(reply) = decoder.frame::<Reply>().expect("a frame") {
                    return reply;
                }
            }
        });
        connection.flush().expect("taken");
        assert_eq!(reader.join().expect("no panic"), reply);
    }
}
