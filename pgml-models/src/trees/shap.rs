//! What each feature adds to the sum of leaves that a row reaches: exact Shapley values of trees.
//!
//! The value of a set of known features is the mean over the leaves that a row may reach when at every other node it goes
//! both ways, each as often as the training rows did (Lundberg, Erion, Lee 2018: "Consistent individualized feature
//! attribution for tree ensembles", algorithm 2). One pass over a tree keeps, for the features on the way down, how many
//! of the sets of each size let a row through.

use pgml_core::{Error, ErrorKind, Result, Run};

use super::descend::Descent;
use super::flat::{FlatForest, Scalar, Tree};

/// A feature that was asked on the way to a node.
#[derive(Debug, Clone, Copy)]
struct Asked {
    feature: u32,
    /// The share of training rows that go this way where the feature is unknown.
    unknown: f64,
    /// 1 if the row itself goes this way, else 0.
    known: f64,
    /// The weight of the sets of as many known features as this has places before it.
    weight: f64,
}

/// The features on the way to a node. The first place stands for the empty set.
type Path = Vec<Asked>;

const NOBODY: u32 = u32::MAX;

/// Adds a feature: sets with it let through `known`, sets without it `unknown`.
fn extend(path: &mut Path, unknown: f64, known: f64, feature: u32) {
    let length = path.len();
    path.push(Asked { feature, unknown, known, weight: if length == 0 { 1.0 } else { 0.0 } });
    let sets = (length + 1) as f64;
    for i in (0..length).rev() {
        path[i + 1].weight += known * path[i].weight * (i + 1) as f64 / sets;
        path[i].weight *= unknown * (length - i) as f64 / sets;
    }
}

/// Takes the feature at `place` out again.
fn unwind(path: &mut Path, place: usize) {
    let last = path.len() - 1;
    let Asked { unknown, known, .. } = path[place];
    let sets = (last + 1) as f64;
    let mut next = path[last].weight;
    for i in (0..last).rev() {
        if known != 0.0 {
            let weight = path[i].weight;
            path[i].weight = next * sets / ((i + 1) as f64 * known);
            next = weight - path[i].weight * unknown * (last - i) as f64 / sets;
        } else {
            path[i].weight *= sets / (unknown * (last - i) as f64);
        }
    }
    for i in place..last {
        (path[i].feature, path[i].unknown, path[i].known) =
            (path[i + 1].feature, path[i + 1].unknown, path[i + 1].known);
    }
    path.pop();
}

/// What all weights sum to without the feature at `place`.
fn unwound_sum(path: &Path, place: usize) -> f64 {
    let last = path.len() - 1;
    let Asked { unknown, known, .. } = path[place];
    let sets = (last + 1) as f64;
    let (mut next, mut total) = (path[last].weight, 0.0);
    for i in (0..last).rev() {
        if known != 0.0 {
            let weight = next * sets / ((i + 1) as f64 * known);
            total += weight;
            next = path[i].weight - weight * unknown * (last - i) as f64 / sets;
        } else {
            total += path[i].weight * sets / (unknown * (last - i) as f64);
        }
    }
    total
}

impl<T: Scalar, V: Scalar> FlatForest<T, V> {
    /// Adds to `contributions` (one per feature) what each feature of `row` adds to the row's sum number `output`, and
    /// returns what the sum is when nothing is known of a row.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for a forest without the weights of its nodes; [`ErrorKind::Cancelled`].
    ///
    /// # Panics
    /// When `row` or `contributions` do not have one value per feature.
    pub fn explain(&self, row: &[f64], output: usize, contributions: &mut [f64], run: &Run) -> Result<f64> {
        assert_eq!((row.len(), contributions.len()), (self.n_features, self.n_features), "one value per feature");
        self.require_covers()?;
        let mut buffer = Vec::new();
        let row = T::view(row, &mut buffer);
        let descent = Descent::<T, true>::new(self, row);
        let mut base = 0.0;
        for (number, tree) in self.trees.iter().enumerate() {
            run.check()?;
            run.progress("explaining", number as u64, self.trees.len() as u64);
            if let Some(value) = output.checked_sub(tree.output as usize).filter(|value| *value < self.width) {
                base += self.explain_tree(&descent, tree, value, contributions);
            }
        }
        Ok(base)
    }

