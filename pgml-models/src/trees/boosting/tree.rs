//! A grown tree: what bins say of its nodes, and the same in terms of features and their values.

use std::ops::Range;

use super::bins::{BinMap, BinnedRows, MISSING_BIN};
use super::split::{Left, Split};
use crate::trees::{SourceNode, SourceTree, Test};

/// A node of a grown tree; the root is node 0.
#[derive(Debug, Clone)]
pub struct GrownNode {
    /// Its rows: a range of [`Grower::rows`](super::Grower::rows).
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
                _ if bin == MISSING_BIN => split.missing_left,
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
