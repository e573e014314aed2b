//! Blocks of rows through small trees, without following a pointer.
//!
//! QuickScorer (Lucchese and others, SIGIR 2015; with vector instructions SIGIR 2016): every inner node is asked, for all
//! rows of a block at once. A node that sends a row right strikes out the leaves on its left; the first leaf that is left
//! over is the one that the row reaches. There are ten times as many questions as on the way down a tree, but none waits
//! for another's answer, and one instruction answers for 16 rows.

use super::flat::{DEFAULT_RIGHT, FlatForest, Scalar, Tree};
use super::lanes::Instructions;

/// Rows that are asked together.
pub(super) const ROWS: usize = 64;
/// Fewer rows are faster on the usual way.
const FEWEST_ROWS: usize = 24;

/// One inner node, as it concerns the leaves of one word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question<T> {
    /// Rows with at least this value go right.
    pub threshold: T,
    /// Which of the block's columns is asked.
    pub column: u32,
    /// What is left of the word's leaves when a row goes right; the highest bit is the first leaf.
    pub keep: u32,
}

/// 32 neighbouring leaves: their questions are those from the end of the word before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    /// The end of the questions that send missing values left.
    pub missing_left: u32,
    /// The end of those that send them right.
    pub missing_right: u32,
}

/// Where a tree's parts begin; they end where the next tree's begin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Part {
    word: u32,
    question: u32,
    leaf: u32,
}

/// The questions of the trees of a forest that have few leaves.
#[derive(Debug, Clone)]
pub(super) struct QuickForest<T, V> {
    instructions: Instructions,
    /// The features that are asked for: the columns of a block.
    columns: Vec<u32>,
    questions: Vec<Question<T>>,
    words: Vec<Word>,
    /// For each tree its leaves from left to right, as numbers of leaf values.
    leaves: Vec<u32>,
    /// The values of these leaves, where a leaf has one.
    values: Vec<V>,
    /// One more than there are trees.
    parts: Vec<Part>,
    /// Whether every tree is here.
    complete: bool,
}

impl<T: Scalar, V: Scalar> QuickForest<T, V> {
    /// `None` when this machine, or none of the trees, gains by it.
    pub(super) fn of(forest: &FlatForest<T, V>, instructions: Option<Instructions>) -> Option<Self> {
        let mut quick = Self {
            instructions: instructions?,
            columns: Vec::new(),
            questions: Vec::new(),
            words: Vec::new(),
            leaves: Vec::new(),
            values: Vec::new(),
            parts: vec![Part::default()],
            complete: true,
        };
        for tree in &forest.trees {
            let taken = !tree.special && quick.push(forest, tree);
            quick.complete &= taken;
            quick.parts.push(Part {
                word: quick.words.len() as u32,
                question: quick.questions.len() as u32,
                leaf: quick.leaves.len() as u32,
            });
        }
        if quick.leaves.is_empty() {
            return None;
        }
        quick.number_columns();
        if forest.width == 1 {
            quick.values = quick.leaves.iter().map(|leaf| forest.values[*leaf as usize]).collect();
        }
        Some(quick)
    }

    /// Whether so many rows are faster here.
    pub(super) fn gains(n_rows: usize) -> bool {
        n_rows >= FEWEST_ROWS
    }