    fn require_covers(&self) -> Result<()> {
        if self.covers.is_empty() {
            let message = "the model was stored without the weights of its nodes, which explanations need";
            return Err(Error::new(ErrorKind::NotSupported, message).with_hint("train it again"));
        }
        Ok(())
    }

    /// The value number `value` of the leaf at node `at`.
    fn leaf_value(&self, at: usize, value: usize) -> f64 {
        self.values[self.aux[at] as usize * self.width + value].to_f64()
    }

    /// The shares of a node's training rows that go left and right; halves where it has none.
    fn shares(&self, at: usize) -> [f64; 2] {
        let left = self.nodes[at].left as usize;
        let [a, b] = [left, left + 1].map(|child| f64::from(self.covers[child]));
        if a + b > 0.0 { [a / (a + b), b / (a + b)] } else { [0.5; 2] }
    }

    fn explain_tree(
        &self,
        descent: &Descent<'_, T, true>,
        tree: &Tree,
        value: usize,
        contributions: &mut [f64],
    ) -> f64 {
        let mut base = 0.0;
        // Nodes still to be visited: with the way to them, the share of rows that come there, and what is new on the way.
        let mut stack: Vec<(u32, Path, f64, Asked)> = Vec::new();
        let root = Asked { feature: NOBODY, unknown: 1.0, known: 1.0, weight: 0.0 };
        stack.push((tree.root, Vec::new(), 1.0, root));
        while let Some((at, mut path, share, new)) = stack.pop() {
            extend(&mut path, new.unknown, new.known, new.feature);
            let node = &self.nodes[at as usize];
            if node.left == at {
                let leaf = self.leaf_value(at as usize, value);
                base += share * leaf;
                for place in 1..path.len() {
                    let asked = path[place];
                    contributions[asked.feature as usize] +=
                        unwound_sum(&path, place) * (asked.known - asked.unknown) * leaf;
                }
                continue;
            }
            let shares = self.shares(at as usize);
            let own = descent.next(at) - node.left;
            // A feature that was asked before is one feature still: both questions must be passed.
            let (mut unknown, mut known) = (1.0, 1.0);
            if let Some(place) = path.iter().skip(1).position(|asked| asked.feature == node.feature) {
                (unknown, known) = (path[place + 1].unknown, path[place + 1].known);
                unwind(&mut path, place + 1);
            }
            for side in [1, 0] {
                let through = shares[side as usize];
                let (unknown, known) = (unknown * through, if own == side { known } else { 0.0 });
                // No training row comes there, nor does this one: nothing from there counts.
                if unknown == 0.0 && known == 0.0 {
                    continue;
                }
                let asked = Asked { feature: node.feature, unknown, known, weight: 0.0 };
                stack.push((node.left + side, path.clone(), share * through, asked));
            }
        }
        base
    }

    /// How much each feature's splits lower the variance of the leaves below them, summed over outputs, as shares of each
    /// tree's whole and averaged over the trees that split (Breiman 2001; for class shares that is the mean decrease of Gini
    /// impurity, for means that of the squared error).
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for a forest without the weights of its nodes.
    pub fn importance(&self) -> Result<Vec<f64>> {
        self.require_covers()?;
        let mut all = vec![0.0; self.n_features];
        let roots = self.trees.iter().map(|tree| tree.root as usize);
        let ends = roots.clone().skip(1).chain([self.nodes.len()]);
        for (root, end) in roots.zip(ends) {
            let of_tree = self.decreases(root, end);
            let total: f64 = of_tree.iter().map(|(_, decrease)| decrease).sum();
            if total > 0.0 {
                of_tree.into_iter().for_each(|(feature, decrease)| all[feature as usize] += decrease / total);
            }
        }
        Ok(pgml_core::explain::shares(all))
    }

