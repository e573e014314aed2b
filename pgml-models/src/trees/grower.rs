//! Grows one tree: which node is split next, by which features, and where its rows go.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use fastrand::Rng;
use pgml_core::{Result, Run};

use super::binning::{BinnedData, MISSING_BIN, MISSING_RANK};
use super::search::{Bounds, Column, Last, NodeRows, Search, SideLimits, Split};
use super::tree::{Branch, Node, Tree};

/// How far a tree grows, and what its splits look at.
#[derive(Debug, Clone)]
pub struct Growth {
    /// Most steps from the root to a leaf.
    pub max_depth: usize,
    /// Most leaves; `None` grows depth first without end, else the node that gains most is split next.
    pub max_leaves: Option<usize>,
    /// Fewest rows of a node that is split.
    pub min_rows_to_split: usize,
    /// What both sides of a split must have.
    pub sides: SideLimits,
    /// The least gain of a split, as a share of the weight of all rows.
    pub min_gain: f64,
    /// How many features a split looks at, drawn anew for each node. More are drawn when those do not vary.
    pub max_features: usize,
    /// Which splits along a feature are looked at.
    pub splitter: Splitter,
    /// Per feature 1 where predictions may only rise with it, −1 where only fall, else 0.
    pub signs: Option<Arc<[i8]>>,
}

/// Which splits along a feature are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitter {
    /// All.
    Best,
    /// One, at a threshold drawn between the least and the greatest value.
    Random,
}

/// What a tree is grown over.
#[derive(Debug)]
pub struct Sample<'a, I> {
    /// The values of all features.
    pub data: &'a BinnedData,
    /// The features to look at; some may occur several times.
    pub features: Vec<u32>,
    /// The rows. They may be in any order, but ascending ones are faster.
    pub rows: Vec<u32>,
    /// What the search carries along for each of them.
    pub items: Vec<I>,
}

/// A tree, and which rows each of its nodes has.
#[derive(Debug)]
pub struct Grown {
    /// The tree.
    pub tree: Tree,
    /// The rows; a node's stand together from [`Node::start`] on.
    pub rows: Vec<u32>,
}

impl Grown {
    /// The leaves that can be reached, as nodes of the tree, each with its rows.
    pub fn leaves(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let mut stack = vec![0_u32];
        std::iter::from_fn(move || {
            loop {
                let at = stack.pop()?;
                let node = &self.tree.nodes[at as usize];
                match node.branch {
                    Some(branch) => stack.extend([branch.right, branch.left]),
                    None => return Some((at, &self.rows[node.start as usize..][..node.n_rows as usize])),
                }
            }
        })
    }
}

/// Grows a tree.
///
/// # Errors
/// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
pub fn grow<S: Search>(
    sample: Sample<'_, S::Item>,
    search: S,
    growth: &Growth,
    rng: &mut Rng,
    run: &Run,
) -> Result<Grown> {
    let Sample { data, features, rows, items } = sample;
    let n = rows.len();
    let mut grower = Grower {
        data,
        growth,
        search,
        features,
        spare_rows: vec![0; n],
        spare_items: items.clone(),
        rows,
        items,
        tree: Tree { nodes: Vec::new(), values: Vec::new(), weight: 0.0 },
    };
    let mut frontier = Frontier::new(growth.max_leaves.is_some());
    let mut leaves_left = growth.max_leaves.unwrap_or(usize::MAX) - 1;
    let all = Stretch { start: 0, end: n, depth: 0, bounds: Bounds::NONE };
    frontier.extend(grower.open(all, rng, run)?);
    while leaves_left > 0
        && let Some(ripe) = frontier.next()
    {
        let [left, right] = grower.divide(&ripe, rng, run)?;
        // The left child is pushed last, so that depth-first growth takes it first: its rows are still in the cache.
        frontier.extend(right);
        frontier.extend(left);
        leaves_left -= 1;
    }
    Ok(Grown { tree: grower.tree, rows: grower.rows })
}

