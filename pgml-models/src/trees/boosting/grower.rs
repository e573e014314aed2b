//! Grows one tree, leaf by leaf, the most promising first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use fastrand::Rng;
use pgml_core::run::Reservation;
use pgml_core::{Result, Run};
use rayon::prelude::*;

use super::bins::{BinMap, BinnedRows, LANES};
use super::histogram::{ColumnHistogram, fill};
use super::partition::partition;
use super::split::{Column, Left, Limits, Node, Search, Side, Split};
use crate::trees::{SourceNode, SourceTree, Test};

/// Fewer gradients than these are gathered by one thread.
const FEW: usize = 1 << 14;

/// How trees grow.
#[derive(Debug, Clone)]
pub struct Growth {
    /// Most leaves; unlimited when `None`.
    pub max_leaves: Option<usize>,
    /// Most steps from the root to a leaf.
    pub max_depth: usize,
    /// What either side of a split must have.
    pub limits: Limits,
    /// The share of columns that a split looks at, drawn anew for each.
    pub max_features: f64,
    /// Per column: 1 where values must not fall as it grows, −1 where they must not rise; empty when none must.
    pub monotonic: Vec<i8>,
    /// Sets of columns that may meet on a way from the root, ascending; empty when all may.
    pub interactions: Vec<Vec<u32>>,
}

/// A node of a grown tree; the root is node 0.
#[derive(Debug, Clone)]
pub struct GrownNode {
    /// Its rows: a range of [`Grower::rows`].
    pub rows: Range<usize>,
    /// What is predicted, before the learning rate, if it is a leaf.
    pub value: f64,
    /// How it is split and the number of its left child, which the right child follows; `None` in a leaf.
    pub split: Option<(Split, u32)>,
}

/// A grown tree.
#[derive(Debug, Clone)]
pub struct GrownTree {
    /// The nodes.
    pub nodes: Vec<GrownNode>,
}

impl GrownTree {
    /// The numbers of the leaves.
    pub fn leaves(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].split.is_none())
    }

    /// The value of the leaf that a binned row reaches.
    #[must_use]
    pub fn predict(&self, binned: &BinnedRows, row: usize) -> f64 {
        let mut node = &self.nodes[0];
        while let Some((split, left)) = &node.split {
            let bin = binned.bin(split.column as usize, row);
            let goes_left = match split.left_bins {
                _ if bin == super::bins::MISSING_BIN => split.missing_left,
                Left::UpTo(last) => bin <= last,
                Left::Set(words) => words[usize::from(bin) / 32] >> (bin % 32) & 1 == 1,
            };
            node = &self.nodes[*left as usize + usize::from(!goes_left)];
        }
        node.value
    }

    /// The tree in terms of features and their values, adding to output number `output`.
    ///
    /// `features` are the features of the columns, and `cover` says what the rows of a range weigh.
    #[must_use]
    pub fn to_source(
        &self,
        maps: &[BinMap],
        features: &[u32],
        output: usize,
        cover: impl Fn(Range<usize>) -> f64,
    ) -> SourceTree<f64, f64> {
        let covers = self.covers(cover);
        let mut values = Vec::new();
        let nodes = self.nodes.iter().map(|node| match &node.split {
            None => {
                values.push(node.value);
                SourceNode::Leaf(values.len() as u32 - 1)
            }
            Some((split, left)) => SourceNode::Split {
                feature: features[split.column as usize],
                test: test(split, &maps[split.column as usize]),
                missing_left: split.missing_left,
                left: *left,
                right: left + 1,
            },
        });
        let nodes = nodes.collect();
        SourceTree { nodes, values, output, covers }
    }

    /// What the training rows of each node weigh.
    fn covers(&self, of_leaf: impl Fn(Range<usize>) -> f64) -> Vec<f32> {
        let mut covers = vec![0.0; self.nodes.len()];
        // Children stand after their parents.
        for (number, node) in self.nodes.iter().enumerate().rev() {
            covers[number] = match &node.split {
                None => of_leaf(node.rows.clone()),
                Some((_, left)) => covers[*left as usize] + covers[*left as usize + 1],
            };
        }
        covers.into_iter().map(|cover| cover as f32).collect()
    }
}

