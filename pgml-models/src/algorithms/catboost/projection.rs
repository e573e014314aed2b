//! A combination of features that is counted as one category.

use super::data::TrainData;
use super::hash;

/// Categorical features, together with splits of the tree that it grew in, all in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Projection {
    /// Indices of categorical columns.
    pub cats: Vec<u32>,
    /// Numeric columns and the bin that rows are above.
    pub floats: Vec<(u32, u8)>,
    /// Categorical columns and the index of the category that rows have.
    pub one_hots: Vec<(u32, u32)>,
}

impl Projection {
    /// One categorical feature alone.
    pub(super) fn single(cat: u32) -> Self {
        Self { cats: vec![cat], ..Self::default() }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.cats.is_empty() && self.floats.is_empty() && self.one_hots.is_empty()
    }

    /// With one more categorical feature; `None` when it has that already.
    pub(super) fn and(&self, cat: u32) -> Option<Self> {
        let at = self.cats.binary_search(&cat).err()?;
        let mut wider = self.clone();
        wider.cats.insert(at, cat);
        Some(wider)
    }

    /// How many features it counts as: all splits together are one.
    pub(super) fn complexity(&self) -> usize {
        self.cats.len() + usize::from(!self.floats.is_empty() || !self.one_hots.is_empty())
    }

    /// Whether it is one categorical feature.
    pub(super) fn is_single(&self) -> bool {
        self.cats.len() == 1 && self.complexity() == 1
    }

    /// The hash of each row's values, the same as at prediction.
    pub(super) fn hashes(&self, data: &TrainData) -> Vec<u64> {
        let mut hashes = vec![0_u64; data.n_rows];
        for cat in &self.cats {
            let column = &data.cats[*cat as usize];
            for (hash, index) in hashes.iter_mut().zip(&column.indices) {
                *hash = hash::combine(*hash, hash::part(column.hashes[*index as usize]));
            }
        }
        for (float, bin) in &self.floats {
            for (hash, x) in hashes.iter_mut().zip(&data.floats[*float as usize].bins) {
                *hash = hash::combine(*hash, u64::from(x > bin));
            }
        }
        for (cat, index) in &self.one_hots {
            for (hash, x) in hashes.iter_mut().zip(&data.cats[*cat as usize].indices) {
                *hash = hash::combine(*hash, u64::from(x == index));
            }
        }
        hashes
    }
}

/// Hashes numbered by first appearance: an open table of a power of two of places.
#[derive(Debug, Clone)]
pub(super) struct Numbering {
    places: Vec<u32>,
    hashes: Vec<u64>,
}

/// No number here.
const FREE: u32 = u32::MAX;

impl Numbering {
    /// An empty one with room for `n` hashes without growing.
    pub(super) fn with_capacity(n: usize) -> Self {
        Self { places: vec![FREE; (2 * n).next_power_of_two().max(16)], hashes: Vec::new() }
    }

    /// Where the hash is or would be.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        let mask = self.places.len() - 1;
        // Hashes of combinations are mixed in their upper bits.
        let mut place = ((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 20) & mask;
        while self.places[place] != FREE && self.hashes[self.places[place] as usize] != hash {
            place = (place + 1) & mask;
        }
        place
    }

    /// The number of the hash, a new one if it is new.
    #[inline]
    pub(super) fn number(&mut self, hash: u64) -> u32 {
        let place = self.place(hash);
        if self.places[place] != FREE {
            return self.places[place];
        }
        let number = self.hashes.len() as u32;
        self.places[place] = number;
        self.hashes.push(hash);
        if 2 * self.hashes.len() > self.places.len() {
            let hashes = std::mem::take(&mut self.hashes);
            *self = Self::with_capacity(2 * hashes.len());
            hashes.into_iter().for_each(|hash| {
                self.number(hash);
            });
        }
        number
    }

    /// The number of the hash, if it has one.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> Option<usize> {
        let place = self.places[self.place(hash)];
        (place != FREE).then_some(place as usize)
    }

    /// All hashes, by number.
    pub(super) fn hashes(&self) -> &[u64] {
        &self.hashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_keep_their_numbers_when_the_table_grows() {
        let mut numbering = Numbering::with_capacity(1);
        let hash = |i: u64| hash::combine(i % 500, 7);
        for i in 0..1000 {
            assert_eq!(u64::from(numbering.number(hash(i))), i % 500);
        }
        assert_eq!((numbering.find(hash(3)), numbering.find(1)), (Some(3), None));
    }

    #[test]
    fn a_feature_is_combined_once() {
        let single = Projection::single(2);
        let pair = single.and(1).expect("another feature");
        assert_eq!((pair.cats.as_slice(), pair.and(2)), (&[1, 2][..], None));
        assert!(single.is_single() && !pair.is_single());
    }
}
