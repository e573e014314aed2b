//! The threads of this backend. One that a cancelled session has left behind inside a native call ends after that call,
//! and is joined before the next work starts and before the process exits: code of a library must not run while the
//! library's globals are torn down.

use std::cell::{Cell, RefCell};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pgml_core::Run;
use pgrx::{pg_guard, pg_sys};

use super::channel::Inbox;
use super::{GRACE, poll_ended, wait_readable};

thread_local! {
    // A FATAL error exits without unwinding, so a thread is listed from its start, not only once it is left behind.
    static THREADS: RefCell<Vec<Rc<Thread>>> = const { RefCell::new(Vec::new()) };
    static EXIT_HOOK: Cell<bool> = const { Cell::new(false) };
}

struct Thread {
    handle: Cell<Option<JoinHandle<()>>>,
    run: Run,
    inbox: Inbox,
}

/// A running thread. Dropping this without [`Worker::join`] cancels it, and joins it or leaves it behind.
pub struct Worker(Rc<Thread>);

impl Worker {
    /// Takes charge of a thread.
    pub fn new(handle: JoinHandle<()>, run: Run, inbox: Inbox) -> Self {
        if !EXIT_HOOK.replace(true) {
            // SAFETY: main thread, once per process; the callback is a plain function.
            unsafe { pg_sys::before_shmem_exit(Some(pgml_join_threads), pg_sys::Datum::null()) };
        }
        let thread = Rc::new(Thread { handle: Cell::new(Some(handle)), run, inbox });
        THREADS.with_borrow_mut(|threads| threads.push(Rc::clone(&thread)));
        Self(thread)
    }

    /// Waits for the end, delivers messages, accepts interrupts (and may unwind then).
    pub fn wait(&self) {
        loop {
            let ended = self.0.inbox.ended();
            self.0.inbox.deliver();
            if ended {
                return;
            }
            wait_readable(self.0.inbox.as_raw_fd());
        }
    }

    /// Joins the ended thread.
    pub fn join(self) {
        self.0.join();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.0.is_joined() {
            self.0.run.cancel();
            if poll_ended(&self.0.inbox, Instant::now() + GRACE) {
                self.0.join();
            }
        }
    }
}

impl Thread {
    fn is_joined(&self) -> bool {
        let handle = self.handle.take();
        let joined = handle.is_none();
        self.handle.set(handle);
        joined
    }

    fn join(&self) {
        if let Some(handle) = self.handle.take() {
            // The closure catches its panics, so there is nothing to learn from the result.
            let _ = handle.join();
        }
        THREADS.with_borrow_mut(|threads| threads.retain(|other| !std::ptr::eq(&raw const **other, self)));
    }
}

/// Waits for the threads left behind; accepts interrupts, so a second cancel works here too. What they still say is
/// dropped with them: it belongs to a statement that has ended.
pub fn join_all() {
    while let Some(thread) = THREADS.with_borrow(|threads| threads.last().cloned()) {
        while !thread.inbox.ended() {
            wait_readable(thread.inbox.as_raw_fd());
        }
        thread.join();
    }
}

/// Before the process exits. Errors cannot be raised here; a thread ends after the native call that it is in.
#[pg_guard]
unsafe extern "C-unwind" fn pgml_join_threads(_code: i32, _arg: pg_sys::Datum) {
    let threads = THREADS.with_borrow(Clone::clone);
    threads.iter().for_each(|thread| thread.run.cancel());
    for thread in threads {
        while !poll_ended(&thread.inbox, Instant::now() + Duration::from_secs(1)) {}
        thread.join();
    }
}
