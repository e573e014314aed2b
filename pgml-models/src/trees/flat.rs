//! Trees laid out flat in a few arrays, for prediction alone.
//!
//! Every tree model predicts through this type, whatever grew it. Children stand side by side, so that one step down is
//! `left + (x >= threshold)`, without a branch to mispredict. A leaf is its own left child and its threshold is NaN,
//! which nothing is greater than: rows that arrive early wait there. Several descents run interleaved, over rows of one
//! tree in a batch and over trees of one row otherwise, because a single descent only waits for memory.

use std::ops::AddAssign;
use std::sync::OnceLock;

use pgml_core::Shared;
use pgml_core::parts::Element;
use pgml_core::shared::Plain;

use super::descend::Descent;
use super::lanes::{Instructions, Lanes};
use super::quick::{self, Leaves, QuickForest};

/// A float type of features and thresholds, or of leaf values.
pub trait Scalar: Copy + PartialOrd + AddAssign + Element + Lanes + Default + std::fmt::Debug {
    /// What nodes are stored in: unsigned integers as wide as this type, so that a file's nodes are aligned as these are.
    type Word: Element;
    /// Not a number: the threshold of a leaf.
    const NAN: Self;
    /// Zero.
    const ZERO: Self;
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// Whether it is NaN.
    fn is_missing(self) -> bool;
    /// The next value towards positive infinity.
    fn above(self) -> Self;
    /// `values` in this type, in `buffer` unless they have it already.
    fn view<'a>(values: &'a [f64], buffer: &'a mut Vec<Self>) -> &'a [Self];
}

impl Scalar for f32 {
    type Word = u32;
    const NAN: Self = f32::NAN;
    const ZERO: Self = 0.0;

    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn is_missing(self) -> bool {
        self.is_nan()
    }

    fn above(self) -> Self {
        self.next_up()
    }

    fn view<'a>(values: &'a [f64], buffer: &'a mut Vec<Self>) -> &'a [Self] {
        buffer.clear();
        buffer.extend(values.iter().map(|x| *x as f32));
        buffer
    }
}

impl Scalar for f64 {
    type Word = u64;
    const NAN: Self = f64::NAN;
    const ZERO: Self = 0.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn is_missing(self) -> bool {
        self.is_nan()
    }

    fn above(self) -> Self {
        self.next_up()
    }

    fn view<'a>(values: &'a [f64], _buffer: &'a mut Vec<Self>) -> &'a [Self] {
        values
    }
}

/// One node: 12 bytes with `f32` thresholds, 16 with `f64`. It is stored as it lies in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(super) struct Node<T> {
    /// Rows with at least this value go right; NaN in a leaf.
    pub threshold: T,
    /// Which feature is looked at; 0 in a leaf.
    pub feature: u32,
    /// The left child, with the right child after it; the node itself in a leaf.
    pub left: u32,
}

#[expect(unsafe_code, reason = "a promise about the layout")]
// SAFETY: three numbers; `T` is one of 4 or 8 bytes ([`Scalar`] is implemented for `f32` and `f64` alone), followed by
// two of 4, so there is no padding.
unsafe impl<T: Scalar> Plain for Node<T> {}

/// Missing values go right.
pub(super) const DEFAULT_RIGHT: u8 = 1;
/// Zeros are missing too (LightGBM's `zero_as_missing`).
pub(super) const ZERO_IS_MISSING: u8 = 2;
/// The node looks for the category in a set instead of comparing with the threshold.
pub(super) const CATEGORY: u8 = 4;
/// Categories in the set go right, others left; without it the other way round.
pub(super) const SET_IS_RIGHT: u8 = 8;
/// What a comparison with the threshold cannot decide, even where no value is missing.
pub(super) const SPECIAL: u8 = ZERO_IS_MISSING | CATEGORY;
/// Every flag there is.
pub(super) const KNOWN_FLAGS: u8 = DEFAULT_RIGHT | SPECIAL | SET_IS_RIGHT;

/// What prediction needs to know about one tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tree {
    pub root: u32,
    /// The first output that the tree's leaf values are added to.
    pub output: u32,
    /// Steps from the root to the farthest leaf.
    pub max_depth: u32,
    /// Whether any node has a [`SPECIAL`] flag.
    pub special: bool,
}

