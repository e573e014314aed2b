//! The same work on any number of threads: results are in the order of the pieces, whoever made them.

use std::sync::{Mutex, PoisonError};

use pgml_core::{Error, ErrorKind, Result, Run};

/// `f(0), f(1), …, f(pieces − 1)`, computed on up to `run.threads()` threads.
///
/// # Errors
/// The first piece's that failed.
pub fn map<T: Send>(pieces: usize, run: &Run, f: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let threads = run.threads().min(pieces);
    if threads <= 1 {
        return (0..pieces).map(f).collect();
    }
    let f = &f;
    let parts: Vec<Result<Vec<T>>> = std::thread::scope(|scope| {
        let part = |t: usize| t * pieces / threads..(t + 1) * pieces / threads;
        let handles: Vec<_> =
            (0..threads).map(|t| scope.spawn(move || part(t).map(f).collect::<Result<Vec<T>>>())).collect();
        let died = || Error::new(ErrorKind::Internal, "a worker thread of the training died");
        handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err(died()))).collect()
    });
    let mut all = Vec::with_capacity(pieces);
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

/// As many threads as the run allows, of this work's own: they inherit the calling thread's signal mask, those of a global
/// pool would not.
///
/// # Errors
/// [`ErrorKind::Internal`] when they cannot be started.
pub fn pool(run: &Run) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(run.threads())
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start {} threads: {e}", run.threads())))
}

/// As [`map`], for work that changes what it is given: `f(0, &mut items[0])` and so on.
///
/// # Errors
/// The first item's that failed.
pub fn map_mut<S: Send, T: Send>(
    items: &mut [S],
    run: &Run,
    f: impl Fn(usize, &mut S) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let items: Vec<Mutex<&mut S>> = items.iter_mut().map(Mutex::new).collect();
    map(items.len(), run, |i| {
        let mut item = items[i].lock().unwrap_or_else(PoisonError::into_inner);
        f(i, &mut item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_on_any_number_of_threads() {
        for threads in [1, 2, 3, 20] {
            let run = Run::new().with_threads(threads);
            assert_eq!(map(7, &run, |i| Ok(i * i)), Ok(vec![0, 1, 4, 9, 16, 25, 36]), "{threads} threads");
        }
    }

    #[test]
    fn items_are_changed_each_by_its_own_work() {
        let mut items = vec![1, 2, 3];
        let before = map_mut(&mut items, &Run::new().with_threads(2), |i, x| Ok(std::mem::replace(x, *x * 10 + i)));
        assert_eq!((before, items), (Ok(vec![1, 2, 3]), vec![10, 21, 32]));
    }

    #[test]
    fn the_first_failure_is_reported() {
        let run = Run::new().with_threads(2);
        let failing = |i: usize| if i < 3 { Ok(i) } else { Err(Error::new(ErrorKind::InvalidData, format!("{i}"))) };
        assert_eq!(map(6, &run, failing).map_err(|e| e.message().to_owned()), Err("3".to_owned()));
    }
}