    /// Whether every tree is here, so that nothing is left to be done.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Bytes taken by the arrays.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.questions)
            + size_of_val(&*self.words)
            + size_of_val(&*self.leaves)
            + size_of_val(&*self.values)
            + size_of_val(&*self.parts)
            + size_of_val(&*self.columns)
    }

    /// Adds a tree, unless it has too many leaves or a node that no threshold decides.
    fn push(&mut self, forest: &FlatForest<T, V>, tree: &Tree) -> bool {
        let first_leaf = self.leaves.len();
        let mut nodes = Vec::new();
        if !collect(forest, tree.root, first_leaf, &mut self.leaves, &mut nodes, self.instructions.most_leaves()) {
            self.leaves.truncate(first_leaf);
            return false;
        }
        let n_leaves = self.leaves.len() - first_leaf;
        for first in (0..n_leaves).step_by(32) {
            for missing in [0, DEFAULT_RIGHT] {
                for node in nodes.iter().filter(|node| node.missing == missing) {
                    let keep = !(bits(node.first, first) & !bits(node.end, first));
                    if keep != u32::MAX {
                        self.questions.push(Question { threshold: node.threshold, column: node.feature, keep });
                    }
                }
                let end = self.questions.len() as u32;
                if missing == 0 {
                    self.words.push(Word { missing_left: end, missing_right: end });
                } else if let Some(word) = self.words.last_mut() {
                    word.missing_right = end;
                }
            }
        }
        true
    }

    /// Replaces features by columns: only those that are asked for are laid out.
    fn number_columns(&mut self) {
        self.columns = self.questions.iter().map(|q| q.column).collect();
        self.columns.sort_unstable();
        self.columns.dedup();
        for question in &mut self.questions {
            question.column = self.columns.partition_point(|feature| *feature < question.column) as u32;
        }
    }

    /// Lays rows out in packets of [`ROWS`], column by column; what is beyond the last row does not matter.
    pub(super) fn lay_out(&self, rows: &[f64], n_features: usize, x: &mut Vec<T>) {
        let packets = rows.chunks(ROWS * n_features);
        x.resize(packets.len() * self.packet_len(), T::ZERO);
        for (rows, x) in packets.zip(x.chunks_exact_mut(self.packet_len())) {
            for (row, values) in rows.chunks_exact(n_features).enumerate() {
                for (column, feature) in self.columns.iter().enumerate() {
                    x[column * ROWS + row] = T::from_f64(values[*feature as usize]);
                }
            }
        }
    }

    /// The packets of what [`QuickForest::lay_out`] wrote.
    pub(super) fn packets<'x>(&self, x: &'x [T]) -> impl Iterator<Item = &'x [T]> {
        x.chunks_exact(self.packet_len())
    }

    /// Trees of a single leaf ask for no column, but their rows are counted in packets too.
    fn packet_len(&self) -> usize {
        self.columns.len().max(1) * ROWS
    }

    /// The tree of this number, unless it is to be walked down.
    pub(super) fn tree(&self, number: usize) -> Option<Asked<'_, V>> {
        let (part, end) = (self.parts[number], self.parts[number + 1]);
        let range = part.leaf as usize..end.leaf as usize;
        if range.is_empty() {
            return None;
        }
        let words = &self.words[part.word as usize..end.word as usize];
        let leaves = match self.values.get(range.clone()) {
            Some(values) => Leaves::Values(values),
            None => Leaves::Numbers(&self.leaves[range]),
        };
        Some(Asked { words, question: part.question, leaves })
    }

    /// The leaves that the rows of the packet `x` reach in a tree, counted from the first of its leaves.
    #[inline]
    pub(super) fn reach(&self, tree: &Asked<'_, V>, x: &[T], reached: &mut [u32; ROWS]) {
        assert!(x.len() >= self.columns.len() * ROWS, "every column has its rows");
        T::reach(self.instructions, tree.words, &self.questions, tree.question, x, reached);
    }
}

/// A tree whose nodes are all asked.
pub(super) struct Asked<'a, V> {
    words: &'a [Word],
    /// Where its questions begin.
    question: u32,
    /// Its leaves.
    pub leaves: Leaves<'a, V>,
}

/// A tree's leaves from left to right.
pub(super) enum Leaves<'a, V> {
    /// The single value of each.
    Values(&'a [V]),
    /// Which of the forest's values are theirs.
    Numbers(&'a [u32]),
}

/// An inner node, and the leaves on its left: from `first` up to, without, `end`.
struct Inner<T> {
    threshold: T,
    feature: u32,
    missing: u8,
    first: usize,
    end: usize,
}

/// Appends the leaves below `at` from left to right and the inner nodes; false when there are more than `most` leaves.
fn collect<T: Scalar, V: Scalar>(
    forest: &FlatForest<T, V>,
    at: u32,
    first_leaf: usize,
    leaves: &mut Vec<u32>,
    nodes: &mut Vec<Inner<T>>,
    most: usize,
) -> bool {
    let node = &forest.nodes[at as usize];
    if node.left == at {
        leaves.push(forest.aux[at as usize]);
        return leaves.len() - first_leaf <= most;
    }
    // A threshold of NaN sends every row left, missing ones perhaps not: there is no such comparison.
    if node.threshold.is_missing() || nodes.len() >= most {
        return false;
    }
    let index = nodes.len();
    let first = leaves.len() - first_leaf;
    let missing = forest.flags[at as usize] & DEFAULT_RIGHT;
    nodes.push(Inner { threshold: node.threshold, feature: node.feature, missing, first, end: first });
    if !collect(forest, node.left, first_leaf, leaves, nodes, most) {
        return false;
    }
    nodes[index].end = leaves.len() - first_leaf;
    collect(forest, node.left + 1, first_leaf, leaves, nodes, most)
}

/// The bits of the leaves from `leaf` on, of a word that starts with leaf `first`.
fn bits(leaf: usize, first: usize) -> u32 {
    let before = leaf.saturating_sub(first);
    if before < 32 { u32::MAX >> before } else { 0 }
}
