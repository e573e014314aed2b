//! Work on several threads that ends as soon as its caller cancels or one part of it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pgml_core::run::{Level, Progress, Reporter};
use pgml_core::{Result, Run};

use super::client::Client;

/// How often the caller's cancel is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Does `work` while a thread looks for the caller's cancel, which closes all connections of `client`: a wait for the hub
/// ends at once. `work` gets a run of its own, which is cancelled along.
///
/// # Errors
/// Those of `run` and of `work`.
pub fn watched<T>(run: &Run, client: &Client, work: impl FnOnce(&Run) -> Result<T>) -> Result<T> {
    let inner = Run::new().with_threads(run.threads()).with_reporter(Arc::new(Forward(run.clone())));
    let done = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                if run.is_cancelled() {
                    stop(&inner, client);
                    return;
                }
                thread::park_timeout(LOOK);
            }
        });
        let outcome = work(&inner);
        done.store(true, Ordering::Release);
        watcher.thread().unpark();
        outcome
    });
    run.check()?;
    outcome
}

/// Calls `work` for each of `items` on up to `threads` threads. The first failure stops the others.
///
/// # Errors
/// The first of `work`.
pub fn for_each<T: Sync>(
    items: &[T],
    threads: usize,
    run: &Run,
    client: &Client,
    work: impl Fn(&T) -> Result<()> + Sync,
) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        // Those that fail because of the stop come later, and are not told.
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        stop(run, client);
                        return;
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn stop(run: &Run, client: &Client) {
    run.cancel();
    client.close();
}

/// Progress and messages go to the caller's run.
struct Forward(Run);

impl Reporter for Forward {
    fn progress(&self, progress: Progress) {
        self.0.progress(progress.phase, progress.done, progress.total);
    }

    fn message(&self, level: Level, text: &str) {
        match level {
            Level::Info => self.0.info(text),
            Level::Warning => self.0.warn(text),
        }
    }
}
