//! The hot loops: from roots to leaves.
#![expect(
    unsafe_code,
    reason = "bounds checks in the innermost loop cost a third of the speed; every index is checked when a forest is built or read"
)]

use super::flat::{
    CATEGORY, DEFAULT_RIGHT, FlatForest, Node, ROW_LANES, SET_IS_RIGHT, SPECIAL, Scalar, TREE_LANES, Tree,
    ZERO_IS_MISSING,
};

/// Descents over some rows of one forest. `MISSING` tells whether a value among the rows is NaN.
pub(super) struct Descent<'a, T, const MISSING: bool> {
    nodes: &'a [Node<T>],
    flags: &'a [u8],
    aux: &'a [u32],
    set_words: &'a [u32],
    set_bounds: &'a [u32],
    n_features: usize,
    /// Whole rows, row-major.
    x: &'a [T],
}

/// Trees of the usual boosters have a depth of 6.
const STEPS_BETWEEN_CHECKS: u32 = 6;
/// LightGBM takes numbers this close to 0 for 0.
const ZERO_THRESHOLD: f64 = 1e-35_f32 as f64;
/// XGBoost knows no category from here on.
const CATEGORY_LIMIT: f64 = 16_777_216.0;

impl<'a, T: Scalar, const MISSING: bool> Descent<'a, T, MISSING> {
    /// Descents of `x`, which must be whole rows.
    pub(super) fn new<V>(forest: &'a FlatForest<T, V>, x: &'a [T]) -> Self {
        assert!(x.len().is_multiple_of(forest.n_features), "whole rows");
        Self {
            nodes: &forest.nodes,
            flags: &forest.flags,
            aux: &forest.aux,
            set_words: &forest.set_words,
            set_bounds: &forest.set_bounds,
            n_features: forest.n_features,
            x,
        }
    }

    /// The leaves that [`ROW_LANES`] rows from `first_row` on reach in one tree.
    #[inline(always)]
    pub(super) fn rows(&self, tree: &Tree, first_row: usize) -> [u32; ROW_LANES] {
        assert!((first_row + ROW_LANES) * self.n_features <= self.x.len(), "rows within the block");
        let offsets = std::array::from_fn(|lane| (first_row + lane) * self.n_features);
        if tree.special {
            return offsets.map(|offset| self.careful(tree.root, offset));
        }
        self.interleaved([tree.root; ROW_LANES], offsets, tree.max_depth)
    }

    /// The leaves that the one row reaches in at most [`TREE_LANES`] trees.
    #[inline(always)]
    pub(super) fn trees(&self, trees: &[Tree]) -> [u32; TREE_LANES] {
        assert!(self.n_features == self.x.len(), "one row");
        // Lanes without a tree of their own repeat the first one.
        let root = |lane: usize| trees.get(lane).unwrap_or(&trees[0]).root;
        let roots = std::array::from_fn(root);
        if trees.iter().any(|tree| tree.special) {
            return roots.map(|root| self.careful(root, 0));
        }
        let max_depth = trees.iter().map(|tree| tree.max_depth).max().unwrap_or(0);
        self.interleaved(roots, [0; TREE_LANES], max_depth)
    }

    /// Steps down until every lane is at its leaf: at most `max_depth` steps. Whether they are is asked now and then
    /// only; asking after every step costs more than the steps that it saves.
    #[inline(always)]
    fn interleaved<const LANES: usize>(
        &self,
        mut at: [u32; LANES],
        offsets: [usize; LANES],
        max_depth: u32,
    ) -> [u32; LANES] {
        let mut remaining = max_depth;
        loop {
            for _ in 0..remaining.min(STEPS_BETWEEN_CHECKS) {
                for lane in 0..LANES {
                    at[lane] = self.step(at[lane], offsets[lane]);
                }
            }
            remaining = remaining.saturating_sub(STEPS_BETWEEN_CHECKS);
            // A leaf is its own left child.
            if remaining == 0 || at.iter().all(|at| self.nodes[*at as usize].left == *at) {
                return at;
            }
        }
    }

    /// One step down from `at`, by comparison with the threshold alone.
    #[inline(always)]
    fn step(&self, at: u32, offset: usize) -> u32 {
        // SAFETY: roots and children are indices of `nodes` and features are below `n_features`, both checked when the
        // forest was made; `offset` is the start of a whole row of `x`, asserted by the callers.
        let (node, x) = unsafe {
            let node = self.nodes.get_unchecked(at as usize);
            (node, *self.x.get_unchecked(offset.wrapping_add(node.feature as usize)))
        };
        let mut right = x >= node.threshold;
        if MISSING {
            // SAFETY: there are as many flags as nodes.
            let flags = unsafe { *self.flags.get_unchecked(at as usize) };
            right |= x.is_missing() & (flags & DEFAULT_RIGHT != 0);
        }
        node.left.wrapping_add(u32::from(right))
    }

    /// The child that the one row goes to from the inner node `at`.
    pub(super) fn next(&self, at: u32) -> u32 {
        assert!(self.n_features == self.x.len(), "one row");
        self.any_step(at, 0)
    }

    /// One step down from `at`, whatever the node asks.
    fn any_step(&self, at: u32, offset: usize) -> u32 {
        let flags = self.flags[at as usize];
        if flags & SPECIAL == 0 { self.step(at, offset) } else { self.special(at, offset, flags) }
    }

    /// One whole descent in a tree with category splits or zeros that mean missing.
    fn careful(&self, mut at: u32, offset: usize) -> u32 {
        loop {
            let next = self.any_step(at, offset);
            if next == at {
                return at;
            }
            at = next;
        }
    }

    fn special(&self, at: u32, offset: usize, flags: u8) -> u32 {
        let node = &self.nodes[at as usize];
        let x = self.x[offset + node.feature as usize];
        let zero = flags & ZERO_IS_MISSING != 0 && x.to_f64().abs() <= ZERO_THRESHOLD;
        let right = if x.is_missing() || zero {
            flags & DEFAULT_RIGHT != 0
        } else if flags & CATEGORY != 0 {
            self.in_set(self.aux[at as usize], x.to_f64(), flags) == (flags & SET_IS_RIGHT != 0)
        } else {
            x >= node.threshold
        };
        node.left + u32::from(right)
    }

    /// Whether the category `x` is in `set`. XGBoost takes no negative number for a category; LightGBM truncates first.
    fn in_set(&self, set: u32, x: f64, flags: u8) -> bool {
        let negative = if flags & SET_IS_RIGHT != 0 { x < 0.0 } else { x <= -1.0 };
        if negative || x >= CATEGORY_LIMIT {
            return false;
        }
        let words = &self.set_words[self.set_bounds[set as usize] as usize..self.set_bounds[set as usize + 1] as usize];
        let category = x as usize;
        words.get(category / 32).is_some_and(|word| word >> (category % 32) & 1 == 1)
    }
}
