//! A tree as the engine grows it, with what pruning needs to know of every node.

use super::{SourceNode, SourceTree, Test};

/// A node of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// How it splits its rows; `None` in a leaf.
    pub branch: Option<Branch>,
    /// Where its rows begin among those of [`Grown::rows`](super::grower::Grown::rows).
    pub start: u32,
    /// How many rows it has.
    pub n_rows: u32,
    /// What they weigh.
    pub weight: f64,
    /// How well it would fit its rows as a leaf; see [`Summary::score`](super::search::Summary::score).
    pub score: f64,
}

/// How an inner node splits its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch {
    /// Which feature is looked at.
    pub feature: u32,
    /// Rows with at most this value go left.
    pub threshold: f32,
    /// Whether missing values go left.
    pub missing_left: bool,
    /// The left child.
    pub left: u32,
    /// The right child.
    pub right: u32,
}

/// A tree. Children stand after their parents; the root is node 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// `n_nodes × n_values`: what each node would predict as a leaf.
    pub values: Vec<f64>,
    /// The weight of all rows.
    pub weight: f64,
}

impl Tree {
    /// How many leaves can be reached.
    #[must_use]
    pub fn n_leaves(&self) -> usize {
        // A binary tree has one leaf more than inner nodes; pruned nodes are reached by no path and count for neither.
        self.reached().filter(|node| node.branch.is_some()).count() + 1
    }

    /// Steps from the root to the farthest leaf.
    #[must_use]
    pub fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        let mut deepest = 0;
        let mut stack = vec![0_u32];
        while let Some(at) = stack.pop() {
            deepest = deepest.max(depths[at as usize]);
            if let Some(branch) = self.nodes[at as usize].branch {
                for child in [branch.left, branch.right] {
                    depths[child as usize] = depths[at as usize] + 1;
                    stack.push(child);
                }
            }
        }
        deepest
    }

    fn reached(&self) -> impl Iterator<Item = &Node> {
        let mut stack = vec![0_u32];
        std::iter::from_fn(move || {
            let node = &self.nodes[stack.pop()? as usize];
            stack.extend(node.branch.iter().flat_map(|branch| [branch.left, branch.right]));
            Some(node)
        })
    }

    /// Cuts branches whose gain per leaf, as a share of the whole weight, is at most `ccp_alpha`: minimal cost-complexity
    /// pruning (Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984, chapter 3).
    pub fn prune(&mut self, ccp_alpha: f64) {
        let penalty = ccp_alpha * self.weight;
        // The best achievable score of each node's subtree less the penalty of its leaves. Children come after parents.
        let mut best = vec![0.0; self.nodes.len()];
        for at in (0..self.nodes.len()).rev() {
            let node = &mut self.nodes[at];
            let as_leaf = node.score - penalty;
            best[at] = as_leaf;
            if let Some(branch) = node.branch {
                let as_branch = best[branch.left as usize] + best[branch.right as usize];
                if as_branch > as_leaf {
                    best[at] = as_branch;
                } else {
                    node.branch = None;
                }
            }
        }
    }

    /// The form from which flat forests are built.
    #[must_use]
    pub fn to_source(&self) -> SourceTree<f32, f64> {
        let n_values = self.values.len() / self.nodes.len();
        let mut source = SourceTree { nodes: Vec::new(), values: Vec::new(), output: 0, covers: Vec::new() };
        // `order[i]` is the node that becomes node `i`.
        let mut order = vec![0_u32];
        while let Some(&at) = order.get(source.nodes.len()) {
            source.covers.push(self.nodes[at as usize].weight as f32);
            let node = match self.nodes[at as usize].branch {
                None => {
                    let leaf = source.values.len() / n_values;
                    source.values.extend_from_slice(&self.values[at as usize * n_values..][..n_values]);
                    SourceNode::Leaf(leaf as u32)
                }
                Some(Branch { feature, threshold, missing_left, left, right }) => {
                    let child = order.len() as u32;
                    order.extend([left, right]);
                    let test = Test::AtMost(threshold);
                    SourceNode::Split { feature, test, missing_left, left: child, right: child + 1 }
                }
            };
            source.nodes.push(node);
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with a leaf and a branch of two leaves, which gains `gain`.
    fn tree(gain: f64) -> Tree {
        let leaf = |score| Node { branch: None, start: 0, n_rows: 1, weight: 1.0, score };
        let inner = |left, score| Node {
            branch: Some(Branch { feature: 0, threshold: left as f32, missing_left: false, left, right: left + 1 }),
            start: 0,
            n_rows: 2,
            weight: 2.0,
            score,
        };
        let nodes = vec![inner(1, 0.0), leaf(5.0), inner(3, 5.0), leaf(5.0), leaf(gain)];
        Tree { nodes, values: vec![0.0, 1.0, 2.0, 3.0, 4.0], weight: 10.0 }
    }

    #[test]
    fn pruning_cuts_the_branch_that_gains_too_little_and_no_other() {
        for (alpha, leaves, depth) in [(0.0, 3, 2), (0.09, 3, 2), (0.11, 2, 1), (0.99, 2, 1), (1.01, 1, 0)] {
            let mut tree = tree(1.0);
            tree.prune(alpha);
            assert_eq!((tree.n_leaves(), tree.depth()), (leaves, depth), "alpha {alpha}");
        }
    }

    #[test]
    fn the_source_form_holds_reached_nodes_only() {
        let mut pruned = tree(1.0);
        assert_eq!(pruned.to_source().values, [1.0, 3.0, 4.0]);
        pruned.prune(0.5);
        assert_eq!((pruned.to_source().nodes.len(), pruned.to_source().values), (3, vec![1.0, 2.0]));
    }
}
