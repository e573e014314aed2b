//! The same work on every item, on as many threads as the run allows.

use std::sync::{Mutex, PoisonError};

use crate::{Result, Run};

/// What `work` makes of each item, in the order of the items. Stops at the first error.
///
/// # Errors
/// The error of the first item, in their order, whose work failed.
pub fn map_parallel<T: Send, R: Send>(
    items: Vec<T>,
    run: &Run,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let n_threads = run.threads().min(items.len());
    if n_threads <= 1 {
        return items.into_iter().map(work).collect();
    }
    let results: Mutex<Vec<Option<Result<R>>>> = Mutex::new(items.iter().map(|_| None).collect());
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        while let Some((index, item)) = next() {
            let result = work(item);
            let failed = result.is_err();
            results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
            if failed {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(worker);
        }
        worker();
    });
    // Items after a failed one may not have been worked on: the error comes before them, or is theirs.
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut done = Vec::with_capacity(results.len());
    let mut failed = None;
    for result in results.into_iter().flatten() {
        match result {
            Ok(value) => done.push(value),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(done), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let run = Run::new().with_threads(threads);
            let squares = map_parallel((0..100_u64).collect(), &run, |x| Ok(x * x)).expect("no failure");
            assert!(squares.into_iter().eq((0..100).map(|x| x * x)), "{threads} threads");
        }
    }

    #[test]
    fn a_failure_stops_the_work() {
        let run = Run::new().with_threads(2);
        let failed =
            map_parallel((0..100).collect(), &run, |x: i32| if x == 3 { crate::bail!(Io, "{x}") } else { Ok(x) });
        assert_eq!(failed.map_err(|e| e.message().to_owned()), Err("3".to_owned()));
    }
}
