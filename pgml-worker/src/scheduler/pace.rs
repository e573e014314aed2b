//! How large batches are: as many tokens as a model reads in a fraction of a second, so that nobody waits long for the
//! batch of another, whatever the model's size.

use std::collections::HashMap;
use std::time::Duration;

/// How long a batch should take. Long enough that the threads' start does not count, short enough for those who wait.
const TARGET: Duration = Duration::from_millis(100);

/// Before the first measurement.
const FIRST: usize = 2048;

/// Fewer would not keep the processor busy; more would not make it faster, and take memory for what lies between layers.
const LEAST: usize = 256;
const MOST: usize = 8_192;

/// Tokens per second of each model, as measured.
#[derive(Debug, Default)]
pub struct Paces(HashMap<u64, f64>);

impl Paces {
    /// Most tokens in the next batch of `model`.
    pub fn budget(&self, model: u64) -> usize {
        let tokens = |pace: &f64| (pace * TARGET.as_secs_f64()) as usize;
        self.0.get(&model).map_or(FIRST, tokens).clamp(LEAST, MOST)
    }

    /// Notes how long a batch of `model` took.
    pub fn note(&mut self, model: u64, tokens: usize, time: Duration) {
        // Small batches measure the threads' start, not the pace.
        if tokens < LEAST {
            return;
        }
        let measured = tokens as f64 / time.as_secs_f64().max(1e-6);
        self.0.entry(model).and_modify(|pace| *pace += (measured - *pace) / 4.0).or_insert(measured);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_and_shrink_with_the_models_pace() {
        let mut paces = Paces::default();
        assert_eq!(paces.budget(1), FIRST);
        paces.note(1, 10, Duration::from_secs(1));
        assert_eq!(paces.budget(1), FIRST, "too small to tell");
        paces.note(1, 4000, Duration::from_secs(1));
        assert_eq!(paces.budget(1), 400);
        for _ in 0..40 {
            paces.note(1, 400, Duration::from_millis(1));
        }
        assert_eq!((paces.budget(1), paces.budget(2)), (MOST, FIRST));
    }
}