/// Bytes that [`grow`] takes beside the tree for `n` rows.
#[must_use]
pub fn bytes_for<I>(n: usize) -> u64 {
    2 * n as u64 * (size_of::<u32>() + size_of::<I>()) as u64
}

struct Grower<'a, S: Search> {
    data: &'a BinnedData,
    growth: &'a Growth,
    search: S,
    /// All features; those in front were drawn for the node at hand.
    features: Vec<u32>,
    /// The rows; a node's stand together.
    rows: Vec<u32>,
    items: Vec<S::Item>,
    spare_rows: Vec<u32>,
    spare_items: Vec<S::Item>,
    tree: Tree,
}

/// The rows of a node, and what it must keep.
#[derive(Clone, Copy)]
struct Stretch {
    start: usize,
    end: usize,
    depth: usize,
    bounds: Bounds,
}

/// A node that is worth splitting.
struct Ripe {
    node: u32,
    stretch: Stretch,
    split: Split,
    gain: f64,
}

impl<S: Search> Grower<'_, S> {
    /// Adds the node of a stretch of rows, and says how to split it unless it is a leaf.
    fn open(&mut self, stretch: Stretch, rng: &mut Rng, run: &Run) -> Result<Option<Ripe>> {
        run.check()?;
        let Stretch { start, end, depth, bounds } = stretch;
        let items = &self.items[start..end];
        let first_value = self.tree.values.len();
        let summary = self.search.open(items, &mut self.tree.values);
        if self.growth.signs.is_some() {
            S::clip(&mut self.tree.values[first_value..], bounds);
        }
        let (node, score, weight) = (self.tree.nodes.len() as u32, summary.score, summary.weight);
        self.tree.nodes.push(Node { branch: None, start: start as u32, n_rows: (end - start) as u32, weight, score });
        if node == 0 {
            self.tree.weight = weight;
        }
        let growth = self.growth;
        let is_leaf = depth >= growth.max_depth
            || items.len() < growth.min_rows_to_split
            || items.len() / 2 < growth.sides.min_rows
            || weight < 2.0 * growth.sides.min_weight
            || summary.is_pure;
        if is_leaf {
            return Ok(None);
        }
        let split = self.best_split(stretch, rng, run)?;
        let enough = growth.min_gain * self.tree.weight;
        Ok(split.and_then(|split| {
            let gain = split.score - score;
            // Rounding must not turn a gain of exactly the least one, or of zero, away.
            let is_enough = enough <= 0.0 || gain + f64::EPSILON * self.tree.weight >= enough;
            is_enough.then_some(Ripe { node, stretch, split, gain })
        }))
    }

    /// The best split among features drawn at random: as many as asked for, and on until one of them varies.
    fn best_split(&mut self, stretch: Stretch, rng: &mut Rng, run: &Run) -> Result<Option<Split>> {
        let node =
            NodeRows { rows: &self.rows[stretch.start..stretch.end], items: &self.items[stretch.start..stretch.end] };
        let n_features = self.features.len();
        let (mut best, mut any_varies) = (None, false);
        for drawn in 0..n_features {
            // Two rows are told apart equally well by any feature that varies.
            let is_enough = drawn >= self.growth.max_features || (node.rows.len() == 2 && best.is_some());
            if is_enough && any_varies {
                break;
            }
            if node.rows.len() > 4096 {
                run.check()?;
            }
            self.features.swap(drawn, rng.usize(drawn..n_features));
            let index = self.features[drawn];
            let sign = self.growth.signs.as_ref().map_or(0, |signs| signs[index as usize]);
            let column = Column {
                index,
                feature: &self.data.features[index as usize],
                rows: &self.data.rows,
                sign,
                bounds: stretch.bounds,
            };
            any_varies |= match self.growth.splitter {
                Splitter::Best => self.search.improve(node, column, &mut best),
                Splitter::Random => self.search.improve_at_random(node, column, rng, &mut best),
            };
        }
        Ok(best)
    }

    /// Splits a node into two new ones, and says how to split them in turn.
    fn divide(&mut self, ripe: &Ripe, rng: &mut Rng, run: &Run) -> Result<[Option<Ripe>; 2]> {
        let Ripe { node, stretch, split, .. } = *ripe;
        let Stretch { start, end, .. } = stretch;
        let middle = self.partition(start, end, &split);
        // A missing value where the node had none follows the majority, as in scikit-learn.
        let missing_left = split.missing_left.unwrap_or(middle - start > end - middle);
        let sign = self.growth.signs.as_ref().map_or(0, |signs| signs[split.feature as usize]);
        let [below, above] = stretch.bounds.halves(sign, split.middle);
        let depth = stretch.depth + 1;
        let left = self.tree.nodes.len() as u32;
        let left_ripe = self.open(Stretch { start, end: middle, depth, bounds: below }, rng, run)?;
        let right = self.tree.nodes.len() as u32;
        let right_ripe = self.open(Stretch { start: middle, end, depth, bounds: above }, rng, run)?;
        let Split { feature, threshold, .. } = split;
        self.tree.nodes[node as usize].branch = Some(Branch { feature, threshold, missing_left, left, right });
        Ok([left_ripe, right_ripe])
    }

    /// Moves rows `start..end` that go left before those that go right, each in their order; returns where right begins.
    fn partition(&mut self, start: usize, end: usize, split: &Split) -> usize {
        let feature = &self.data.features[split.feature as usize];
        let missing_left = split.missing_left.unwrap_or(false);
        match split.last {
            Last::Bin(last) => self.partition_by(start, end, |row| {
                let bin = feature.bins[row as usize];
                bin <= last || (missing_left && bin == MISSING_BIN)
            }),
            Last::Rank(last) => self.partition_by(start, end, |row| {
                let rank = feature.ranks[row as usize];
                rank <= last || (missing_left && rank == MISSING_RANK)
            }),
            Last::Value(last) => self.partition_by(start, end, |row| {
                let x = feature.raw[row as usize];
                x <= last || (missing_left && x.is_nan())
            }),
        }
    }

    fn partition_by(&mut self, start: usize, end: usize, goes_left: impl Fn(u32) -> bool) -> usize {
        let (rows, items) = (&mut self.rows[start..end], &mut self.items[start..end]);
        let (mut n_left, mut n_right) = (0, 0);
        // Both places are written and one counter moves: no branch to mispredict.
        for i in 0..rows.len() {
            let (row, item) = (rows[i], items[i]);
            let left = goes_left(row);
            (rows[n_left], items[n_left]) = (row, item);
            (self.spare_rows[n_right], self.spare_items[n_right]) = (row, item);
            n_left += usize::from(left);
            n_right += usize::from(!left);
        }
        rows[n_left..].copy_from_slice(&self.spare_rows[..n_right]);
        items[n_left..].copy_from_slice(&self.spare_items[..n_right]);
        start + n_left
    }
}

/// Nodes that wait to be split.
enum Frontier {
    DepthFirst(Vec<Ripe>),
    BestFirst(BinaryHeap<ByGain>),
}

impl Frontier {
    fn new(best_first: bool) -> Self {
        if best_first { Self::BestFirst(BinaryHeap::new()) } else { Self::DepthFirst(Vec::new()) }
    }

    fn extend(&mut self, ripe: Option<Ripe>) {
        match self {
            Self::DepthFirst(stack) => stack.extend(ripe),
            Self::BestFirst(heap) => heap.extend(ripe.map(ByGain)),
        }
    }

    fn next(&mut self) -> Option<Ripe> {
        match self {
            Self::DepthFirst(stack) => stack.pop(),
            Self::BestFirst(heap) => heap.pop().map(|by_gain| by_gain.0),
        }
    }
}

/// Orders nodes by gain; of equal ones the older is greater.
struct ByGain(Ripe);

impl Ord for ByGain {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.gain.total_cmp(&other.0.gain).then(other.0.node.cmp(&self.0.node))
    }
}

impl PartialOrd for ByGain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByGain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByGain {}
