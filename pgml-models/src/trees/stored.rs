//! The stored form of a flat forest, and the checks that make its indices safe to follow.
//!
//! Nodes are stored as they lie in memory, so that a forest predicts from the bytes of its file. Before version 2 of the
//! tree models they were stored as three arrays, which are read into memory of their own.

use std::sync::OnceLock;

use pgml_core::{Error, ErrorKind, Parts, Result, Shared, bail};

use super::flat::{CATEGORY, FlatForest, KNOWN_FLAGS, Node, SPECIAL, Scalar, Tree};

/// The most sums that a row can have. Predictions take memory by this number, so a file must not choose it freely.
pub const MAX_OUTPUTS: usize = 100_000;

// A node of `f64` has two numbers in one word, whose halves stand in the order of little-endian machines.
const _: () = assert!(cfg!(target_endian = "little"), "stored nodes are little-endian");

impl<T: Scalar, V: Scalar> FlatForest<T, V> {
    /// Adds the forest's arrays to `parts`, their names starting with `tree_`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] never, as it stands.
    pub fn encode(&self, parts: Parts) -> Result<Parts> {
        let shape = [self.n_features, self.n_outputs, self.width];
        let words_per_node = size_of::<Node<T>>() / size_of::<T::Word>();
        const { assert!(size_of::<Node<T>>() == size_of::<T>() + 8, "nodes have no padding") };
        let Some(nodes) = self.nodes.cast::<T::Word>() else { bail!(Internal, "nodes are no words") };
        let mut parts = parts
            .with("tree_roots", self.trees.iter().map(|t| t.root).collect())
            .with("tree_outputs", self.trees.iter().map(|t| t.output).collect())
            .with_shared("tree_nodes", vec![self.nodes.len(), words_per_node], nodes)
            .with_shared("tree_flags", vec![self.flags.len()], self.flags.clone())
            .with_shared("tree_aux", vec![self.aux.len()], self.aux.clone())
            .with_shared("tree_values", vec![self.values.len()], self.values.clone())
            .with_shared("tree_set_words", vec![self.set_words.len()], self.set_words.clone())
            .with_shared("tree_set_bounds", vec![self.set_bounds.len()], self.set_bounds.clone());
        if !self.covers.is_empty() {
            parts = parts.with_shared("tree_covers", vec![self.covers.len()], self.covers.clone());
        }
        parts.with_meta("tree_shape", &shape)
    }

