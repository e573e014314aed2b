//! Grows one tree, leaf by leaf, the most promising first.

use std::ops::Range;

use fastrand::Rng;
use pgml_core::{Result, Run};
use rayon::prelude::*;

use super::bins::{BinMap, BinnedRows, LANES};
use super::histogram::{ColumnHistogram, fill};
use super::partition::partition;
use super::queue::{Candidate, Histograms, State, Waiting};
use super::split::{Column, Limits, Node, Scan, Search, Side, Split};
use super::tasks::{SplitWork, each_task};
use super::tree::{GrownNode, GrownTree};

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
        let mut waiting = Waiting::new(self.growth.max_leaves.is_some());
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
            .map(|column| {
                let column = *column as usize;
                search.best(&self.columns[column], &histograms.columns[column], &mut Scan::new())
            })
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