/// Categories that training did not see go the way of missing values.
fn test(split: &Split, map: &BinMap) -> Test<f64> {
    match (map, split.left_bins) {
        (BinMap::Numbers(ends), Left::UpTo(last)) => {
            Test::AtMost(ends.get(usize::from(last)).copied().unwrap_or(f64::INFINITY))
        }
        (BinMap::Categories(codes), _) => {
            let goes_left = split.goes_left();
            let side = codes.iter().enumerate().filter(|(bin, _)| goes_left[*bin] != split.missing_left);
            let set = words(side.map(|(_, code)| *code));
            if split.missing_left { Test::RightIfIn(set) } else { Test::LeftIfIn(set) }
        }
        (BinMap::Numbers(_), Left::Set(_)) => unreachable!("only categories are split by sets"),
    }
}

fn words(codes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut words = Vec::new();
    for code in codes {
        let word = code as usize / 32;
        words.resize(words.len().max(word + 1), 0);
        words[word] |= 1 << (code % 32);
    }
    words
}

/// A node whose best split is known.
struct Candidate {
    split: Split,
    node: u32,
    state: State,
    histograms: Histograms,
}

/// What a node hands down to its children.
#[derive(Debug, Clone)]
struct State {
    depth: usize,
    lower: f64,
    upper: f64,
    /// The sets of columns that the way from the root still belongs to.
    interactions: Vec<u32>,
}

/// The greatest gain first, then the node that was made first.
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.split.gain.total_cmp(&other.split.gain).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// The histograms of a node's columns, and their share of the memory budget.
struct Histograms {
    columns: Vec<ColumnHistogram>,
    _memory: Reservation,
}

/// Grows trees on the same rows; its buffers serve every tree.
pub struct Grower<'a> {
    binned: &'a BinnedRows,
    growth: &'a Growth,
    run: &'a Run,
    columns: Vec<Column>,
    rows: Vec<u32>,
    spare: Vec<u32>,
    /// Gradients and hessians of a node's rows, in their order.
    ordered: Vec<[f32; 2]>,
    pool: Vec<Histograms>,
}

impl<'a> Grower<'a> {
    /// Grows trees on the rows of `binned`.
    #[must_use]
    pub fn new(binned: &'a BinnedRows, growth: &'a Growth, run: &'a Run) -> Self {
        let column = |number: usize| Column {
            number: number as u32,
            n_bins: binned.map(number).n_bins(),
            is_categorical: matches!(binned.map(number), BinMap::Categories(_)),
            has_missing: binned.has_missing(number),
            monotonic: growth.monotonic.get(number).copied().unwrap_or(0),
        };
        let n_rows = binned.n_rows();
        Self {
            binned,
            growth,
            run,
            columns: (0..binned.n_columns()).map(column).collect(),
            rows: vec![0; n_rows],
            spare: vec![0; n_rows],
            ordered: vec![[0.0; 2]; n_rows],
            pool: Vec::new(),
        }
    }

    /// Bytes that a grower takes for so many rows, without the histograms.
    #[must_use]
    pub fn bytes_for(n_rows: usize) -> u64 {
        16 * n_rows as u64
    }

    /// The rows in the order of the last tree's leaves; nodes name ranges of them.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Grows a tree that lowers the loss whose gradient and hessian are given for every row. `counted` says that some
    /// hessian is not 1, so that rows must be counted beside them.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled), or
    /// [`ErrorKind::OutOfMemory`](pgml_core::ErrorKind::OutOfMemory).
    pub fn grow(&mut self, pairs: &[[f32; 2]], counted: bool, rng: &mut Rng) -> Result<GrownTree> {
        self.rows.iter_mut().zip(0..).for_each(|(slot, row)| *slot = row);
        let mut tree = GrownTree { nodes: Vec::new() };
        let mut waiting =
            Waiting { by_gain: BinaryHeap::new(), last_first: Vec::new(), ordered: self.growth.max_leaves.is_some() };
        let mut finished = 0;
        match self.root(&mut tree, pairs, counted, rng)? {
            Some(candidate) => waiting.push(candidate),
            None => finished += 1,
        }
        while let Some(parent) = waiting.pop() {
            self.run.check()?;
            let leaves = finished + waiting.len() + 2;
            let children =
                self.split(&mut tree, parent, pairs, counted, self.growth.max_leaves == Some(leaves), rng)?;
            if self.growth.max_leaves == Some(leaves) {
                break;
            }
            for child in children {
                match child {
                    Some(candidate) => waiting.push(candidate),
                    None => finished += 1,
                }
            }
        }
        self.pool.extend(waiting.into_histograms());
        Ok(tree)
    }

