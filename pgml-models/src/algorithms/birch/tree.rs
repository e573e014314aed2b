//! The tree of clustering features: subclusters by their number of rows, their sum and their sum of squares.

use pgml_core::run::Reservation;
use pgml_core::{Dataset, Result, Run};

use crate::solvers::blocks::ranges;
use crate::solvers::kernels::dot;

/// Rows that are read, and subclusters that memory is reserved for, at once.
const AT_ONCE: usize = 1024;

/// What is known of the rows of a subcluster.
#[derive(Clone)]
struct Feature {
    n: f64,
    sum: Vec<f64>,
    squares: f64,
    /// The node whose subclusters are its parts.
    child: Option<usize>,
}

impl Feature {
    fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.squares += other.squares;
    }

    /// Itself and another as one, unless that is wider than the threshold.
    fn joined(&self, other: &Self, threshold: f64) -> Option<Self> {
        let mut joined = self.clone();
        joined.add(other);
        let centroid = joined.centroid();
        let squared_radius = joined.squares / joined.n - dot(&centroid, &centroid);
        (squared_radius <= threshold * threshold).then_some(joined)
    }

    fn centroid(&self) -> Vec<f64> {
        // As scikit-learn rounds it: on a grid of rows, radii meet the threshold exactly.
        let share = 1.0 / self.n;
        self.sum.iter().map(|x| share * x).collect()
    }
}

#[derive(Default)]
struct Node {
    features: Vec<Feature>,
    /// The centroid of each feature and its square, kept to find the nearest.
    centroids: Vec<f64>,
    norms: Vec<f64>,
    is_leaf: bool,
    next_leaf: Option<usize>,
    previous_leaf: Option<usize>,
}

impl Node {
    fn push(&mut self, feature: Feature) {
        let centroid = feature.centroid();
        self.norms.push(dot(&centroid, &centroid));
        self.centroids.extend(centroid);
        self.features.push(feature);
    }

    fn replace(&mut self, at: usize, feature: Feature) {
        let (centroid, d) = (feature.centroid(), feature.sum.len());
        self.norms[at] = dot(&centroid, &centroid);
        self.centroids[at * d..(at + 1) * d].copy_from_slice(&centroid);
        self.features[at] = feature;
    }

    /// The subcluster whose centroid is nearest, the first of equals.
    fn nearest(&self, point: &[f64]) -> usize {
        let mut best = (0, f64::INFINITY);
        for (i, (centroid, norm)) in self.centroids.chunks_exact(point.len()).zip(&self.norms).enumerate() {
            let score = norm - 2.0 * dot(centroid, point);
            if score < best.1 {
                best = (i, score);
            }
        }
        best.0
    }
}

struct Tree<'a> {
    nodes: Vec<Node>,
    root: usize,
    threshold: f64,
    branching_factor: usize,
    n_subclusters: usize,
    memory: Vec<Reservation>,
    run: &'a Run,
}

/// The centroids of the subclusters that the rows of `data` make, in the order of the leaves.
pub(super) fn subclusters(data: &Dataset, threshold: f64, branching_factor: usize, run: &Run) -> Result<Vec<f64>> {
    let (n, d) = (data.n_rows(), data.n_features());
    let root = Node { is_leaf: true, ..Node::default() };
    let mut tree =
        Tree { nodes: vec![root], root: 0, threshold, branching_factor, n_subclusters: 0, memory: Vec::new(), run };
    let mut block = Vec::new();
    for rows in ranges(n, AT_ONCE) {
        run.progress("training", rows.start as u64, n as u64);
        data.rows_into(rows, &mut block);
        for row in block.chunks_exact(d) {
            run.check()?;
            tree.take_in(Feature { n: 1.0, sum: row.to_vec(), squares: dot(row, row), child: None })?;
        }
    }
    Ok(tree.centroids())
}

