//! One session's conversation with the program. Nothing blocks: reads and writes wait in one loop together with the
//! latch, so that cancel, timeouts and a lost client are noticed at once. Dropping the connection is the cancel.

use std::cell::RefCell;
use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use pgml_core::frames::{Decoder, PIECE_BYTES, Reply, Request, encode};
use pgml_core::{Error, ErrorKind, Result};
use pgrx::pg_sys;

use super::connect;
use super::news::News;
use crate::compute::notice_lost_client;

/// How often to look whether the client is still there.
const TICK: Duration = Duration::from_millis(80);

thread_local! {
    /// The connection of the last call, for the next one.
    static KEPT: RefCell<Option<Link>> = const { RefCell::new(None) };
}

/// A connection to the program, with what has arrived and is still to be sent.
pub struct Link {
    stream: UnixStream,
    decoder: Decoder,
    out: Vec<u8>,
    sent: usize,
    /// The other end has closed.
    closed: bool,
    /// A request has been begun whose last reply has not come.
    under_way: bool,
    looked: Instant,
}

/// Asks for something. `texts` gives the pieces that follow the request, one at a time; `take` gets what is answered
/// besides messages. Returns the count of [`Reply::Done`].
///
/// # Errors
/// Those of the program and of `take`; [`ErrorKind::ConnectionFailure`] when the program ends meanwhile.
pub fn call(
    request: &Request,
    texts: &mut dyn Iterator<Item = Request>,
    take: &mut dyn FnMut(Reply) -> Result<()>,
) -> Result<u64> {
    let mut link = match Link::kept() {
        Some(link) => link,
        None => Link::new(connect::or_start()?),
    };
    let outcome = link.converse(request, texts, take);
    // A connection that something is still under way on is closed. Errors of Postgres unwind past this and close it too.
    if link.is_idle() && texts.next().is_none() {
        KEPT.set(Some(link));
    }
    outcome
}

/// As [`call`], of a program that runs already; `None` when there is none.
///
/// # Errors
/// As [`call`].
pub fn call_if_running(request: &Request, take: &mut dyn FnMut(Reply) -> Result<()>) -> Result<Option<u64>> {
    let Some(stream) = connect::if_running()? else { return Ok(None) };
    Link::new(stream).converse(request, &mut std::iter::empty(), take).map(Some)
}

/// A request whose answers are taken one by one. Dropping it before the last one is the cancel.
pub struct Stream {
    link: Option<Link>,
    texts: std::vec::IntoIter<Request>,
    news: News,
}

impl Stream {
    /// Asks for something; `texts` are the pieces that follow the request.
    ///
    /// # Errors
    /// Those of starting the program.
    pub fn begin(request: &Request, texts: Vec<Request>) -> Result<Self> {
        let mut link = match Link::kept() {
            Some(link) => link,
            None => Link::new(connect::or_start()?),
        };
        let news = link.begin(request)?;
        Ok(Self { link: Some(link), texts: texts.into_iter(), news })
    }

    /// The next answer; `None` when there is none left.
    ///
    /// # Errors
    /// Those of the program; [`ErrorKind::ConnectionFailure`] when it ends meanwhile.
    pub fn next(&mut self) -> Result<Option<Reply>> {
        // Taken out until it has answered: after an error, and while Postgres unwinds, it is closed.
        let Some(mut link) = self.link.take() else { return Ok(None) };
        match link.next(&mut self.texts, &mut self.news)? {
            Reply::Done(_) => {
                if link.is_idle() {
                    KEPT.set(Some(link));
                }
                Ok(None)
            }
            answer => {
                self.link = Some(link);
                Ok(Some(answer))
            }
        }
    }
}

impl Link {
    fn new(stream: UnixStream) -> Self {
        let looked = Instant::now();
        Self { stream, decoder: Decoder::default(), out: Vec::new(), sent: 0, closed: false, under_way: false, looked }
    }

    /// The last call's connection, if the program still holds its end.
    fn kept() -> Option<Self> {
        let mut link = KEPT.take()?;
        link.read();
        (!link.closed && link.decoder.is_empty()).then_some(link)
    }