    fn root(
        &mut self,
        tree: &mut GrownTree,
        pairs: &[[f32; 2]],
        counted: bool,
        rng: &mut Rng,
    ) -> Result<Option<Candidate>> {
        let n_rows = self.rows.len();
        tree.nodes.push(GrownNode { rows: 0..n_rows, value: 0.0, split: None });
        let state = State {
            depth: 0,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            interactions: (0..self.growth.interactions.len() as u32).collect(),
        };
        let allowed = self.allowed(&state);
        let Some(first) = allowed.first() else { return Ok(None) };
        if n_rows < 2 * self.growth.limits.min_rows {
            return Ok(None);
        }
        let mut histograms = self.take_histograms()?;
        let (binned, rows) = (self.binned, &self.rows);
        each_task(&mut histograms.columns, &mut [], |first, columns, _| {
            if allowed.iter().any(|column| (first..first + columns.len()).contains(&(*column as usize))) {
                fill(binned.words(first), first % LANES, rows, pairs, counted, columns);
            }
        });
        let [gradient, hessian] = histograms.columns[*first as usize].total();
        let hessian = if counted { hessian } else { n_rows as f64 };
        if hessian < self.growth.limits.min_hessian {
            self.pool.push(histograms);
            return Ok(None);
        }
        let side = Side { gradient, hessian, n_rows: n_rows as u32, value: 0.0 };
        let drawn = self.drawn(&allowed, rng);
        let node = Node { side, lower: state.lower, upper: state.upper };
        let search = Search::new(&self.growth.limits, &node, counted);
        let splits: Vec<Option<Split>> = drawn
            .par_iter()
            .map(|column| search.best(&self.columns[*column as usize], &histograms.columns[*column as usize]))
            .collect();
        Ok(self.candidate(0, state, splits.into_iter().flatten(), histograms))
    }

    /// Splits a node. Where the tree has all its leaves then, nobody asks how its children would be split.
    fn split(
        &mut self,
        tree: &mut GrownTree,
        parent: Candidate,
        pairs: &[[f32; 2]],
        counted: bool,
        is_last: bool,
        rng: &mut Rng,
    ) -> Result<[Option<Candidate>; 2]> {
        let Candidate { mut split, node, state, mut histograms } = parent;
        let column = split.column as usize;
        let range = tree.nodes[node as usize].rows.clone();
        let n_left = partition(
            &mut self.rows[range.clone()],
            &mut self.spare[range.clone()],
            self.binned.words(column),
            column % LANES,
            &split.goes_left(),
        );
        if !self.columns[column].has_missing {
            // Nothing was learnt of missing values: they go with the most rows.
            split.missing_left = split.left.n_rows > split.right.n_rows;
        }
        let middle = range.start + n_left;
        let left = tree.nodes.len() as u32;
        tree.nodes[node as usize].split = Some((split, left));
        tree.nodes.push(GrownNode { rows: range.start..middle, value: split.left.value, split: None });
        tree.nodes.push(GrownNode { rows: middle..range.end, value: split.right.value, split: None });
        let depth = state.depth + 1;
        let fewest = 2 * self.growth.limits.min_rows;
        let splittable = [&split.left, &split.right].map(|side| side.n_rows as usize >= fewest);
        if is_last || depth >= self.growth.max_depth || splittable == [false; 2] {
            self.pool.push(histograms);
            return Ok([None, None]);
        }
        let states = self.states_below(&state, &split);
        let allowed = self.allowed(&states[0]);
        let drawn = [0, 1].map(|child| if splittable[child] { self.drawn(&allowed, rng) } else { Vec::new() });
        let sides = [split.left, split.right];
        let nodes =
            [0, 1].map(|child| Node { side: sides[child], lower: states[child].lower, upper: states[child].upper });
        let small = usize::from(split.left.n_rows >= split.right.n_rows);
        let small_range = tree.nodes[left as usize + small].rows.clone();
        self.gather(small_range.clone(), pairs);
        let mut small_histograms = self.take_histograms()?;
        let rows = &self.rows[small_range.clone()];
        let work = SplitWork {
            binned: self.binned,
            columns: &self.columns,
            rows,
            pairs: &self.ordered[..rows.len()],
            counted,
            allowed: &allowed,
            drawn: [&drawn[small], &drawn[1 - small]],
            searches: [small, 1 - small].map(|child| Search::new(&self.growth.limits, &nodes[child], counted)),
        };
        let found = each_task(&mut small_histograms.columns, &mut histograms.columns, |first, small, large| {
            work.columns(first, small, large)
        });
        let [state_left, state_right] = states;
        let mut of_small: Vec<Split> = Vec::new();
        let mut of_large: Vec<Split> = Vec::new();
        for [small, large] in found {
            of_small.extend(small);
            of_large.extend(large);
        }
        let (small_state, large_state) = if small == 0 { (state_left, state_right) } else { (state_right, state_left) };
        let small_candidate = self.candidate(left + small as u32, small_state, of_small.into_iter(), small_histograms);
        let large_candidate = self.candidate(left + 1 - small as u32, large_state, of_large.into_iter(), histograms);
        Ok([small_candidate, large_candidate])
    }

