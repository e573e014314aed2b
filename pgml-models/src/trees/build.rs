//! From trees as any algorithm has them to the flat form.

use std::sync::OnceLock;

use pgml_core::{Result, bail};

use super::flat::{CATEGORY, DEFAULT_RIGHT, FlatForest, Node, SET_IS_RIGHT, Scalar, ZERO_IS_MISSING};

/// How a node decides between its children.
#[derive(Debug, Clone, PartialEq)]
pub enum Test<T> {
    /// Left when the value is less than this (XGBoost).
    LessThan(T),
    /// Left when the value is at most this (LightGBM, scikit-learn).
    AtMost(T),
    /// As `AtMost`, and zeros count as missing (LightGBM's `zero_as_missing`).
    AtMostZeroMissing(T),
    /// Right when the category is in the set (XGBoost). 32 categories per word, lowest bit first.
    RightIfIn(Vec<u32>),
    /// Left when the category is in the set (LightGBM).
    LeftIfIn(Vec<u32>),
}

/// A node of a tree in any order; the root is node 0.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceNode<T> {
    /// A leaf, with the number of its values in [`SourceTree::values`].
    Leaf(u32),
    /// An inner node.
    Split {
        /// Which feature is looked at.
        feature: u32,
        /// How.
        test: Test<T>,
        /// Where missing values go.
        missing_left: bool,
        /// The left child.
        left: u32,
        /// The right child.
        right: u32,
    },
}

/// A tree as an algorithm grew or read it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceTree<T, V> {
    /// The nodes; the first is the root.
    pub nodes: Vec<SourceNode<T>>,
    /// `n_leaves × width` leaf values.
    pub values: Vec<V>,
    /// The first output that leaf values are added to.
    pub output: usize,
    /// The weight of the training rows in each node, which explanations need; empty where nobody knows.
    pub covers: Vec<f32>,
}

/// Lays trees out flat, one after another.
#[derive(Debug)]
pub struct FlatBuilder<T, V> {
    n_features: usize,
    n_outputs: usize,
    width: usize,
    roots: Vec<u32>,
    outputs: Vec<u32>,
    nodes: Vec<Node<T>>,
    flags: Vec<u8>,
    aux: Vec<u32>,
    values: Vec<V>,
    set_words: Vec<u32>,
    set_bounds: Vec<u32>,
    /// Per node; of use only if every tree has them.
    covers: Vec<f32>,
}

impl<T: Scalar, V: Scalar> FlatBuilder<T, V> {
    /// A forest over `n_features` features whose leaves have `width` values each (1, or for instance one per class),
    /// and whose rows get `n_outputs` sums.
    #[must_use]
    pub fn new(n_features: usize, width: usize, n_outputs: usize) -> Self {
        Self {
            n_features,
            n_outputs,
            width,
            roots: Vec::new(),
            outputs: Vec::new(),
            nodes: Vec::new(),
            flags: Vec::new(),
            aux: Vec::new(),
            values: Vec::new(),
            set_words: Vec::new(),
            set_bounds: vec![0],
            covers: Vec::new(),
        }
    }

    /// Adds a tree.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when the nodes do not make a tree.
    pub fn push(&mut self, tree: &SourceTree<T, V>) -> Result<()> {
        let first_leaf = self.values.len() / self.width.max(1);
        let root = self.nodes.len();
        if tree.nodes.is_empty() || root + tree.nodes.len() >= u32::MAX as usize {
            bail!(Corrupted, "a tree of {} nodes cannot be used", tree.nodes.len());
        }
        self.roots.push(root as u32);
        self.outputs.push(u32::try_from(tree.output).unwrap_or(u32::MAX));
        // Breadth first: `order[i]` is the source node at flat position `root + i`.
        let mut order = vec![0_u32];
        let mut next = 0;
        while let Some(&source) = order.get(next) {
            let at = (root + next) as u32;
            match tree.nodes.get(source as usize) {
                None => {
                    bail!(Corrupted, "tree {} refers to node {source} of {}", self.roots.len() - 1, tree.nodes.len())
                }
                Some(SourceNode::Leaf(leaf)) => self.leaf(at, *leaf as usize + first_leaf)?,
                Some(SourceNode::Split { feature, test, missing_left, left, right }) => {
                    let child = (root + order.len()) as u32;
                    self.split(*feature, test, *missing_left, child);
                    order.extend([left, right]);
                }
            }
            if order.len() > tree.nodes.len() {
                bail!(Corrupted, "the nodes of tree {} make no tree", self.roots.len() - 1);
            }
            self.covers.extend(tree.covers.get(source as usize));
            next += 1;
        }
        self.values.extend_from_slice(&tree.values);
        Ok(())
    }

    fn leaf(&mut self, at: u32, leaf: usize) -> Result<()> {
        let Ok(leaf) = u32::try_from(leaf) else { bail!(Corrupted, "a forest of {leaf} leaves cannot be used") };
        self.nodes.push(Node { threshold: T::NAN, feature: 0, left: at });
        self.flags.push(0);
        self.aux.push(leaf);
        Ok(())
    }

    fn split(&mut self, feature: u32, test: &Test<T>, missing_left: bool, left: u32) {
        let default = if missing_left { 0 } else { DEFAULT_RIGHT };
        let (threshold, flags, set) = match test {
            Test::LessThan(t) => (*t, 0, None),
            Test::AtMost(t) => (above(*t), 0, None),
            Test::AtMostZeroMissing(t) => (above(*t), ZERO_IS_MISSING, None),
            Test::RightIfIn(set) => (T::ZERO, CATEGORY | SET_IS_RIGHT, Some(set)),
            Test::LeftIfIn(set) => (T::ZERO, CATEGORY, Some(set)),
        };
        let set = set.map_or(0, |words| {
            self.set_words.extend_from_slice(words);
            self.set_bounds.push(u32::try_from(self.set_words.len()).unwrap_or(u32::MAX));
            self.set_bounds.len() as u32 - 2
        });
        self.nodes.push(Node { threshold, feature, left });
        self.flags.push(flags | default);
        self.aux.push(set);
    }

    /// The forest.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when a feature, leaf or output is out of range.
    pub fn finish(mut self) -> Result<FlatForest<T, V>> {
        if self.covers.len() != self.nodes.len() {
            self.covers.clear();
        }
        let forest = FlatForest {
            n_features: self.n_features,
            n_outputs: self.n_outputs,
            width: self.width,
            trees: Vec::new(),
            nodes: self.nodes.into(),
            flags: self.flags.into(),
            aux: self.aux.into(),
            values: self.values.into(),
            set_words: self.set_words.into(),
            set_bounds: self.set_bounds.into(),
            covers: self.covers.into(),
            quick: OnceLock::new(),
        };
        forest.with_trees(&self.roots, &self.outputs)
    }
}

/// The threshold that `x < t` must have to mean `x ≤ at_most`. Nothing is above infinity: NaN sends every row left.
fn above<T: Scalar>(at_most: T) -> T {
    if at_most.to_f64() == f64::INFINITY { T::NAN } else { at_most.above() }
}
