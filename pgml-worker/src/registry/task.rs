//! Work on a thread of its own: who asked first may go away, others wait for it too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use pgml_core::{Error, ErrorKind, Result, Run};

use super::news::{News, Told};
use crate::connection::{Connection, Stop};
use crate::guard::guarded;

/// Work that is under way, or has just ended.
pub struct Task<T> {
    outcome: OnceLock<Result<T>>,
    callers: AtomicUsize,
    news: Arc<News>,
    run: Run,
}

impl<T: Clone + Send + Sync + 'static> Task<T> {
    fn new(outcome: OnceLock<Result<T>>) -> Arc<Self> {
        let news = Arc::<News>::default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let run = Run::new().with_threads(threads).with_reporter(Arc::clone(&news) as _);
        Arc::new(Self { outcome, callers: AtomicUsize::new(0), news, run })
    }

    /// One whose outcome is known.
    pub fn done(value: T) -> Arc<Self> {
        Self::new(OnceLock::from(Ok(value)))
    }

    /// Starts `work` on a thread that is called `name`; `settle` is told the outcome before those who wait are.
    pub fn start(
        name: &str,
        work: impl FnOnce(&Run) -> Result<T> + Send + 'static,
        settle: impl FnOnce(&Result<T>) + Send + 'static,
    ) -> Arc<Self> {
        let task = Self::new(OnceLock::new());
        let of_thread = Arc::clone(&task);
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let outcome = guarded(|| work(&of_thread.run));
            settle(&outcome);
            of_thread.finish(outcome);
        });
        if let Err(error) = started {
            task.finish(Err(Error::new(ErrorKind::Internal, format!("could not start a thread: {error}"))));
        }
        task
    }

    /// Waits for the outcome; what the work reports goes to the caller meanwhile. When the last caller goes away, the work
    /// is cancelled.
    ///
    /// # Errors
    /// [`Stop::Closed`] when the caller goes away; [`Stop::Failed`] with the work's own error.
    pub fn wait(&self, connection: &mut Connection) -> Result<T, Stop> {
        let _interest = Interest::of(self);
        let mut told = Told::default();
        self.news.listen(connection.waker());
        loop {
            let outcome = self.outcome.get();
            for reply in self.news.since(&mut told) {
                connection.send(&reply)?;
            }
            if let Some(outcome) = outcome {
                return Ok(outcome.clone()?);
            }
            connection.wait(false, None)?;
        }
    }

    /// Whether it has failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome.get(), Some(Err(_)))
    }
}

impl<T> Task<T> {
    fn finish(&self, outcome: Result<T>) {
        // Set once: by the thread, or where there is none.
        let _ = self.outcome.set(outcome);
        self.news.wake_all();
    }
}

struct Interest<'a, T>(&'a Task<T>);

impl<'a, T> Interest<'a, T> {
    fn of(task: &'a Task<T>) -> Self {
        task.callers.fetch_add(1, Ordering::SeqCst);
        Self(task)
    }
}

impl<T> Drop for Interest<'_, T> {
    fn drop(&mut self) {
        if self.0.callers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.run.cancel();
        }
    }
}