    /// The node with the best of its columns' splits, if there is any.
    fn candidate(
        &mut self,
        node: u32,
        state: State,
        splits: impl Iterator<Item = Split>,
        histograms: Histograms,
    ) -> Option<Candidate> {
        // Columns come in ascending order: the first of equal ones is kept.
        let best = splits.reduce(|best, split| if split.gain > best.gain { split } else { best });
        match best {
            Some(split) => Some(Candidate { split, node, state, histograms }),
            None => {
                self.pool.push(histograms);
                None
            }
        }
    }

    /// Bounds and interactions of both children.
    fn states_below(&self, state: &State, split: &Split) -> [State; 2] {
        let belongs = |set: &&u32| self.growth.interactions[**set as usize].binary_search(&split.column).is_ok();
        let interactions: Vec<u32> = state.interactions.iter().filter(belongs).copied().collect();
        let child = |lower, upper| State { depth: state.depth + 1, lower, upper, interactions: interactions.clone() };
        let middle = (split.left.value + split.right.value) / 2.0;
        let (lower, upper) = (state.lower, state.upper);
        match self.columns[split.column as usize].monotonic {
            0 => [child(lower, upper), child(lower, upper)],
            1 => [child(lower, middle), child(middle, upper)],
            _ => [child(middle, upper), child(lower, middle)],
        }
    }

    /// The columns that may be asked for, ascending.
    fn allowed(&self, state: &State) -> Vec<u32> {
        if self.growth.interactions.is_empty() {
            return (0..self.columns.len() as u32).collect();
        }
        let mut allowed: Vec<u32> =
            state.interactions.iter().flat_map(|set| &self.growth.interactions[*set as usize]).copied().collect();
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }

    /// The share of the allowed columns that one split looks at, ascending.
    fn drawn(&self, allowed: &[u32], rng: &mut Rng) -> Vec<u32> {
        if self.growth.max_features >= 1.0 {
            return allowed.to_vec();
        }
        let n = ((self.growth.max_features * allowed.len() as f64).ceil() as usize).clamp(1, allowed.len());
        let mut drawn = allowed.to_vec();
        rng.shuffle(&mut drawn);
        drawn.truncate(n);
        drawn.sort_unstable();
        drawn
    }

    /// Gathers gradients and hessians in the order of a node's rows.
    fn gather(&mut self, range: Range<usize>, pairs: &[[f32; 2]]) {
        let rows = &self.rows[range];
        let ordered = &mut self.ordered[..rows.len()];
        let gather = |(ordered, rows): (&mut [[f32; 2]], &[u32])| {
            ordered.iter_mut().zip(rows).for_each(|(pair, row)| *pair = pairs[*row as usize]);
        };
        if rows.len() < FEW || rayon::current_num_threads() == 1 {
            gather((ordered, rows));
        } else {
            let size = rows.len().div_ceil(rayon::current_num_threads());
            ordered.par_chunks_mut(size).zip(rows.par_chunks(size)).for_each(gather);
        }
    }

