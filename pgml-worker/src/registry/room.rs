//! Making room: what nobody uses goes, the least recently used first.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pgml_core::{Error, ErrorKind, Result, Run};

use super::{Key, Shared, Slot, State};

/// How often a model that waits for room looks again.
const LOOK: Duration = Duration::from_millis(20);

impl Shared {
    /// Waits until the budget has room for `key`, dropping models that nobody uses, and takes it.
    pub fn make_room(&self, key: &Key, run: &Run) -> Result<()> {
        let bytes = key.found.bytes;
        let mut state = self.lock();
        loop {
            let budget = state.settings.memory;
            if bytes > budget {
                return Err(too_large(&key.spec.name, bytes, budget));
            }
            run.check()?;
            let dropped = state.drop_until(budget.saturating_sub(bytes));
            if state.used() + bytes <= budget {
                if let Some(Slot::Loading(_, taken)) = state.slots.get_mut(key) {
                    *taken = bytes;
                }
                drop(state);
                if dropped {
                    give_back_to_the_system();
                }
                return Ok(());
            }
            // The others are in use. Their callers are served first.
            let waited = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
        }
    }
}

impl State {
    /// Bytes of all models, and of those that are being loaded.
    pub fn used(&self) -> u64 {
        let bytes = |slot: &Slot| match slot {
            Slot::Loading(_, taken) => *taken,
            Slot::Ready(model) => model.bytes,
        };
        self.slots.values().map(bytes).sum()
    }

    /// Drops unused models until at most `bytes` are used, or none is left. Whether any was dropped.
    fn drop_until(&mut self, bytes: u64) -> bool {
        let mut dropped = false;
        while self.used() > bytes {
            let unused = self.slots.iter().filter_map(|(key, slot)| match slot {
                Slot::Ready(model) if Arc::strong_count(model) == 1 => Some((model.statistics.counts().last_use, key)),
                _ => None,
            });
            let Some(oldest) = unused.min_by_key(|(last_use, _)| *last_use).map(|(_, key)| key.clone()) else { break };
            self.slots.remove(&oldest);
            dropped = true;
        }
        dropped
    }

    /// Drops models that nobody has used for as long as the settings say, and those beyond the budget. Whether any was
    /// dropped.
    pub fn drop_idle(&mut self) -> bool {
        let before = self.slots.len();
        let limit = self.settings.keep_alive.map(Duration::from_millis);
        self.slots.retain(|_, slot| match (slot, limit) {
            (Slot::Ready(model), Some(limit)) => {
                Arc::strong_count(model) > 1 || model.statistics.counts().last_use.elapsed() < limit
            }
            _ => true,
        });
        self.drop_until(self.settings.memory);
        let dropped = self.slots.len() < before;
        if dropped {
            self.forget();
        }
        dropped
    }
}

fn too_large(name: &str, bytes: u64, budget: u64) -> Error {
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let message = format!(
        "the model \"{name}\" needs {} MiB, but all models together may take {} MiB",
        mebibytes(bytes),
        mebibytes(budget)
    );
    Error::new(ErrorKind::OutOfMemory, message).with_hint("raise pgml.worker_memory, or use a smaller model")
}

/// Large buffers are the system's again at once; small ones the allocator would keep for later.
pub fn give_back_to_the_system() {
    // SAFETY: frees unused pages of the C allocator, which locks itself.
    #[allow(unsafe_code)]
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
