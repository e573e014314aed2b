//! Sets of rows that grow together, each named by its first row.

use crate::labelled_rows::NOISE;

/// Disjoint sets of the numbers `0..n` (Galler, Fischer 1964).
#[derive(Debug, Clone)]
pub struct UnionFind {
    parents: Vec<u32>,
}

impl UnionFind {
    /// Each number in a set of its own.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { parents: (0..n as u32).collect() }
    }

    /// The least number of the set of `i`; shortens the way there.
    pub fn first(&mut self, mut i: u32) -> u32 {
        while self.parents[i as usize] != i {
            let above = self.parents[self.parents[i as usize] as usize];
            self.parents[i as usize] = above;
            i = above;
        }
        i
    }

    /// Makes one set of those of `a` and `b`.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.first(a), self.first(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }

    /// A number from 0 for each set that has one of `members` (ascending), in the order of their first members, and so
    /// for each member; [`NOISE`] for whoever is none.
    #[must_use]
    pub fn numbered(mut self, members: &[u32], n: usize) -> Vec<i32> {
        let mut numbers = vec![NOISE; n];
        let mut labels = vec![NOISE; n];
        let mut next = 0;
        for member in members {
            let first = self.first(*member) as usize;
            if numbers[first] == NOISE {
                numbers[first] = next;
                next += 1;
            }
            labels[*member as usize] = numbers[first];
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_numbers_share_a_set_that_is_numbered_by_its_first() {
        let mut sets = UnionFind::new(6);
        sets.join(4, 1);
        sets.join(5, 4);
        sets.join(3, 2);
        assert_eq!(sets.first(5), 1);
        assert_eq!(sets.clone().numbered(&[0, 1, 2, 3, 4, 5], 6), [0, 1, 2, 2, 1, 1]);
        assert_eq!(sets.numbered(&[2, 4, 5], 6), [NOISE, NOISE, 0, NOISE, 1, 1]);
    }
}
