//! The supervisor: a background worker that holds the socket and keeps the program running on it. It has no models, and
//! no connection to any database.

use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use pgml_core::frames::{Reply, encode};
use pgml_core::{Error, ErrorKind};
use pgrx::bgworkers::{BackgroundWorker, SignalWakeFlags};
use pgrx::{pg_guard, pg_sys};

use super::lock::FileLock;
use super::program::{Identity, News, Program};
use super::{socket, supervisor_lock};
use crate::message;

/// How long to wait for an ending supervisor's lock.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// A program that lived no longer than this has died at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Programs that were ready and died at once are started again without a pause this often: somebody may be killing them.
const QUICK_DEATHS: u32 = 10;

/// The longest pause before the next start.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the background worker begins.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pgml_supervisor_main(_arg: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    // Without a database: it is in pg_stat_activity then, and answers to pg_terminate_backend.
    BackgroundWorker::connect_worker_to_spi(None, None);
    let Some(_lock) = take_lock() else { return };
    match socket::listen() {
        Ok(listener) => Supervisor::new(listener).run(),
        Err(error) => message::warning(&format!("pgml could not make the socket of its inference program: {error}")),
    }
}

fn take_lock() -> Option<FileLock> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match FileLock::try_take(&supervisor_lock()) {
            Ok(Some(lock)) => return Some(lock),
            Ok(None) if Instant::now() < deadline => wait(None, Some(Duration::from_millis(10))),
            Ok(None) => return None,
            Err(error) => {
                message::warning(&format!("pgml could not lock \"{}\": {error}", supervisor_lock()));
                return None;
            }
        }
    }
}

struct Supervisor {
    listener: UnixListener,
    state: State,
    /// In a row.
    failures: u32,
    quick_deaths: u32,
}

enum State {
    Running {
        program: Program,
        identity: Identity,
        since: Instant,
        ready: bool,
    },
    /// No program until then. Whoever asks meanwhile is told why.
    Paused {
        until: Instant,
        why: Error,
    },
}

impl Supervisor {
    fn new(listener: UnixListener) -> Self {
        let why = Error::new(ErrorKind::Internal, "the inference program has not been started");
        let state = State::Paused { until: Instant::now(), why };
        let mut new = Self { listener, state, failures: 0, quick_deaths: 0 };
        new.start();
        new
    }

    /// Runs until it is told to end. Then the program ends with it.
    fn run(mut self) {
        while !BackgroundWorker::sigterm_received() {
            if BackgroundWorker::sighup_received() {
                self.reload();
            }
            match &self.state {
                State::Running { program, .. } => {
                    wait(Some(program.descriptor()), None);
                    self.hear();
                }
                State::Paused { .. } => {
                    wait(Some(self.listener.as_raw_fd()), None);
                    self.answer_or_start();
                }
            }
        }
    }

    fn start(&mut self) {
        let identity = Identity::current();
        self.state =
            match Program::start(&identity.path, &self.listener) {
                Ok(program) => State::Running { program, identity, since: Instant::now(), ready: false },
                Err(error) => {
                    let message =
                        format!("the inference program \"{}\" could not be started: {error}", identity.path.display());
                    self.pause(Error::new(ErrorKind::MissingLibrary, message).with_hint(
                        "install pgml-worker beside the extension's library, or name it in pgml.worker_command",
                    ))
                }
            };
    }

    fn pause(&mut self, why: Error) -> State {
        let pause = Duration::from_secs(1 << self.failures.min(5)).min(LONGEST_PAUSE);
        self.failures += 1;
        message::warning(why.message());
        State::Paused { until: Instant::now() + pause, why }
    }

    /// The program has become ready or has ended.
    fn hear(&mut self) {
        let State::Running { program, since, ready, .. } = &mut self.state else { return };
        match program.news() {
            News::None => {}
            News::Ready => {
                *ready = true;
                self.failures = 0;
            }
            News::Ended => {
                let (was_ready, at_once) = (*ready, since.elapsed() < AT_ONCE);
                self.quick_deaths = if at_once { self.quick_deaths + 1 } else { 0 };
                self.start_again(was_ready && self.quick_deaths <= QUICK_DEATHS);
            }
        }
    }

    /// After the program's end: at once, or after a pause.
    fn start_again(&mut self, at_once: bool) {
        let why = Error::new(ErrorKind::Internal, "the inference program has ended");
        let State::Running { program, identity, .. } =
            std::mem::replace(&mut self.state, State::Paused { until: Instant::now(), why })
        else {
            return;
        };
        let ended = program.end().map_or_else(|| "its end is not known".to_owned(), |status| status.to_string());
        if at_once {
            message::log(&format!("the inference program of pgml ended ({ended}) and is started again"));
            return self.start();
        }
        let message =
            format!("the inference program \"{}\" ended as soon as it was started ({ended})", identity.path.display());
        let why = Error::new(ErrorKind::ConnectionFailure, message)
            .with_hint("the server's log may say why; the program is started again after a pause");
        self.state = self.pause(why);
    }

    /// Somebody has connected while there is no program.
    fn answer_or_start(&mut self) {
        let State::Paused { until, why } = &self.state else { return };
        let why = why.clone();
        if Instant::now() >= *until {
            // Who waits is accepted by the program.
            return self.start();
        }
        while let Ok((stream, _)) = self.listener.accept() {
            let mut bytes = Vec::new();
            // A short frame fits into the socket's buffer. Who has gone away does not miss it.
            let sent = stream.set_nonblocking(true).is_ok() && encode(&Reply::Error(why.clone()), &mut bytes).is_ok();
            let _ = sent && (&stream).write_all(&bytes).is_ok();
        }
    }

    /// The configuration files have changed, or another build was installed.
    fn reload(&mut self) {
        // SAFETY: main thread of this process.
        unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) };
        match &self.state {
            State::Running { identity, .. } if *identity != Identity::current() => {
                self.failures = 0;
                self.start_again(true);
            }
            State::Running { .. } => {}
            // The administrator may have mended what was wrong.
            State::Paused { .. } => {
                self.failures = 0;
                self.start();
            }
        }
    }
}

/// Waits for a signal, for the socket, or for the time to pass; accepts interrupts. Ends the process if the postmaster
/// has died.
fn wait(socket: Option<RawFd>, timeout: Option<Duration>) {
    let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH;
    if socket.is_some() {
        events |= pg_sys::WL_SOCKET_READABLE;
    }
    if timeout.is_some() {
        events |= pg_sys::WL_TIMEOUT;
    }
    // SAFETY: main thread; the latch is this process's own; the socket lives in the caller's frame.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            socket.unwrap_or(-1),
            timeout.map_or(-1, |timeout| timeout.as_millis() as _),
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}
