//! Beginnings of texts whose keys and values are still there: a prompt that begins like an earlier one is read from where
//! they part.

use crate::nn::cache::lock;
use crate::nn::{KvCache, SharedCache};

/// How many texts are remembered.
const KEPT: usize = 16;

/// A shorter common beginning is not worth a look.
const WORTHWHILE: usize = 16;

/// Texts that have ended, the last one last.
#[derive(Default)]
pub(super) struct Prefixes(Vec<(Vec<u32>, SharedCache)>);

impl Prefixes {
    /// Remembers a text.
    pub(super) fn keep(&mut self, mut tokens: Vec<u32>, cache: SharedCache) {
        tokens.truncate(length(&cache));
        self.0.retain(|(known, _)| !tokens.starts_with(known));
        self.0.push((tokens, cache));
        if self.0.len() > KEPT {
            self.forget_oldest();
        }
    }

    /// Forgets the text that ended first; whether there was one.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let any = !self.0.is_empty();
        self.0.drain(..usize::from(any));
        any
    }

    /// What is known of the longest beginning of `tokens`, at least one of which is left to be read; `others` are texts
    /// that still grow.
    pub(super) fn longest<'a>(
        &'a self,
        tokens: &[u32],
        others: impl Iterator<Item = (&'a [u32], &'a SharedCache)>,
    ) -> Option<KvCache> {
        let of_kept = self.0.iter().map(|(known, cache)| (known.as_slice(), cache));
        let common = |(known, cache): (&[u32], &SharedCache)| {
            let same = known.iter().zip(tokens).take_while(|(a, b)| a == b).count();
            same.min(length(cache)).min(tokens.len().saturating_sub(1))
        };
        let (cache, n) =
            of_kept.chain(others).map(|(known, cache)| (cache, common((known, cache)))).max_by_key(|(_, n)| *n)?;
        if n < WORTHWHILE {
            return None;
        }
        Some(lock(cache).prefix(n))
    }
}

fn length(cache: &SharedCache) -> usize {
    lock(cache).len()
}