    /// Reads what [`FlatForest::encode`] wrote, without copying what can be used where it is.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when the arrays make no forest.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let [n_features, n_outputs, width] = parts.meta::<[usize; 3]>("tree_shape")?;
        let separate = parts.arrays.contains_key("tree_thresholds");
        let nodes = if separate { separate_nodes(parts)? } else { stored_nodes(parts)? };
        let n_nodes = nodes.len();
        let forest = Self {
            n_features,
            n_outputs,
            width,
            trees: Vec::new(),
            nodes,
            flags: parts.shared_of("tree_flags", n_nodes)?,
            aux: parts.shared_of("tree_aux", n_nodes)?,
            values: parts.shared("tree_values")?,
            set_words: parts.shared("tree_set_words")?,
            set_bounds: parts.shared("tree_set_bounds")?,
            covers: stored_covers(parts, n_nodes)?,
            quick: OnceLock::new(),
        };
        let roots = parts.array::<u32>("tree_roots")?;
        forest.with_trees(roots, parts.array_of("tree_outputs", roots.len())?)
    }

    /// Checks every index of every array, and finds each tree's depth.
    pub(super) fn with_trees(mut self, roots: &[u32], outputs: &[u32]) -> Result<Self> {
        self.check_sets()?;
        if self.n_features == 0 || self.width == 0 || self.n_outputs < self.width || self.n_outputs > MAX_OUTPUTS {
            bail!(
                Corrupted,
                "a forest of {} features, {} outputs and {} values per leaf",
                self.n_features,
                self.n_outputs,
                self.width
            );
        }
        let ends = roots.iter().skip(1).map(|r| *r as usize).chain([self.nodes.len()]);
        if roots.first().map_or(self.nodes.len(), |r| *r as usize) != 0 {
            bail!(Corrupted, "the first tree does not start at the first node");
        }
        self.trees = Vec::with_capacity(roots.len());
        for ((root, end), output) in roots.iter().zip(ends).zip(outputs) {
            let tree = self.check_tree(*root as usize, end, *output)?;
            self.trees.push(tree);
        }
        Ok(self)
    }

    /// Children stand after their parents and within the tree, so that every descent ends.
    fn check_tree(&self, root: usize, end: usize, output: u32) -> Result<Tree> {
        if root >= end || end > self.nodes.len() {
            bail!(Corrupted, "a tree from node {root} to node {end} of {}", self.nodes.len());
        }
        if (output as usize).saturating_add(self.width) > self.n_outputs {
            bail!(Corrupted, "a tree adds to output {output} of {}", self.n_outputs);
        }
        let mut tree = Tree { root: root as u32, output, max_depth: 0, special: false };
        let mut depths = vec![0_u32; end - root];
        for at in root..end {
            let (node, flags) = (&self.nodes[at], self.flags[at]);
            let depth = depths[at - root];
            let left = node.left as usize;
            if node.feature as usize >= self.n_features || flags & !KNOWN_FLAGS != 0 {
                bail!(Corrupted, "node {at} has feature {} of {} and flags {flags}", node.feature, self.n_features);
            }
            if left == at {
                self.check_leaf(at)?;
                tree.max_depth = tree.max_depth.max(depth);
                continue;
            }
            if left < at || left + 1 >= end {
                bail!(Corrupted, "node {at} has children {left} and {}", left + 1);
            }
            if flags & CATEGORY != 0 && self.aux[at] as usize + 1 >= self.set_bounds.len() {
                bail!(Corrupted, "node {at} has category set {} of {}", self.aux[at], self.set_bounds.len() - 1);
            }
            tree.special |= flags & SPECIAL != 0;
            for below in &mut depths[left - root..left - root + 2] {
                *below = (*below).max(depth + 1);
            }
        }
        Ok(tree)
    }

    fn check_leaf(&self, at: usize) -> Result<()> {
        let leaf = self.aux[at] as usize;
        let n_leaves = self.values.len() / self.width;
        if leaf >= n_leaves || !self.nodes[at].threshold.is_missing() || self.flags[at] != 0 {
            bail!(Corrupted, "node {at} is no valid leaf: values {leaf} of {n_leaves}");
        }
        Ok(())
    }

    fn check_sets(&self) -> Result<()> {
        let ordered = self.set_bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        if self.set_bounds.first() != Some(&0) || !ordered {
            bail!(Corrupted, "category sets do not follow one another");
        }
        if self.set_bounds.last().map(|end| *end as usize) != Some(self.set_words.len()) {
            bail!(Corrupted, "category sets do not cover their {} words", self.set_words.len());
        }
        Ok(())
    }
}

/// The weights of nodes, which models of earlier releases do not have.
fn stored_covers(parts: &Parts, n_nodes: usize) -> Result<Shared<f32>> {
    if !parts.arrays.contains_key("tree_covers") {
        return Ok(Vec::new().into());
    }
    let covers = parts.shared_of::<f32>("tree_covers", n_nodes)?;
    match covers.iter().find(|cover| !cover.is_finite() || **cover < 0.0) {
        Some(bad) => bail!(Corrupted, "a node has training rows of the weight {bad}"),
        None => Ok(covers),
    }
}

fn stored_nodes<T: Scalar>(parts: &Parts) -> Result<Shared<Node<T>>> {
    let nodes = parts.shared::<T::Word>("tree_nodes")?.cast();
    nodes.ok_or_else(|| Error::new(ErrorKind::Corrupted, "stored array \"tree_nodes\" has no whole number of nodes"))
}

/// The nodes of version 1: three arrays, in which leaves have 0 for NaN.
fn separate_nodes<T: Scalar>(parts: &Parts) -> Result<Shared<Node<T>>> {
    let thresholds = parts.array::<T>("tree_thresholds")?;
    let features = parts.array_of::<u32>("tree_features", thresholds.len())?;
    let children = parts.array_of::<u32>("tree_children", thresholds.len())?;
    let node = |(at, threshold): (usize, &T)| Node {
        threshold: if children[at] as usize == at { T::NAN } else { *threshold },
        feature: features[at],
        left: children[at],
    };
    Ok(thresholds.iter().enumerate().map(node).collect())
}
