//! Nodes that wait to be split.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use pgml_core::run::Reservation;

use super::histogram::ColumnHistogram;
use super::split::Split;

/// A node whose best split is known.
pub(super) struct Candidate {
    pub(super) split: Split,
    pub(super) node: u32,
    pub(super) state: State,
    pub(super) histograms: Histograms,
}

/// What a node hands down to its children.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) depth: usize,
    pub(super) lower: f64,
    pub(super) upper: f64,
    /// The sets of columns that the way from the root still belongs to.
    pub(super) interactions: Vec<u32>,
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
pub(super) struct Histograms {
    pub(super) columns: Vec<ColumnHistogram>,
    pub(super) _memory: Reservation,
}

/// Nodes that wait to be split. Where leaves are limited the most promising comes first; else their order does not
/// matter, and few wait at a time when the last comes first.
pub(super) struct Waiting {
    by_gain: BinaryHeap<Candidate>,
    last_first: Vec<Candidate>,
    ordered: bool,
}

impl Waiting {
    /// Nobody waits. `by_gain` says that the most promising comes first.
    pub(super) fn new(by_gain: bool) -> Self {
        Self { by_gain: BinaryHeap::new(), last_first: Vec::new(), ordered: by_gain }
    }

    pub(super) fn push(&mut self, candidate: Candidate) {
        if self.ordered { self.by_gain.push(candidate) } else { self.last_first.push(candidate) }
    }

    pub(super) fn pop(&mut self) -> Option<Candidate> {
        if self.ordered { self.by_gain.pop() } else { self.last_first.pop() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_gain.len() + self.last_first.len()
    }

    pub(super) fn into_histograms(self) -> impl Iterator<Item = Histograms> {
        self.by_gain.into_iter().chain(self.last_first).map(|candidate| candidate.histograms)
    }
}