/// A forest ready to predict: `T` is the type in which features are compared, `V` that of leaf values and their sums.
///
/// Built by [`FlatBuilder`](super::FlatBuilder) or [`FlatForest::decode`]; both check every index, and hot loops rely
/// on it. The arrays may lie in a mapped file.
#[derive(Debug, Clone)]
pub struct FlatForest<T, V> {
    pub(super) n_features: usize,
    pub(super) n_outputs: usize,
    /// Values per leaf.
    pub(super) width: usize,
    pub(super) trees: Vec<Tree>,
    pub(super) nodes: Shared<Node<T>>,
    pub(super) flags: Shared<u8>,
    /// Per node: the number of the leaf, or of the category set; else 0.
    pub(super) aux: Shared<u32>,
    /// `n_leaves × width`.
    pub(super) values: Shared<V>,
    /// Category sets, 32 categories per word; set `i` is `words[bounds[i]..bounds[i + 1]]`.
    pub(super) set_words: Shared<u32>,
    pub(super) set_bounds: Shared<u32>,
    /// Per node: the weight of its training rows; empty where nobody knows.
    pub(super) covers: Shared<f32>,
    /// The form for many rows, made when they first come.
    pub(super) quick: OnceLock<Option<Box<QuickForest<T, V>>>>,
}

/// Rows that pass through a small forest together: enough to keep a tree's nodes in the first-level cache, few enough to
/// keep the rows there too.
const BLOCK_ROWS: usize = quick::ROWS;
/// Bytes of nodes from which on a forest is large: then what counts is how often its trees are fetched from memory.
const LARGE: usize = 256 << 10;
/// Bytes of rows that pass through a large forest together: with the nodes of one tree they fit in the second-level cache.
const LARGE_BLOCK: usize = 256 << 10;
/// Descents of different rows in one tree that run interleaved.
pub(super) const ROW_LANES: usize = 16;
/// Descents of one row in different trees that run interleaved; fewer, because the last trees leave lanes idle.
pub(super) const TREE_LANES: usize = 8;

impl<T: Scalar, V: Scalar> FlatForest<T, V> {
    /// How many features a row has.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// How many sums each row gets.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// How many trees there are.
    #[must_use]
    pub fn n_trees(&self) -> usize {
        self.trees.len()
    }

    /// The same forest with another value in each leaf.
    #[must_use]
    pub fn with_leaves(mut self, value: impl Fn(V) -> V) -> Self {
        self.values = self.values.iter().map(|leaf| value(*leaf)).collect();
        self.quick = OnceLock::new();
        self
    }

