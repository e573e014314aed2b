//! Grows one tree: which node is split next, by which features, and where its rows go.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use fastrand::Rng;
use pgml_core::{Result, Run};

use super::binning::{BinnedData, MISSING_BIN, MISSING_RANK};
use super::criterion::Criterion;
use super::histogram::{Last, NodeRows, Search, SideLimits, Split};
use super::tree::{Branch, Node, Tree};

/// How far a tree grows, and what its splits look at.
#[derive(Debug, Clone, Copy)]
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
}

/// Grows a tree over `rows` of `data`; `items` hold what `criterion` sums, in the same order. Rows may be in any order, but
/// ascending ones are faster.
///
/// # Errors
/// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
pub fn grow<C: Criterion>(
    data: &BinnedData,
    rows: Vec<u32>,
    items: Vec<C::Item>,
    criterion: &C,
    growth: &Growth,
    rng: &mut Rng,
    run: &Run,
) -> Result<Tree> {
    let n = rows.len();
    let mut grower = Grower {
        data,
        criterion,
        growth,
        search: Search::new(criterion, growth.sides),
        features: (0..data.features.len() as u32).collect(),
        spare_rows: vec![0; n],
        spare_items: items.clone(),
        rows,
        items,
        total: criterion.zero(),
        tree: Tree { nodes: Vec::new(), values: Vec::new(), weight: 0.0 },
    };
    let mut frontier = Frontier::new(growth.max_leaves.is_some());
    let mut leaves_left = growth.max_leaves.unwrap_or(usize::MAX) - 1;
    frontier.extend(grower.open(0, n, 0, rng, run)?);
    while leaves_left > 0
        && let Some(ripe) = frontier.next()
    {
        let [left, right] = grower.divide(&ripe, rng, run)?;
        // The left child is pushed last, so that depth-first growth takes it first: its rows are still in the cache.
        frontier.extend(right);
        frontier.extend(left);
        leaves_left -= 1;
    }
    Ok(grower.tree)
}

/// Bytes that [`grow`] takes beside the tree for `n` rows.
#[must_use]
pub fn bytes_for<C: Criterion>(n: usize) -> u64 {
    2 * n as u64 * (size_of::<u32>() + size_of::<C::Item>()) as u64
}

struct Grower<'a, C: Criterion> {
    data: &'a BinnedData,
    criterion: &'a C,
    growth: &'a Growth,
    search: Search<'a, C>,
    /// All features; those in front were drawn for the node at hand.
    features: Vec<u32>,
    /// The rows; a node's stand together.
    rows: Vec<u32>,
    items: Vec<C::Item>,
    spare_rows: Vec<u32>,
    spare_items: Vec<C::Item>,
    /// The sum of the node at hand.
    total: C::Sum,
    tree: Tree,
}

/// A node that is worth splitting.
struct Ripe {
    node: u32,
    start: usize,
    end: usize,
    depth: usize,
    split: Split,
    gain: f64,
}

impl<C: Criterion> Grower<'_, C> {
    /// Adds the node of rows `start..end`, and says how to split it unless it is a leaf.
    fn open(&mut self, start: usize, end: usize, depth: usize, rng: &mut Rng, run: &Run) -> Result<Option<Ripe>> {
        run.check()?;
        let items = &self.items[start..end];
        let total = self.total.as_mut();
        total.fill(0.0);
        items.iter().for_each(|item| self.criterion.add(*item, total));
        let score = self.criterion.score(total);
        let node = self.tree.nodes.len() as u32;
        let weight = self.criterion.weight(total);
        self.tree.nodes.push(Node { branch: None, n_rows: (end - start) as u32, weight, score });
        self.criterion.leaf(total, &mut self.tree.values);
        if node == 0 {
            self.tree.weight = weight;
        }
        let growth = self.growth;
        let is_leaf = depth >= growth.max_depth
            || items.len() < growth.min_rows_to_split
            || items.len() / 2 < growth.sides.min_rows
            || weight < 2.0 * growth.sides.min_weight
            || self.criterion.is_pure(items);
        if is_leaf {
            return Ok(None);
        }
        let split = self.best_split(start, end, rng, run)?;
        let enough = growth.min_gain * self.tree.weight;
        Ok(split.and_then(|split| {
            let gain = split.score - score;
            // Rounding must not turn a gain of exactly the least one, or of zero, away.
            let is_enough = enough <= 0.0 || gain + f64::EPSILON * self.tree.weight >= enough;
            is_enough.then_some(Ripe { node, start, end, depth, split, gain })
        }))
    }

    /// The best split among features drawn at random: as many as asked for, and on until one of them varies.
    fn best_split(&mut self, start: usize, end: usize, rng: &mut Rng, run: &Run) -> Result<Option<Split>> {
        let node =
            NodeRows { rows: &self.rows[start..end], items: &self.items[start..end], total: self.total.as_ref() };
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
            let feature = self.features[drawn];
            any_varies |= self.search.improve(&node, feature, &self.data.features[feature as usize], &mut best);
        }
        Ok(best)
    }

    /// Splits a node into two new ones, and says how to split them in turn.
    fn divide(&mut self, ripe: &Ripe, rng: &mut Rng, run: &Run) -> Result<[Option<Ripe>; 2]> {
        let Ripe { node, start, end, depth, split, .. } = *ripe;
        let middle = self.partition(start, end, &split);
        // A missing value where the node had none follows the majority, as in scikit-learn.
        let missing_left = split.missing_left.unwrap_or(middle - start > end - middle);
        let left = self.tree.nodes.len() as u32;
        let left_ripe = self.open(start, middle, depth + 1, rng, run)?;
        let right = self.tree.nodes.len() as u32;
        let right_ripe = self.open(middle, end, depth + 1, rng, run)?;
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
