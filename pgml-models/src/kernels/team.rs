//! Threads that wait for work while they are likely to get more.
//!
//! A forward pass over one sentence is some sixty operators of 10–100 µs each. Handing half an operator to a sleeping
//! thread costs more than it saves (waking one takes 5–50 µs, more in a virtual machine), so a team's threads look for
//! the next operator for a short while before they sleep. The caller works too, and waits only for helpers that have
//! begun: a helper that is asleep or displaced by another program never delays it.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cpu::Cpu;

/// How long a helper looks for work before it sleeps.
const PATIENCE: Duration = Duration::from_micros(100);

/// The caller's thread and its helpers, and what their processor can do.
///
/// A team serves one operator at a time: one that is started while another runs, or from within a job, runs on its
/// caller's thread alone. The results are the same in every case.
#[derive(Debug)]
pub struct Team {
    cpu: Cpu,
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Held while an operator uses the helpers.
    busy: AtomicBool,
}

/// A loop whose rounds are handed out.
#[derive(Clone, Copy)]
struct Job {
    work: *const (dyn Fn(usize) + Sync),
    rounds: usize,
}

/// `gate` counts the helpers inside the present job in its low bits; the bit above says that it is open, those above
/// that number the jobs.
struct Shared {
    gate: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    next: AtomicUsize,
    panicked: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
    stop: AtomicBool,
}

const OPEN: u64 = 1 << 16;
const NUMBER: u64 = 1 << 17;
const INSIDE: u64 = OPEN - 1;

