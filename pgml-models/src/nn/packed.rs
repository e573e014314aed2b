//! Several sequences in one batch, one after the other, without padding.

use std::sync::Arc;

use pgml_core::text::{TableToken, Tokens};
use pgml_core::{Result, Run};

use super::cache::{KvCache, SharedCache, lock};
use crate::kernels::Team;

/// The tokens of a batch. Activations of a batch are matrices with one row per token, in this order.
#[derive(Debug, Clone)]
pub struct PackedBatch {
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    /// Of questions with tables; empty where there are none.
    cells: Vec<TableToken>,
    offsets: Vec<usize>,
    prompts: Vec<usize>,
    /// Of sequences that grow: what their earlier tokens left behind.
    caches: Vec<SharedCache>,
    /// Of texts that are made from others: keys and values of those others.
    sources: Vec<Arc<KvCache>>,
    /// The position of each sequence's first token.
    starts: Vec<u32>,
    /// Tokens that each sequence is known to get, at least.
    extents: Vec<usize>,
    /// Whether what is computed is still wanted.
    run: Run,
    team: Arc<Team>,
}

impl PackedBatch {
    /// Puts `sequences` together; `team` works on them.
    #[must_use]
    pub fn new(sequences: &[&Tokens], team: &Arc<Team>) -> Self {
        let mut batch = Self {
            ids: Vec::new(),
            type_ids: Vec::new(),
            cells: Vec::new(),
            offsets: vec![0],
            prompts: sequences.iter().map(|tokens| tokens.prompt).collect(),
            caches: Vec::new(),
            sources: Vec::new(),
            starts: vec![0; sequences.len()],
            extents: sequences.iter().map(|tokens| tokens.ids.len()).collect(),
            run: Run::new(),
            team: Arc::clone(team),
        };
        for tokens in sequences {
            batch.ids.extend_from_slice(&tokens.ids);
            batch.type_ids.extend_from_slice(&tokens.type_ids);
            batch.type_ids.resize(batch.ids.len(), 0);
            batch.cells.extend_from_slice(&tokens.cells);
            batch.offsets.push(batch.ids.len());
        }
        batch
    }

    /// Puts together what sequences go on with: for each the new tokens, and what the earlier ones left behind, where
    /// there must be room for the new ones ([`KvCache::reserve`](super::KvCache::reserve)).
    #[must_use]
    pub fn continuing(sequences: &[(&[u32], SharedCache)], team: &Arc<Team>) -> Self {
        let mut batch = Self {
            ids: Vec::new(),
            type_ids: Vec::new(),
            cells: Vec::new(),
            offsets: vec![0],
            prompts: vec![0; sequences.len()],
            caches: sequences.iter().map(|(_, cache)| Arc::clone(cache)).collect(),
            sources: Vec::new(),
            starts: sequences.iter().map(|(_, cache)| lock(cache).len() as u32).collect(),
            extents: sequences.iter().map(|(ids, cache)| extent(ids, cache)).collect(),
            run: Run::new(),
            team: Arc::clone(team),
        };
        for (ids, _) in sequences {
            batch.ids.extend_from_slice(ids);
            batch.offsets.push(batch.ids.len());
        }
        batch.type_ids.resize(batch.ids.len(), 0);
        batch
    }

    /// The same batch, each of whose sequences is made from another text: what an encoder left behind of it. Sequences may
    /// have one in common.
    ///
    /// # Panics
    /// When there are not as many as sequences.
    #[must_use]
    pub fn made_from(self, sources: Vec<Arc<KvCache>>) -> Self {
        assert_eq!(sources.len(), self.n_sequences(), "every sequence is made from a text");
        Self { sources, ..self }
    }

    /// The same batch with every token one place further, behind `first`; the last ones fall out.
    #[must_use]
    pub fn shifted(&self, first: u32) -> Self {
        let mut ids = Vec::with_capacity(self.ids.len());
        for rows in self.sequences().filter(|rows| !rows.is_empty()) {
            ids.push(first);
            ids.extend_from_slice(&self.ids[rows.start..rows.end - 1]);
        }
        Self { ids, ..self.clone() }
    }

