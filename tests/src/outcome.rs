//! The results of many tests: one line each, and the count at the end.

use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Counts of passed and failed tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
}

/// One test: its name and what it does; its error is what is shown.
pub struct Case<'a> {
    /// The name that is printed and that the filter looks at.
    pub name: String,
    /// Runs it.
    pub run: Box<dyn Fn() -> Result<(), String> + Send + Sync + 'a>,
}

/// Runs all cases on `threads` threads and prints a line for each as it ends, with the error of those that fail.
pub fn run_all(cases: &[Case<'_>], threads: usize) -> Outcome {
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, cases.len().max(1)) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run_one(case, &outcome);
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_one(case: &Case<'_>, outcome: &Mutex<Outcome>) {
    let began = Instant::now();
    let result = (case.run)();
    let seconds = began.elapsed().as_secs_f64();
    // Printing under the lock keeps the lines of one failure together.
    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(()) => {
            outcome.passed += 1;
            println!("ok      {} ({seconds:.2} s)", case.name);
        }
        Err(error) => {
            outcome.failed += 1;
            println!("FAILED  {} ({seconds:.2} s)\n{}", case.name, indent(&error));
        }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("        {line}\n")).collect()
}

/// `path` as seen from `root`, for messages.
pub fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_runs_once_and_is_counted() {
        let runs = AtomicUsize::new(0);
        let case = |number: usize| {
            let runs = &runs;
            Case {
                name: format!("case {number}"),
                run: Box::new(move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    if [0, 3, 6].contains(&number) { Err("a third fails".into()) } else { Ok(()) }
                }),
            }
        };
        let cases: Vec<Case<'_>> = (0..9).map(case).collect();
        assert_eq!(run_all(&cases, 4), Outcome { passed: 6, failed: 3 });
        assert_eq!(runs.load(Ordering::Relaxed), 9);
    }
}
