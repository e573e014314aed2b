//! What has been asked of one model, and how long it took.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The quantiles are those of this many last requests.
const KEPT: usize = 1024;

/// Counts of one model.
#[derive(Debug)]
pub struct Statistics(Mutex<Counts>);

/// The counts at one moment.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Requests answered.
    pub calls: u64,
    /// Texts read.
    pub rows: u64,
    /// Batches computed.
    pub batches: u64,
    /// Batches with texts of several connections.
    pub shared_batches: u64,
    /// When it was last used.
    pub last_use: Instant,
    times: Vec<Duration>,
}

impl Default for Statistics {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Counts { calls: 0, rows: 0, batches: 0, shared_batches: 0, last_use: now, times: Vec::new() }))
    }
}

impl Statistics {
    /// Notes a request with `rows` texts that took `time`.
    pub fn call(&self, rows: u64, time: Duration) {
        let mut counts = self.lock();
        let at = (counts.calls % KEPT as u64) as usize;
        match counts.times.get_mut(at) {
            Some(oldest) => *oldest = time,
            None => counts.times.push(time),
        }
        counts.calls += 1;
        counts.rows += rows;
        counts.last_use = Instant::now();
    }

    /// Notes a batch with texts of `callers` connections.
    pub fn batch(&self, callers: usize) {
        let mut counts = self.lock();
        counts.batches += 1;
        counts.shared_batches += u64::from(callers > 1);
    }

    /// Notes that the model is in use.
    pub fn touch(&self) {
        self.lock().last_use = Instant::now();
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// The time in milliseconds that this share of the last requests did not exceed; none without requests.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let rank = (share * times.len() as f64).ceil() as usize;
        times.get(rank.saturating_sub(1)).map(|time| time.as_secs_f64() * 1e3)
    }

    /// The last use in microseconds since 1970.
    pub fn last_use_micros(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let then = now.saturating_sub(self.last_use.elapsed());
        i64::try_from(then.as_micros()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_requests() {
        let statistics = Statistics::default();
        assert_eq!(statistics.counts().quantile(0.5), None);
        for _ in 0..KEPT {
            statistics.call(1, Duration::from_secs(9));
        }
        for millis in 1..=KEPT as u64 {
            statistics.call(2, Duration::from_millis(millis));
        }
        let counts = statistics.counts();
        assert_eq!((counts.calls, counts.rows), (2048, 3 * 1024));
        assert_eq!(
            (counts.quantile(0.5), counts.quantile(0.99), counts.quantile(1.0)),
            (Some(512.0), Some(1014.0), Some(1024.0))
        );
    }
}