    /// The same batch, which `run` can stop between two layers: nothing is counted then.
    #[must_use]
    pub fn interruptible(self, run: &Run) -> Self {
        Self { run: run.clone(), ..self }
    }

    /// Whether what is computed is still wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled) when it is not.
    pub fn check(&self) -> Result<()> {
        self.run.check()
    }

    /// Of sequences that grow: what their earlier tokens left behind.
    #[must_use]
    pub fn caches(&self) -> Option<&[SharedCache]> {
        (!self.caches.is_empty()).then_some(&self.caches)
    }

    /// Of texts that are made from others: keys and values of those others.
    #[must_use]
    pub fn sources(&self) -> &[Arc<KvCache>] {
        &self.sources
    }

    /// Counts the batch's tokens among those of its sequences. Every layer has seen them.
    pub fn commit(&self) {
        for (cache, rows) in self.caches.iter().zip(self.sequences()) {
            lock(cache).grow(rows.len());
        }
    }

    /// Tokens in all.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }

    /// How many sequences.
    #[must_use]
    pub fn n_sequences(&self) -> usize {
        self.prompts.len()
    }

    /// The vocabulary's id of each token.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The part of a pair that each token belongs to.
    #[must_use]
    pub fn type_ids(&self) -> &[u32] {
        &self.type_ids
    }

    /// What each token is in a table; `None` where the texts have none.
    #[must_use]
    pub fn cells(&self) -> Option<&[TableToken]> {
        (self.cells.len() == self.ids.len()).then_some(&self.cells)
    }

    /// Where each sequence begins, and the end of the last: one more than there are sequences.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Leading tokens of sequence `i` that pooling may be told to leave out.
    #[must_use]
    pub fn prompt(&self, i: usize) -> usize {
        self.prompts[i]
    }

    /// The rows of each sequence.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = std::ops::Range<usize>> {
        self.offsets.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The place of each token in its sequence, from `first` on.
    #[must_use]
    pub fn positions(&self, first: u32) -> Vec<u32> {
        let starts = self.starts.iter().map(|start| first + start);
        self.sequences().zip(starts).flat_map(|(rows, start)| (0..rows.len() as u32).map(move |i| start + i)).collect()
    }

    /// How many tokens each sequence is known to get, earlier ones included.
    #[must_use]
    pub fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// Tokens of the longest sequence, earlier ones included.
    #[must_use]
    pub fn reach(&self) -> usize {
        self.sequences().zip(&self.starts).map(|(rows, start)| rows.len() + *start as usize).max().unwrap_or(0)
    }

    /// Tokens of the longest sequence.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.sequences().map(|rows| rows.len()).max().unwrap_or(0)
    }

    /// The threads that work on it.
    #[must_use]
    pub fn team(&self) -> &Arc<Team> {
        &self.team
    }
}

/// How many tokens a sequence is known to get that goes on with `ids`.
fn extent(ids: &[u32], cache: &SharedCache) -> usize {
    let cache = lock(cache);
    cache.extent().max(cache.len() + ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_lie_one_after_the_other_and_count_their_own_positions() {
        let tokens = |ids: &[u32]| Tokens { ids: ids.to_vec(), ..Tokens::default() };
        let (first, second) = (tokens(&[5, 6, 7]), tokens(&[8]));
        let batch = PackedBatch::new(&[&first, &second], &Arc::new(Team::new(1)));
        assert_eq!(batch.ids(), [5, 6, 7, 8]);
        assert_eq!(batch.type_ids(), [0; 4]);
        assert_eq!(batch.sequences().collect::<Vec<_>>(), [0..3, 3..4]);
        assert_eq!(batch.positions(2), [2, 3, 4, 2]);
        assert_eq!(batch.shifted(1).ids(), [1, 5, 6, 1]);
        assert_eq!((batch.longest(), batch.n_sequences()), (3, 2));
    }
}
