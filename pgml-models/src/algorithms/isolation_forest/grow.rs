//! Grows one isolation tree.

use fastrand::Rng;
use pgml_core::{Dataset, Result, Run, bail};

use super::average_path;
use crate::trees::bootstrap::{Bootstrap, distinct};
use crate::trees::{SourceNode, SourceTree, Test};

/// A feature that varies by less is constant, as in scikit-learn.
const LEAST_RANGE: f32 = 1e-7;

/// What all trees have in common.
pub struct Grower<'a> {
    data: &'a Dataset,
    n_samples: usize,
    n_features: usize,
    /// Whether rows are drawn with replacement.
    bootstrap: bool,
    /// Draws with replacement by weight, where rows have one.
    weighted: Option<Bootstrap>,
    most_splits: u32,
}

impl<'a> Grower<'a> {
    /// Trees of `n_samples` drawn rows and `n_features` drawn features.
    pub fn new(data: &'a Dataset, n_samples: usize, n_features: usize, bootstrap: bool) -> Result<Self> {
        for feature in data.features() {
            if feature.values.iter().any(|x| x.abs() > f64::from(f32::MAX)) {
                bail!(InvalidData, "feature \"{}\" has a value beyond ±3.4e38: scale it in preprocess", feature.name);
            }
        }
        let of_weight = data.weight().map_or(data.n_rows(), |weight| weight.iter().filter(|w| **w > 0.0).count());
        if of_weight < if bootstrap { 1 } else { n_samples } {
            bail!(
                InvalidData,
                "isolation_forest draws {n_samples} different rows for a tree, but only {of_weight} have a weight above 0: \
                 lower max_samples"
            );
        }
        let by_weight = data.weight().filter(|_| bootstrap);
        let weighted = by_weight.map(|weight| Bootstrap::new(data.n_rows(), n_samples, Some(weight)));
        let most_splits = n_samples.max(2).next_power_of_two().trailing_zeros();
        Ok(Self { data, n_samples, n_features, bootstrap, weighted, most_splits })
    }

    /// One tree. Its leaves hold how many splits lead there, and those that its rows would need on average.
    pub fn tree(&self, rng: &mut Rng, run: &Run) -> Result<SourceTree<f32, f64>> {
        run.check()?;
        let features = choose(self.data.n_features(), self.n_features, rng);
        let mut rows = self.draw(rng);
        let _memory = run.reserve((4 * rows.len() * features.len()) as u64, "the rows of a tree")?;
        let cells: Vec<f32> = rows
            .iter()
            .flat_map(|row| features.iter().map(|f| self.data.features()[*f as usize].values.get(*row as usize) as f32))
            .collect();
        rows = (0..rows.len() as u32).collect();
        let mut growing = Growing { cells: &cells, features: &features, tree: SourceTree::default(), rng, run };
        growing.node(&mut rows, 0, self.most_splits)?;
        Ok(growing.tree)
    }

