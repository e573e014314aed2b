//! The stored form of a flat forest, and the checks that make its indices safe to follow.

use pgml_core::{Parts, Result, bail};

use super::flat::{CATEGORY, FlatForest, KNOWN_FLAGS, Node, SPECIAL, Scalar, Tree};

/// The most sums that a row can have. Predictions take memory by this number, so a file must not choose it freely.
pub const MAX_OUTPUTS: usize = 100_000;

impl<T: Scalar, V: Scalar> FlatForest<T, V> {
    /// Adds the forest's arrays to `parts`, their names starting with `tree_`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](pgml_core::ErrorKind::Internal) never, as it stands.
    pub fn encode(&self, parts: Parts) -> Result<Parts> {
        let shape = [self.n_features, self.n_outputs, self.width];
        parts
            .with("tree_roots", self.trees.iter().map(|t| t.root).collect())
            .with("tree_outputs", self.trees.iter().map(|t| t.output).collect())
            .with("tree_thresholds", self.nodes.iter().enumerate().map(stored_threshold).collect())
            .with("tree_features", self.nodes.iter().map(|n| n.feature).collect())
            .with("tree_children", self.nodes.iter().map(|n| n.left).collect())
            .with("tree_flags", self.flags.clone())
            .with("tree_aux", self.aux.clone())
            .with("tree_values", self.values.clone())
            .with("tree_set_words", self.set_words.clone())
            .with("tree_set_bounds", self.set_bounds.clone())
            .with_meta("tree_shape", &shape)
    }

    /// Reads what [`FlatForest::encode`] wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when the arrays make no forest.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let [n_features, n_outputs, width] = parts.meta::<[usize; 3]>("tree_shape")?;
        let thresholds = parts.array::<T>("tree_thresholds")?;
        let features = parts.array_of::<u32>("tree_features", thresholds.len())?;
        let children = parts.array_of::<u32>("tree_children", thresholds.len())?;
        let node = |(at, threshold): (usize, &T)| Node {
            threshold: if children[at] as usize == at { T::NAN } else { *threshold },
            feature: features[at],
            left: children[at],
        };
        let forest = Self {
            n_features,
            n_outputs,
            width,
            trees: Vec::new(),
            nodes: thresholds.iter().enumerate().map(node).collect(),
            flags: parts.array_of::<u8>("tree_flags", thresholds.len())?.to_vec(),
            aux: parts.array_of::<u32>("tree_aux", thresholds.len())?.to_vec(),
            values: parts.array::<V>("tree_values")?.to_vec(),
            set_words: parts.array("tree_set_words")?.to_vec(),
            set_bounds: parts.array("tree_set_bounds")?.to_vec(),
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

/// Leaves are stored with 0 for NaN, so that equal models compare equal.
fn stored_threshold<T: Scalar>((at, node): (usize, &Node<T>)) -> T {
    if node.left as usize == at { T::ZERO } else { node.threshold }
}