impl Tree<'_> {
    fn take_in(&mut self, feature: Feature) -> Result<()> {
        if !self.insert(self.root, &feature)? {
            return Ok(());
        }
        let (one, two) = self.split(self.root);
        let mut root = Node::default();
        root.push(one);
        root.push(two);
        self.nodes.push(root);
        self.root = self.nodes.len() - 1;
        Ok(())
    }

    /// Takes `feature` into the subtree; true when the node now has too many subclusters.
    fn insert(&mut self, at: usize, feature: &Feature) -> Result<bool> {
        if self.nodes[at].features.is_empty() {
            return self.append(at, feature);
        }
        let nearest = self.nodes[at].nearest(&feature.sum);
        let Some(child) = self.nodes[at].features[nearest].child else {
            return match self.nodes[at].features[nearest].joined(feature, self.threshold) {
                Some(joined) => {
                    self.nodes[at].replace(nearest, joined);
                    Ok(false)
                }
                None => self.append(at, feature),
            };
        };
        if self.insert(child, feature)? {
            let (one, two) = self.split(child);
            self.nodes[at].replace(nearest, one);
            self.nodes[at].push(two);
            return Ok(self.nodes[at].features.len() > self.branching_factor);
        }
        let mut grown = self.nodes[at].features[nearest].clone();
        grown.add(feature);
        self.nodes[at].replace(nearest, grown);
        Ok(false)
    }

    fn append(&mut self, at: usize, feature: &Feature) -> Result<bool> {
        if self.n_subclusters.is_multiple_of(AT_ONCE) {
            let bytes = AT_ONCE * (24 * feature.sum.len() + 64);
            self.memory.push(self.run.reserve(bytes as u64, "the tree of subclusters (raise the threshold)")?);
        }
        self.n_subclusters += 1;
        self.nodes[at].push(feature.clone());
        Ok(self.nodes[at].features.len() > self.branching_factor)
    }

    /// Parts the subclusters of a node between the two that are farthest apart.
    fn split(&mut self, at: usize) -> (Feature, Feature) {
        let node = std::mem::take(&mut self.nodes[at]);
        let (first, second) = farthest(&node);
        let nearer_first: Vec<bool> =
            (0..node.features.len()).map(|i| i == first.0 || first.1[i] < second[i]).collect();
        let (one, two) = (at, self.nodes.len());
        let mut nodes = [one, two].map(|_| Node { is_leaf: node.is_leaf, ..Node::default() });
        let mut sums: [Option<Feature>; 2] = [None, None];
        for (feature, nearer_first) in node.features.into_iter().zip(nearer_first) {
            let side = usize::from(!nearer_first);
            match &mut sums[side] {
                Some(sum) => sum.add(&feature),
                none => *none = Some(Feature { child: Some([one, two][side]), ..feature.clone() }),
            }
            nodes[side].push(feature);
        }
        if node.is_leaf {
            nodes[0].previous_leaf = node.previous_leaf;
            nodes[0].next_leaf = Some(two);
            nodes[1].previous_leaf = Some(one);
            nodes[1].next_leaf = node.next_leaf;
            if let Some(next) = node.next_leaf {
                self.nodes[next].previous_leaf = Some(two);
            }
        }
        let [left, right] = nodes;
        self.nodes[one] = left;
        self.nodes.push(right);
        let d = self.nodes[one].centroids.len() / self.nodes[one].norms.len().max(1);
        let [left, right] =
            sums.map(|sum| sum.unwrap_or(Feature { n: 0.0, sum: vec![0.0; d], squares: 0.0, child: None }));
        (left, right)
    }

    fn centroids(&self) -> Vec<f64> {
        let first = (0..self.nodes.len()).find(|i| self.nodes[*i].is_leaf && self.nodes[*i].previous_leaf.is_none());
        let leaves = std::iter::successors(first, |leaf| self.nodes[*leaf].next_leaf);
        leaves.flat_map(|leaf| self.nodes[leaf].centroids.iter().copied()).collect()
    }
}

/// Of the two subclusters that are farthest apart: the first with its squared distances to all, and those of the second.
fn farthest(node: &Node) -> ((usize, Vec<f64>), Vec<f64>) {
    let n = node.norms.len();
    let d = node.centroids.len() / n;
    let centroid = |i: usize| &node.centroids[i * d..(i + 1) * d];
    let distance = |i: usize, j: usize| {
        if i == j { 0.0 } else { (node.norms[i] - 2.0 * dot(centroid(i), centroid(j)) + node.norms[j]).max(0.0) }
    };
    let mut best = (0, 0, f64::NEG_INFINITY);
    for i in 0..n {
        for j in i..n {
            let distance = distance(i, j);
            if distance > best.2 {
                best = (i, j, distance);
            }
        }
    }
    let all = |i: usize| (0..n).map(|j| distance(i, j)).collect::<Vec<f64>>();
    ((best.0, all(best.0)), all(best.1))
}