    /// The rows of a tree; one that is drawn several times counts once, as in scikit-learn.
    fn draw(&self, rng: &mut Rng) -> Vec<u32> {
        let n = self.data.n_rows();
        if let Some(weighted) = &self.weighted {
            return (0..).zip(weighted.counts(rng)).filter(|(_, count)| *count > 0).map(|(row, _)| row).collect();
        }
        if !self.bootstrap {
            return match self.data.weight() {
                Some(weight) => distinct(n, self.n_samples, Some(weight), rng),
                None => choose(n, self.n_samples, rng),
            };
        }
        let mut rows: Vec<u32> = (0..self.n_samples).map(|_| rng.u32(..n as u32)).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

/// `k` different numbers below `n`, in any order (Floyd's method).
fn choose(n: usize, k: usize, rng: &mut Rng) -> Vec<u32> {
    if 2 * k >= n {
        let mut all: Vec<u32> = (0..n as u32).collect();
        for i in 0..k.min(n - 1) {
            all.swap(i, rng.usize(i..n));
        }
        all.truncate(k);
        return all;
    }
    let mut chosen = std::collections::HashSet::with_capacity(k);
    let mut order = Vec::with_capacity(k);
    for last in n - k..n {
        let candidate = rng.u32(..=last as u32);
        let taken = if chosen.insert(candidate) { candidate } else { last as u32 };
        chosen.insert(taken);
        order.push(taken);
    }
    order
}

struct Growing<'a> {
    /// Row-major, as many columns as `features`.
    cells: &'a [f32],
    features: &'a [u32],
    tree: SourceTree<f32, f64>,
    rng: &'a mut Rng,
    run: &'a Run,
}

impl Growing<'_> {
    /// Appends the subtree of `rows` below `splits` splits; its position.
    fn node(&mut self, rows: &mut [u32], splits: u32, most: u32) -> Result<u32> {
        if rows.len() > 4096 {
            self.run.check()?;
        }
        let at = self.tree.nodes.len() as u32;
        self.tree.covers.push(rows.len() as f32);
        let split = if splits < most && rows.len() > 1 { self.split(rows) } else { None };
        let n_left = split.as_ref().map_or(0, |split| self.partition(rows, split));
        let Some(split) = split.filter(|_| n_left < rows.len()) else {
            self.tree.nodes.push(SourceNode::Leaf(self.tree.values.len() as u32));
            self.tree.values.push(f64::from(splits) + average_path(rows.len()));
            return Ok(at);
        };
        self.tree.nodes.push(SourceNode::Leaf(0));
        let (below, above) = rows.split_at_mut(n_left);
        // Where no value was missing, one that is later goes where most rows went.
        let missing_left = split.missing_left.unwrap_or(below.len() > above.len());
        let left = self.node(below, splits + 1, most)?;
        let right = self.node(above, splits + 1, most)?;
        let (feature, test) = (self.features[split.column], Test::AtMost(split.threshold));
        self.tree.nodes[at as usize] = SourceNode::Split { feature, test, missing_left, left, right };
        Ok(at)
    }

    fn cell(&self, row: u32, column: usize) -> f32 {
        self.cells[row as usize * self.features.len() + column]
    }

    /// A random value of a random feature that varies, be it in whether it is missing, which goes to a random side.
    fn split(&mut self, rows: &[u32]) -> Option<Split> {
        let mut columns: Vec<usize> = (0..self.features.len()).collect();
        while !columns.is_empty() {
            let column = columns.swap_remove(self.rng.usize(..columns.len()));
            let (mut low, mut high, mut n_missing) = (f32::INFINITY, f32::NEG_INFINITY, 0);
            for row in rows {
                let x = self.cell(*row, column);
                (low, high) = (low.min(x), high.max(x));
                n_missing += usize::from(x.is_nan());
            }
            if n_missing == rows.len() || (n_missing == 0 && high <= low + LEAST_RANGE) {
                continue;
            }
            let value = (f64::from(low) + self.rng.f64() * (f64::from(high) - f64::from(low))) as f32;
            let threshold = if value >= high { low } else { value };
            let missing_left = (n_missing > 0).then(|| self.rng.bool());
            return Some(Split { column, threshold, missing_left });
        }
        None
    }

    /// Moves the rows that go left to the front; how many they are.
    fn partition(&self, rows: &mut [u32], split: &Split) -> usize {
        let mut n_left = 0;
        for i in 0..rows.len() {
            let x = self.cell(rows[i], split.column);
            if x <= split.threshold || (x.is_nan() && split.missing_left == Some(true)) {
                rows.swap(n_left, i);
                n_left += 1;
            }
        }
        n_left
    }
}

/// Values of at most a threshold go left; `missing_left` says where missing ones of the training rows go, if there are.
struct Split {
    column: usize,
    threshold: f32,
    missing_left: Option<bool>,
}