    /// Bytes of this process's own memory that the arrays take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.trees.len() * size_of::<Tree>()
            + self.nodes.private_bytes()
            + self.flags.private_bytes()
            + self.aux.private_bytes()
            + self.values.private_bytes()
            + self.set_words.private_bytes()
            + self.set_bounds.private_bytes()
            + self.covers.private_bytes()
            + self.quick.get().and_then(Option::as_deref).map_or(0, QuickForest::bytes)
    }

    /// Adds, for each row and tree in order, the leaf's values to the row's outputs.
    ///
    /// # Shapes
    /// `rows`: `n_rows × n_features`, row-major; NaN means missing. `out`: `n_rows × n_outputs`.
    ///
    /// # Panics
    /// When `rows` and `out` do not have these shapes.
    pub fn add_leaves(&self, rows: &[f64], out: &mut [V]) {
        assert_eq!(rows.len() * self.n_outputs, out.len() * self.n_features, "rows and outputs of the same number");
        assert!(rows.len().is_multiple_of(self.n_features), "whole rows");
        let quick = self.quick(rows.len() / self.n_features);
        let (mut buffer, mut columns) = (Vec::new(), Vec::new());
        let block_rows = self.block_rows(quick);
        let blocks = rows.chunks(block_rows * self.n_features);
        for (rows, out) in blocks.zip(out.chunks_mut(block_rows * self.n_outputs)) {
            match quick.filter(|_| QuickForest::<T, V>::gains(rows.len() / self.n_features)) {
                Some(quick) => self.add_quickly(quick, rows, (&mut buffer, &mut columns), out),
                None => {
                    let x = T::view(rows, &mut buffer);
                    self.walk(&self.trees, x, any_missing(x), out);
                }
            }
        }
    }

    /// How many rows pass through the trees together: a multiple of [`BLOCK_ROWS`].
    fn block_rows(&self, quick: Option<&QuickForest<T, V>>) -> usize {
        if quick.is_some_and(QuickForest::is_complete) || size_of_val(&*self.nodes) < LARGE {
            return BLOCK_ROWS;
        }
        let rows = LARGE_BLOCK / size_of::<T>() / self.n_features;
        rows.max(1).next_multiple_of(BLOCK_ROWS)
    }

    /// The form for many rows, where there are as many and it pays.
    fn quick(&self, n_rows: usize) -> Option<&QuickForest<T, V>> {
        if !QuickForest::<T, V>::gains(n_rows) {
            return None;
        }
        self.quick.get_or_init(|| QuickForest::of(self, Instructions::found().next()).map(Box::new)).as_deref()
    }

    /// One block: trees that have few leaves are asked, the others walked down, in their order.
    fn add_quickly(
        &self,
        quick: &QuickForest<T, V>,
        rows: &[f64],
        (buffer, columns): (&mut Vec<T>, &mut Vec<T>),
        out: &mut [V],
    ) {
        quick.lay_out(rows, self.n_features, columns);
        let walked = if quick.is_complete() { &[] } else { T::view(rows, buffer) };
        let missing = any_missing(walked);
        let mut reached = [0; quick::ROWS];
        for (number, tree) in self.trees.iter().enumerate() {
            let Some(asked) = quick.tree(number) else {
                self.walk(std::slice::from_ref(tree), walked, missing, out);
                continue;
            };
            for (x, out) in quick.packets(columns).zip(out.chunks_mut(quick::ROWS * self.n_outputs)) {
                quick.reach(&asked, x, &mut reached);
                match asked.leaves {
                    Leaves::Values(values) => {
                        let sums = out.iter_mut().skip(tree.output as usize).step_by(self.n_outputs);
                        sums.zip(&reached).for_each(|(sum, leaf)| *sum += values[*leaf as usize]);
                    }
                    Leaves::Numbers(leaves) => {
                        for (out, leaf) in out.chunks_exact_mut(self.n_outputs).zip(&reached) {
                            self.add_leaf(tree, leaves[*leaf as usize], out);
                        }
                    }
                }
            }
        }
    }

    /// One block, walking down some trees in their order.
    fn walk(&self, trees: &[Tree], x: &[T], missing: bool, out: &mut [V]) {
        if missing { self.add_block::<true>(trees, x, out) } else { self.add_block::<false>(trees, x, out) }
    }

    fn add_block<const MISSING: bool>(&self, trees: &[Tree], x: &[T], out: &mut [V]) {
        let n_rows = x.len() / self.n_features;
        let in_lanes = n_rows - n_rows % ROW_LANES;
        let (x, x_rest) = x.split_at(in_lanes * self.n_features);
        let (out, out_rest) = out.split_at_mut(in_lanes * self.n_outputs);
        let descent = Descent::<T, MISSING>::new(self, x);
        for tree in trees {
            self.add_tree(&descent, tree, out);
        }
        for (x, out) in x_rest.chunks_exact(self.n_features).zip(out_rest.chunks_exact_mut(self.n_outputs)) {
            self.add_row::<MISSING>(trees, x, out);
        }
    }

    /// One tree, all rows of a block whose number is a multiple of [`ROW_LANES`].
    fn add_tree<const MISSING: bool>(&self, descent: &Descent<'_, T, MISSING>, tree: &Tree, out: &mut [V]) {
        for (chunk, out) in out.chunks_exact_mut(ROW_LANES * self.n_outputs).enumerate() {
            let leaves = descent.rows(tree, chunk * ROW_LANES);
            for (lane, leaf) in leaves.into_iter().enumerate() {
                self.add_leaf(tree, self.aux[leaf as usize], &mut out[lane * self.n_outputs..]);
            }
        }
    }

    /// One row, some trees.
    fn add_row<const MISSING: bool>(&self, trees: &[Tree], x: &[T], out: &mut [V]) {
        let descent = Descent::<T, MISSING>::new(self, x);
        for trees in trees.chunks(TREE_LANES) {
            let leaves = descent.trees(trees);
            for (tree, leaf) in trees.iter().zip(leaves) {
                self.add_leaf(tree, self.aux[leaf as usize], out);
            }
        }
    }

    #[inline(always)]
    fn add_leaf(&self, tree: &Tree, leaf: u32, out: &mut [V]) {
        let leaf = leaf as usize;
        if self.width == 1 {
            out[tree.output as usize] += self.values[leaf];
        } else {
            let values = &self.values[leaf * self.width..][..self.width];
            out[tree.output as usize..].iter_mut().zip(values).for_each(|(sum, value)| *sum += *value);
        }
    }
}

fn any_missing<T: Scalar>(x: &[T]) -> bool {
    // A fold without early exit is vectorised.
    x.iter().fold(false, |any, x| any | x.is_missing())
}
