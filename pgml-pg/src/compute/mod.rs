//! Long work on a thread of its own, so that the session answers to cancels and timeouts whatever the work does.
//!
//! Postgres is single-threaded: the thread touches nothing of it, is started with all signals blocked (so are the threads
//! that it starts) and owns its data. The main thread waits on its latch and on a socket pair whose other end the thread
//! shuts down when it ends, however it ends.

mod channel;
mod detached;

use std::ffi::c_int;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pgml_core::{Error, ErrorKind, Result, Run};
use pgrx::pg_sys;

use channel::Inbox;
use detached::Worker;

/// How long a cancelled thread may take before the session goes on without it. Work in Rust ends within a few
/// milliseconds; a native call (a boosting round) may take seconds.
const GRACE: Duration = Duration::from_millis(10);

/// How often the main thread looks for progress and for a lost client.
const TICK: Duration = Duration::from_millis(500);

/// Runs `work` on a thread and waits for its result. Messages of the work reach the client while it runs.
///
/// A cancel, a timeout or a terminated session sets the run's cancel flag; the session is back at once, and a thread that
/// is inside a native call is joined before the next such work and before the backend exits.
///
/// # Errors
/// Those of `work`; [`ErrorKind::Internal`] when it panics or no thread can be started.
pub fn run_on_thread<T, F>(run: &Run, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Run) -> Result<T> + Send + 'static,
{
    detached::join_all();
    let (inbox, outbox) = channel::pair()?;
    let run = run.clone().with_reporter(outbox.reporter());
    let (result_in, result_out) = mpsc::sync_channel(1);
    let thread_run = run.clone();
    let handle = with_signals_blocked(|| {
        std::thread::Builder::new().name("pgml".into()).spawn(move || {
            // Dropped last, even when the work panics: the shutdown of the socket is the end mark.
            let _outbox = outbox;
            let result = catch_unwind(AssertUnwindSafe(|| work(&thread_run)));
            // The receiver is gone when the session was cancelled; nobody wants the result then.
            let _ = result_in.send(result.unwrap_or_else(|payload| Err(panic_error(&*payload))));
        })
    })
    .map_err(|e| Error::new(ErrorKind::Internal, format!("could not start a thread: {e}")))?;

    let worker = Worker::new(handle, run, inbox);
    worker.wait();
    worker.join();
    result_out.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a compute thread left no result")))
}

/// Waits until the socket is readable or something else of interest happened, and accepts interrupts: this call may
/// raise an error (cancel, timeout, terminate) and unwind.
fn wait_readable(socket: RawFd) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: main thread; the latch is this process's own; the socket lives in the caller's frame.
    unsafe {
        let woken = pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            socket,
            TICK.as_millis() as _,
            pg_sys::PG_WAIT_EXTENSION,
        );
        if woken as u32 & pg_sys::WL_LATCH_SET != 0 {
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        if woken as u32 & pg_sys::WL_TIMEOUT != 0 {
            notice_lost_client();
        }
    }
    pgrx::check_for_interrupts!();
}

/// Ends the session when its client is gone, as `client_connection_check_interval` would: work for nobody is waste.
pub fn notice_lost_client() {
    unsafe extern "C-unwind" {
        // pgrx does not bind it.
        fn pq_check_connection() -> bool;
    }
    // SAFETY: main thread; a background or parallel worker has no port and no client.
    unsafe {
        if !pg_sys::MyProcPort.is_null() && pg_sys::ParallelWorkerNumber < 0 && !pq_check_connection() {
            pg_sys::ClientConnectionLost = 1;
            pg_sys::InterruptPending = 1;
        }
    }
}

/// Sends the client the rows that are ready, as far as its socket takes them: PostgreSQL keeps eight kilobytes of them back.
pub fn send_ready_rows() {
    /// The beginning of `PQcommMethods` (`libpq/libpq.h`), the same from PostgreSQL 14 on.
    #[repr(C)]
    struct CommMethods {
        comm_reset: Option<unsafe extern "C-unwind" fn()>,
        flush: Option<unsafe extern "C-unwind" fn() -> c_int>,
        flush_if_writable: Option<unsafe extern "C-unwind" fn() -> c_int>,
    }
    unsafe extern "C" {
        // pgrx does not bind it.
        static PqCommMethods: *const CommMethods;
    }
    // SAFETY: main thread; the server sets the pointer at its start and never to null. Rows are whole messages.
    unsafe {
        if !pg_sys::MyProcPort.is_null()
            && pg_sys::ParallelWorkerNumber < 0
            && let Some(methods) = PqCommMethods.as_ref()
            && let Some(flush) = methods.flush_if_writable
        {
            // A lost client is noticed by whoever waits.
            let _ = flush();
        }
    }
}

/// Starts a thread that Postgres's signal handlers never run on.
fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` and `pthread_sigmask` initialise the sets; a thread inherits the mask of its maker.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = spawn();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    result
}

fn panic_error(payload: &(dyn std::any::Any + Send)) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(ErrorKind::Internal, format!("a compute thread panicked: {text}"))
        .with_hint("this is a defect of pgml; please report it with the statement that led to it")
}

/// Waits without accepting interrupts, at most until `deadline`; for ways out that must not raise an error.
fn poll_ended(inbox: &Inbox, deadline: Instant) -> bool {
    while !inbox.ended() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let mut poll = libc::pollfd { fd: inbox.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry; a signal ends the call early, which the loop allows for.
        unsafe { libc::poll(&raw mut poll, 1, left.as_millis().clamp(1, 1000) as i32) };
    }
    true
}
