//! Sorts the rows of a node by the rank of their value, in time proportional to their number.
//!
//! Ranks are spread evenly by their making, and those of a node still are roughly: cut into as many equal ranges as there
//! are rows, most ranges get a row or two. One pass counts, one moves each row to its range, and what little disorder
//! is left an insertion sort mends. Where ranks cluster, ranges of many rows are sorted by comparison.

/// Rows below which comparisons are faster.
const FEW: usize = 32;
/// Rows in one range above which comparisons are faster than insertion.
const CROWDED: u32 = 24;

/// Sorts ranks with the position of their row; its buffers serve every node of a tree.
#[derive(Debug, Default)]
pub struct RankSort {
    /// Rank in the upper half, position in the lower.
    keys: Vec<u64>,
    spare: Vec<u64>,
    /// Where each range begins, then where its next row goes.
    starts: Vec<u32>,
}

/// The rank in a sorted key.
#[inline]
#[must_use]
pub fn rank(key: u64) -> u32 {
    (key >> 32) as u32
}

/// The position in a sorted key.
#[inline]
#[must_use]
pub fn position(key: u64) -> usize {
    (key as u32) as usize
}

impl RankSort {
    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, rank: u32, position: u32) {
        self.keys.push(u64::from(rank) << 32 | u64::from(position));
    }

    /// The keys as they stand: in ascending order once [`RankSort::sorted`] was called.
    #[must_use]
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Sorts the keys.
    pub fn sorted(&mut self) -> &[u64] {
        if self.keys.len() < FEW {
            self.keys.sort_unstable();
            return &self.keys;
        }
        let (low, high) =
            self.keys.iter().fold((u32::MAX, 0), |(low, high), key| (low.min(rank(*key)), high.max(rank(*key))));
        if low != high {
            self.spread(low, high);
        }
        &self.keys
    }

    /// Sorts keys whose ranks are `low..=high`.
    fn spread(&mut self, low: u32, high: u32) {
        let n = self.keys.len();
        // Fixed-point: 32 bits after the point. `n` fits 32 bits, so nothing overflows.
        let scale = ((n as u64) << 32) / (u64::from(high - low) + 1);
        let range = |key: u64| ((u64::from(rank(key) - low) * scale) >> 32) as usize;
        self.starts.clear();
        self.starts.resize(n, 0);
        self.keys.iter().for_each(|key| self.starts[range(*key)] += 1);
        let (mut next, mut crowd) = (0, 0);
        for start in &mut self.starts {
            let count = *start;
            crowd = crowd.max(count);
            *start = next;
            next += count;
        }
        self.spare.resize(n, 0);
        for key in &self.keys {
            let start = &mut self.starts[range(*key)];
            self.spare[*start as usize] = *key;
            *start += 1;
        }
        std::mem::swap(&mut self.keys, &mut self.spare);
        if crowd > CROWDED { self.sort_ranges() } else { insertion_sort(&mut self.keys) }
    }

    /// Sorts each range by itself; `starts` holds where they end.
    fn sort_ranges(&mut self) {
        let mut begin = 0;
        for end in &self.starts {
            let end = *end as usize;
            if end - begin > 1 {
                self.keys[begin..end].sort_unstable();
            }
            begin = end;
        }
    }
}

fn insertion_sort(keys: &mut [u64]) {
    for i in 1..keys.len() {
        let key = keys[i];
        let mut hole = i;
        while hole > 0 && keys[hole - 1] > key {
            keys[hole] = keys[hole - 1];
            hole -= 1;
        }
        keys[hole] = key;
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Run;

    use super::*;

    fn is_sorted(ranks: &[u32]) {
        let mut sort = RankSort::default();
        // A second use of the buffers must not see the first.
        for ranks in [ranks, &ranks[..ranks.len() / 2]] {
            sort.clear();
            ranks.iter().enumerate().for_each(|(i, rank)| sort.push(*rank, i as u32));
            let mut expected: Vec<(u32, usize)> = ranks.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            assert_eq!(sort.sorted().iter().map(|key| (rank(*key), position(*key))).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn even_clustered_equal_and_extreme_ranks_are_sorted() {
        let mut rng = Run::new().rng(0);
        for n in [0, 1, 2, 31, 32, 33, 100, 5_000] {
            is_sorted(&(0..n).map(|_| rng.u32(0..20_000)).collect::<Vec<_>>());
            is_sorted(&(0..n).map(|_| rng.u32(0..3)).collect::<Vec<_>>());
            is_sorted(&(0..n).map(|i| if i % 2 == 0 { 7 } else { u32::MAX - 1 - rng.u32(0..50) }).collect::<Vec<_>>());
            is_sorted(&vec![9; n]);
        }
        is_sorted(&[0, u32::MAX - 1].repeat(40));
    }
}