    /// The feature of each split of one tree, and by how much it lowers the variance.
    fn decreases(&self, root: usize, end: usize) -> Vec<(u32, f64)> {
        let width = self.width;
        let mut means = vec![0.0; (end - root) * width];
        let mut decreases = Vec::new();
        // Children stand after their parents.
        for at in (root..end).rev() {
            let left = self.nodes[at].left as usize;
            for value in 0..width {
                means[(at - root) * width + value] = if left == at {
                    self.leaf_value(at, value)
                } else {
                    let [a, b] = self.shares(at);
                    let [x, y] = [left, left + 1].map(|child| means[(child - root) * width + value]);
                    decreases.push((self.nodes[at].feature, f64::from(self.covers[at]) * a * b * (x - y).powi(2)));
                    a * x + b * y
                };
            }
        }
        decreases
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::{FlatBuilder, SourceNode, SourceTree, Test};

    /// A random tree of this depth over `n_features`, with random weights.
    fn random_tree(rng: &mut fastrand::Rng, n_features: u32, depth: u32) -> SourceTree<f64, f64> {
        fn grow(tree: &mut SourceTree<f64, f64>, rng: &mut fastrand::Rng, n_features: u32, depth: u32) -> (u32, f32) {
            let at = tree.nodes.len();
            tree.nodes.push(SourceNode::Leaf(0));
            tree.covers.push(0.0);
            if depth == 0 || rng.u32(0..8) == 0 {
                tree.nodes[at] = SourceNode::Leaf(tree.values.len() as u32);
                tree.values.push(rng.f64() * 4.0 - 2.0);
                tree.covers[at] = 1.0 + rng.u32(0..9) as f32;
            } else {
                let (left, a) = grow(tree, rng, n_features, depth - 1);
                let (right, b) = grow(tree, rng, n_features, depth - 1);
                let (feature, test) = (rng.u32(0..n_features), Test::AtMost(rng.f64()));
                tree.nodes[at] = SourceNode::Split { feature, test, missing_left: rng.bool(), left, right };
                tree.covers[at] = a + b;
            }
            (at as u32, tree.covers[at])
        }
        let mut tree = SourceTree::default();
        grow(&mut tree, rng, n_features, depth);
        tree
    }

    fn forest(trees: &[SourceTree<f64, f64>], n_features: usize) -> FlatForest<f64, f64> {
        let mut builder = FlatBuilder::new(n_features, 1, 1);
        trees.iter().for_each(|tree| builder.push(tree).expect("a tree"));
        builder.finish().expect("a forest")
    }

    /// The value of a set of known features, by its definition.
    fn value_of_set(tree: &SourceTree<f64, f64>, at: u32, row: &[f64], known: u32) -> f64 {
        match &tree.nodes[at as usize] {
            SourceNode::Leaf(leaf) => tree.values[*leaf as usize],
            SourceNode::Split { feature, test, missing_left, left, right } => {
                let Test::AtMost(threshold) = test else { panic!("no other test here") };
                let x = row[*feature as usize];
                let goes_left = if x.is_nan() { *missing_left } else { x <= *threshold };
                let [a, b] = [*left, *right].map(|child| value_of_set(tree, child, row, known));
                if known >> feature & 1 == 1 {
                    return if goes_left { a } else { b };
                }
                let [n, m] = [*left, *right].map(|child| f64::from(tree.covers[child as usize]));
                (n * a + m * b) / (n + m)
            }
        }
    }

    /// Shapley values by their definition: the mean change over all sets without the feature.
    fn by_definition(tree: &SourceTree<f64, f64>, row: &[f64]) -> Vec<f64> {
        let n = row.len() as u32;
        let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
        let of_feature = |feature: u32| -> f64 {
            let sets = (0..1_u32 << n).filter(|set| set >> feature & 1 == 0);
            sets.map(|set| {
                let size = set.count_ones();
                let weight = factorial(size) * factorial(n - size - 1) / factorial(n);
                weight * (value_of_set(tree, 0, row, set | 1 << feature) - value_of_set(tree, 0, row, set))
            })
            .sum()
        };
        (0..n).map(of_feature).collect()
    }

    #[test]
    fn contributions_are_shapley_values_by_definition() {
        let mut rng = fastrand::Rng::with_seed(3);
        for case in 0..200 {
            // Few features and deep trees ask the same feature several times on one way.
            let n_features = 1 + case % 5;
            let tree = random_tree(&mut rng, n_features, 6);
            let row: Vec<f64> =
                (0..n_features).map(|_| if rng.u32(0..6) == 0 { f64::NAN } else { rng.f64() }).collect();
            let mut ours = vec![0.0; n_features as usize];
            let base =
                forest(std::slice::from_ref(&tree), n_features as usize).explain(&row, 0, &mut ours, &Run::new());
            let base = base.expect("the tree knows its weights");
            assert!((base - value_of_set(&tree, 0, &row, 0)).abs() < 1e-12, "case {case}");
            for (ours, definition) in ours.iter().zip(by_definition(&tree, &row)) {
                assert!((ours - definition).abs() < 1e-10, "case {case}: {ours} is not {definition}");
            }
        }
    }

    #[test]
    fn nodes_that_no_training_row_came_to_are_no_trouble() {
        // Both questions are of one feature; no training row is on the right, where this one goes twice.
        let split = |threshold, left, right| SourceNode::Split {
            feature: 0,
            test: Test::AtMost(threshold),
            missing_left: true,
            left,
            right,
        };
        let tree = SourceTree {
            nodes: vec![
                split(0.0, 1, 2),
                SourceNode::Leaf(0),
                split(1.0, 3, 4),
                SourceNode::Leaf(1),
                SourceNode::Leaf(2),
            ],
            values: vec![1.0, 5.0, 7.0],
            output: 0,
            covers: vec![4.0, 4.0, 0.0, 0.0, 0.0],
        };
        let mut contributions = [0.0; 2];
        let base = forest(&[tree], 2).explain(&[2.0, 0.0], 0, &mut contributions, &Run::new()).expect("weights");
        assert_eq!((base, contributions), (1.0, [6.0, 0.0]));
    }

    #[test]
    fn contributions_of_a_forest_sum_to_its_prediction() {
        let mut rng = fastrand::Rng::with_seed(4);
        let trees: Vec<_> = (0..20).map(|_| random_tree(&mut rng, 8, 10)).collect();
        let forest = forest(&trees, 8);
        for _ in 0..20 {
            let row: Vec<f64> = (0..8).map(|_| rng.f64()).collect();
            let (mut contributions, mut sum) = (vec![0.0; 8], [0.0]);
            let base = forest.explain(&row, 0, &mut contributions, &Run::new()).expect("weights");
            forest.add_leaves(&row, &mut sum);
            assert!((base + contributions.iter().sum::<f64>() - sum[0]).abs() < 1e-9);
        }
    }

    #[test]
    fn a_chain_of_ten_thousand_splits_needs_no_stack() {
        let n = 10_000_u32;
        let mut tree = SourceTree::<f64, f64>::default();
        for i in 0..n {
            let (left, right) = (2 * i + 1, 2 * i + 2);
            let test = Test::AtMost(-f64::from(i));
            tree.nodes.push(SourceNode::Split { feature: i % 3, test, missing_left: true, left, right });
            tree.nodes.push(SourceNode::Leaf(i));
            tree.values.push(f64::from(i));
            tree.covers.extend([(n - i + 1) as f32, 1.0]);
        }
        tree.nodes.push(SourceNode::Leaf(n));
        tree.values.push(0.0);
        tree.covers.push(1.0);
        let mut contributions = [0.0; 3];
        let base = forest(&[tree], 3).explain(&[1.0, 1.0, -20_000.0], 0, &mut contributions, &Run::new());
        assert!((base.expect("weights") + contributions.iter().sum::<f64>() - 2.0).abs() < 1e-3);
    }

    #[test]
    fn importance_is_the_fall_of_the_variance() {
        // Feature 0 divides 6 rows of mean 1 from 2 of mean 5; feature 1 the 6 into 3 of 0 and 3 of 2.
        let split = |feature, left, right| SourceNode::Split {
            feature,
            test: Test::AtMost(0.5),
            missing_left: true,
            left,
            right,
        };
        let tree = SourceTree {
            nodes: vec![split(0, 1, 2), split(1, 3, 4), SourceNode::Leaf(0), SourceNode::Leaf(1), SourceNode::Leaf(2)],
            values: vec![5.0, 0.0, 2.0],
            output: 0,
            covers: vec![8.0, 6.0, 2.0, 3.0, 3.0],
        };
        // 8 · 6/8 · 2/8 · 16 = 24, and 6 · 1/4 · 4 = 6.
        assert_eq!(forest(&[tree], 3).importance(), Ok(vec![0.8, 0.2, 0.0]));
    }

    #[test]
    fn a_forest_without_weights_says_so() {
        let tree = SourceTree { nodes: vec![SourceNode::Leaf(0)], values: vec![1.0], output: 0, covers: Vec::new() };
        let error = forest(&[tree], 1).explain(&[0.0], 0, &mut [0.0], &Run::new()).expect_err("no weights");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    }
}