// SAFETY: `job` is written by the one caller that holds `busy`, while the gate is shut and nobody is inside; helpers
// read it only after they entered through the open gate (acquire), and the caller keeps the job alive until all left.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is only followed under the rule above.
unsafe impl Send for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Team {
    /// A team of `threads` in all, the caller's included, on the best that the processor can do.
    ///
    /// Threads that the system refuses to start are done without.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self::with_cpu(Cpu::detect(), threads)
    }

    /// A team that uses `cpu`'s abilities only, for tests and comparisons.
    #[must_use]
    pub fn with_cpu(cpu: Cpu, threads: usize) -> Self {
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let helper = |i: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("pgml-team-{i}")).spawn(move || help(&shared)).ok()
        };
        let helpers = (1..threads.clamp(1, 1024)).map_while(helper).collect();
        Self { cpu, shared, helpers, busy: AtomicBool::new(false) }
    }

    /// What the team's processor can do.
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// Threads in all, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// `work(0)`, …, `work(rounds − 1)`, each once, in any order, on any thread of the team.
    ///
    /// # Panics
    /// When a round did.
    pub fn for_each(&self, rounds: usize, work: impl Fn(usize) + Sync) {
        if rounds <= 1 || self.helpers.is_empty() || self.busy.swap(true, Ordering::Acquire) {
            return (0..rounds).for_each(work);
        }
        let shared = &*self.shared;
        shared.open(rounds, &work);
        let own = catch_unwind(AssertUnwindSafe(|| shared.take_rounds(&work, rounds)));
        shared.close();
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        self.busy.store(false, Ordering::Release);
        if let Err(panic) = own {
            resume_unwind(panic);
        }
        assert!(!panicked, "a helper thread panicked");
    }

    /// `work(i, chunk i)` for the consecutive chunks of `data`, `chunk` elements each, the last maybe fewer.
    ///
    /// # Panics
    /// When `chunk` is zero.
    pub fn for_each_chunk<T: Send>(&self, data: &mut [T], chunk: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        let len = data.len();
        let data = Disjoint::new(data);
        self.for_each(len.div_ceil(chunk), |i| {
            // SAFETY: each round is given out once, and the rounds' ranges do not overlap.
            let part = unsafe { data.part(i * chunk..((i + 1) * chunk).min(len)) };
            work(i, part);
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.wake.notify_all();
        for helper in self.helpers.drain(..) {
            // A helper catches the panics of its rounds: it ends in order.
            let _ = helper.join();
        }
    }
}

impl Shared {
    fn open<'a>(&self, rounds: usize, work: &'a (dyn Fn(usize) + Sync + 'a)) {
        // SAFETY: only the lifetime is erased; `close` waits until nobody uses it any more.
        let work: *const (dyn Fn(usize) + Sync) =
            unsafe { std::mem::transmute::<&'a (dyn Fn(usize) + Sync + 'a), &'static (dyn Fn(usize) + Sync)>(work) };
        // SAFETY: the gate is shut and nobody is inside, see `Sync`.
        unsafe { *self.job.get() = Some(Job { work, rounds }) };
        self.next.store(0, Ordering::Relaxed);
        // Sequentially consistent, as is the sleepers' side: either we see the sleeper, or it sees the open gate.
        self.gate.fetch_add(NUMBER | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }

    /// Shuts the gate and waits for those inside.
    fn close(&self) {
        self.gate.fetch_sub(OPEN, Ordering::AcqRel);
        let mut looks = 0_u32;
        while self.gate.load(Ordering::Acquire) & INSIDE > 0 {
            looks += 1;
            if looks < 10_000 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }

    fn take_rounds(&self, work: &(dyn Fn(usize) + Sync), rounds: usize) {
        loop {
            let round = self.next.fetch_add(1, Ordering::Relaxed);
            if round >= rounds {
                return;
            }
            work(round);
        }
    }

    /// Goes inside if the gate is open and the job is newer than number `seen`; gives the job's number.
    fn enter(&self, seen: u64) -> Option<u64> {
        let gate = self.gate.load(Ordering::SeqCst);
        let number = gate / NUMBER;
        let open = gate & OPEN > 0 && number != seen;
        (open && self.gate.compare_exchange(gate, gate + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok())
            .then_some(number)
    }

    /// Waits for a job newer than `seen`, first looking, then sleeping.
    fn sleep(&self, seen: u64) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let gate = self.gate.load(Ordering::SeqCst);
            if self.stop.load(Ordering::SeqCst) || (gate & OPEN > 0 && gate / NUMBER != seen) {
                break;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A helper's life.
fn help(shared: &Shared) {
    let mut seen = 0;
    let mut idle_since = Instant::now();
    let mut looks = 0_u32;
    while !shared.stop.load(Ordering::Relaxed) {
        if let Some(number) = shared.enter(seen) {
            seen = number;
            // SAFETY: inside, so the job is set and alive until we leave.
            let done = unsafe { *shared.job.get() }
                .map(|job| catch_unwind(AssertUnwindSafe(|| shared.take_rounds(unsafe { &*job.work }, job.rounds))));
            if matches!(done, Some(Err(_))) {
                shared.panicked.store(true, Ordering::Relaxed);
            }
            shared.gate.fetch_sub(1, Ordering::AcqRel);
            idle_since = Instant::now();
            looks = 0;
            continue;
        }
        std::hint::spin_loop();
        looks += 1;
        if looks.is_multiple_of(64) && idle_since.elapsed() > PATIENCE {
            shared.sleep(seen);
            idle_since = Instant::now();
        }
    }
}

/// A slice that several threads write to, each in its own places.
pub(super) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: access goes through `part`, whose caller promises that no two parts overlap.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// # Safety
    /// No other part that overlaps `range` is alive.
    #[allow(clippy::mut_from_ref, reason = "disjoint parts, by the caller's promise")]
    pub(super) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: inside the slice; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_is_done_once_on_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let team = Team::new(threads);
            for rounds in [0, 1, 2, 3, 100, 1000] {
                let counts: Vec<AtomicUsize> = (0..rounds).map(|_| AtomicUsize::new(0)).collect();
                team.for_each(rounds, |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{threads} threads, {rounds} rounds");
            }
        }
    }

    #[test]
    fn many_short_operators_with_pauses_lose_nothing() {
        let team = Team::new(3);
        for i in 0..3000_usize {
            let total = AtomicUsize::new(0);
            team.for_each(7, |j| {
                total.fetch_add(j + 1, Ordering::Relaxed);
            });
            assert_eq!(total.into_inner(), 28);
            if i % 500 == 0 {
                std::thread::sleep(PATIENCE * 3);
            }
        }
    }

    #[test]
    fn chunks_cover_the_slice() {
        let team = Team::new(2);
        let mut data = vec![0_usize; 1001];
        team.for_each_chunk(&mut data, 10, |i, chunk| chunk.iter_mut().enumerate().for_each(|(j, x)| *x += i * 10 + j));
        assert!(data.iter().enumerate().all(|(i, x)| i == *x));
    }

    #[test]
    fn a_nested_or_second_operator_runs_too() {
        let team = Team::new(2);
        let total = AtomicUsize::new(0);
        let add = |_| {
            team.for_each(4, |_| {
                total.fetch_add(1, Ordering::Relaxed);
            });
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| team.for_each(5, add));
            }
        });
        assert_eq!(total.load(Ordering::Relaxed), 60);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let team = Team::new(2);
        let died = catch_unwind(AssertUnwindSafe(|| team.for_each(100, |i| assert!(i != 50, "round 50"))));
        assert!(died.is_err());
        let total = AtomicUsize::new(0);
        team.for_each(10, |_| {
            total.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(total.into_inner(), 10);
    }
}