    fn take_histograms(&mut self) -> Result<Histograms> {
        if let Some(histograms) = self.pool.pop() {
            return Ok(histograms);
        }
        let n = self.columns.len();
        let memory = self.run.reserve((n * size_of::<ColumnHistogram>()) as u64, "the histograms of a tree")?;
        Ok(Histograms { columns: vec![ColumnHistogram::EMPTY; n], _memory: memory })
    }
}

/// Nodes that wait to be split. Where leaves are limited the most promising comes first; else their order does not
/// matter, and few wait at a time when the last comes first.
struct Waiting {
    by_gain: BinaryHeap<Candidate>,
    last_first: Vec<Candidate>,
    ordered: bool,
}

impl Waiting {
    fn push(&mut self, candidate: Candidate) {
        if self.ordered { self.by_gain.push(candidate) } else { self.last_first.push(candidate) }
    }

    fn pop(&mut self) -> Option<Candidate> {
        if self.ordered { self.by_gain.pop() } else { self.last_first.pop() }
    }

    fn len(&self) -> usize {
        self.by_gain.len() + self.last_first.len()
    }

    fn into_histograms(self) -> impl Iterator<Item = Histograms> {
        self.by_gain.into_iter().chain(self.last_first).map(|candidate| candidate.histograms)
    }
}

/// What splitting a node takes to be done with some columns: sums of the smaller child, those of the larger one, which
/// are left of the parent's, and the best split of either.
struct SplitWork<'a> {
    binned: &'a BinnedRows,
    columns: &'a [Column],
    /// The smaller child's.
    rows: &'a [u32],
    pairs: &'a [[f32; 2]],
    counted: bool,
    allowed: &'a [u32],
    /// Columns to look at and how, for the smaller and the larger child.
    drawn: [&'a [u32]; 2],
    searches: [Search<'a>; 2],
}

impl SplitWork<'_> {
    fn columns(
        &self,
        first: usize,
        small: &mut [ColumnHistogram],
        large: &mut [ColumnHistogram],
    ) -> [Option<Split>; 2] {
        let within = |column: &&u32| (first..first + small.len()).contains(&(**column as usize));
        if !self.allowed.iter().any(|column| within(&column)) {
            return [None, None];
        }
        fill(self.binned.words(first), first % LANES, self.rows, self.pairs, self.counted, small);
        for (column, (large, small)) in self.columns[first..].iter().zip(large.iter_mut().zip(small.iter())) {
            large.subtract(small, column.n_bins);
        }
        let histograms: [&[ColumnHistogram]; 2] = [small, large];
        [0, 1].map(|child| {
            let columns = self.drawn[child]
                .iter()
                .filter(|column| (first..first + histograms[child].len()).contains(&(**column as usize)));
            let splits = columns.filter_map(|column| {
                let column = *column as usize;
                self.searches[child].best(&self.columns[column], &histograms[child][column - first])
            });
            splits.reduce(|best, split| if split.gain > best.gain { split } else { best })
        })
    }
}

/// Calls `work` with the number of the first column and the histograms of some columns that stand in the same words:
/// all of them for one thread, half of them otherwise, so that an odd number of words is shared evenly.
fn each_task<R: Send>(
    small: &mut [ColumnHistogram],
    large: &mut [ColumnHistogram],
    work: impl Fn(usize, &mut [ColumnHistogram], &mut [ColumnHistogram]) -> R + Sync,
) -> Vec<R> {
    let threads = rayon::current_num_threads();
    let size = if threads == 1 { LANES } else { LANES / 2 };
    let n_tasks = small.len().div_ceil(size);
    let mut larges: Vec<&mut [ColumnHistogram]> = large.chunks_mut(size).collect();
    larges.resize_with(n_tasks, Default::default);
    let tasks = small.chunks_mut(size).zip(larges).enumerate();
    if threads == 1 {
        return tasks.map(|(task, (small, large))| work(task * size, small, large)).collect();
    }
    let tasks: Vec<_> = tasks.collect();
    tasks.into_par_iter().map(|(task, (small, large))| work(task * size, small, large)).collect()
}