    fn is_idle(&self) -> bool {
        !self.closed && !self.under_way && self.unsent() == 0 && self.decoder.is_empty()
    }

    fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    fn converse(
        &mut self,
        request: &Request,
        texts: &mut dyn Iterator<Item = Request>,
        take: &mut dyn FnMut(Reply) -> Result<()>,
    ) -> Result<u64> {
        let mut news = self.begin(request)?;
        loop {
            match self.next(texts, &mut news)? {
                Reply::Done(count) => return Ok(count),
                answer => take(answer)?,
            }
        }
    }

    /// Queues a request.
    fn begin(&mut self, request: &Request) -> Result<News> {
        self.under_way = true;
        encode(request, &mut self.out)?;
        Ok(News::of(request))
    }

    /// The next answer, [`Reply::Done`] being the last, while `texts` go out; what the program reports goes to the user.
    fn next(&mut self, texts: &mut dyn Iterator<Item = Request>, news: &mut News) -> Result<Reply> {
        loop {
            while let Some(reply) = self.decoder.frame()? {
                self.under_way = !matches!(reply, Reply::Done(_) | Reply::Error(_));
                match reply {
                    Reply::Error(error) => return Err(error),
                    Reply::Message { level, text } => News::message(level, &text),
                    Reply::Progress { phase, done, total } => news.progress(&phase, done, total),
                    answer => return Ok(answer),
                }
            }
            while self.unsent() < PIECE_BYTES
                && let Some(piece) = texts.next()
            {
                encode(&piece, &mut self.out)?;
            }
            self.write();
            self.read();
            if self.decoder.is_empty() {
                if self.closed {
                    return Err(ended());
                }
                self.wait();
            }
        }
    }

    fn write(&mut self) {
        while self.unsent() > 0 {
            match (&self.stream).write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) if error.kind() == IoErrorKind::WouldBlock => return,
                // What the program said before it went may still be read.
                Err(_) => self.sent = self.out.len(),
            }
        }
        self.out.clear();
        self.out.shrink_to(PIECE_BYTES);
        self.sent = 0;
    }

    fn read(&mut self) {
        let mut bytes = [0; 32 << 10];
        loop {
            match (&self.stream).read(&mut bytes) {
                Ok(0) => self.closed = true,
                Ok(n) => {
                    self.decoder.push(&bytes[..n]);
                    continue;
                }
                Err(error) if error.kind() == IoErrorKind::Interrupted => continue,
                Err(error) if error.kind() == IoErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
            return;
        }
    }

    /// Waits until the program takes or gives something; accepts interrupts, and may unwind then.
    fn wait(&mut self) {
        let writing = if self.unsent() > 0 { pg_sys::WL_SOCKET_WRITEABLE } else { 0 };
        wait(Some((self.stream.as_raw_fd(), pg_sys::WL_SOCKET_READABLE | writing)), TICK);
        if self.looked.elapsed() >= TICK {
            self.looked = Instant::now();
            notice_lost_client();
            pgrx::check_for_interrupts!();
        }
    }
}

/// Waits for this long at most; accepts interrupts, and may unwind then.
pub fn pause(time: Duration) {
    wait(None, time);
}

fn wait(socket: Option<(RawFd, u32)>, timeout: Duration) {
    let (descriptor, happenings) = socket.unwrap_or((-1, 0));
    let events = happenings | pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: main thread; the latch is this process's own; the socket lives in the caller's frame.
    unsafe {
        let woken = pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            descriptor,
            timeout.as_millis() as _,
            pg_sys::PG_WAIT_EXTENSION,
        );
        if woken as u32 & pg_sys::WL_LATCH_SET != 0 {
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
    }
    pgrx::check_for_interrupts!();
}

fn ended() -> Error {
    Error::new(ErrorKind::ConnectionFailure, "the inference program ended while this session waited for it")
        .with_hint("the next call starts it again; the server's log may say why it ended")
}
