//! The hierarchy of clusters that have enough rows.

use std::collections::VecDeque;

use crate::solvers::spanning_tree::Edge;

/// The number of the cluster of all rows.
pub(super) const ROOT: usize = 0;

/// A cluster of the hierarchy. Parents come before their children.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cluster {
    pub parent: usize,
    pub children: Vec<usize>,
    pub n_rows: usize,
    /// The density (one by distance) at which it parts from its parent.
    pub birth: f64,
    /// The greatest density at which a row or a child leaves it.
    pub death: f64,
    /// The sum over its rows of the density from its birth until they leave it.
    pub stability: f64,
}

/// Clusters, and where rows fall out of them.
pub(super) struct Condensed {
    pub clusters: Vec<Cluster>,
    /// By row: the cluster it falls out of last, and at what density.
    pub falls: Vec<(usize, f64)>,
}

/// Merges of single linkage: node `n + i` is made of the two of merge `i`.
struct Dendrogram {
    n: usize,
    children: Vec<(usize, usize)>,
    sizes: Vec<usize>,
}

impl Dendrogram {
    fn new(edges: &[Edge]) -> Self {
        let n = edges.len() + 1;
        let mut parents: Vec<usize> = (0..n + edges.len()).collect();
        let mut sizes = vec![1; n];
        let mut children = Vec::with_capacity(edges.len());
        for (i, edge) in edges.iter().enumerate() {
            let (a, b) = (top(&mut parents, edge.from as usize), top(&mut parents, edge.to as usize));
            parents[a] = n + i;
            parents[b] = n + i;
            sizes.push(sizes[a] + sizes[b]);
            children.push((a, b));
        }
        Self { n, children, sizes }
    }

    /// The rows under a node.
    fn rows(&self, node: usize) -> Vec<usize> {
        let (mut rows, mut left) = (Vec::with_capacity(self.sizes[node]), vec![node]);
        while let Some(node) = left.pop() {
            match node.checked_sub(self.n) {
                None => rows.push(node),
                Some(merge) => left.extend([self.children[merge].1, self.children[merge].0]),
            }
        }
        rows
    }
}

/// The node that has no parent above `node`; shortens the way there.
fn top(parents: &mut [usize], mut node: usize) -> usize {
    while parents[node] != node {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    node
}

/// Follows the hierarchy of the edges (ascending) from all rows downwards. Where both parts have `least` rows, they are
/// new clusters; a smaller part only falls out, and what is left stays the cluster that it was.
pub(super) fn condense(edges: &[Edge], least: usize) -> Condensed {
    let tree = Dendrogram::new(edges);
    let root = Cluster { parent: ROOT, children: vec![], n_rows: tree.n, birth: 0.0, death: 0.0, stability: 0.0 };
    let mut condensed = Condensed { clusters: vec![root], falls: vec![(ROOT, 0.0); tree.n] };
    let mut queue = VecDeque::from([(tree.n + edges.len() - 1, ROOT)]);
    while let Some((node, cluster)) = queue.pop_front() {
        let (left, right) = tree.children[node - tree.n];
        let length = edges[node - tree.n].length;
        let density = if length > 0.0 { 1.0 / length } else { f64::INFINITY };
        let parts = [left, right].map(|part| (part, tree.sizes[part] >= least));
        let splits = parts.iter().all(|(_, is_large)| *is_large);
        for (part, is_large) in parts {
            if splits {
                let child = condensed.part(cluster, density, tree.sizes[part]);
                queue.push_back((part, child));
            } else if is_large {
                queue.push_back((part, cluster));
            } else {
                for row in tree.rows(part) {
                    condensed.leave(cluster, density, 1);
                    condensed.falls[row] = (cluster, density);
                }
            }
        }
    }
    condensed
}

impl Condensed {
    /// `n_rows` leave a cluster.
    fn leave(&mut self, cluster: usize, density: f64, n_rows: usize) {
        let cluster = &mut self.clusters[cluster];
        cluster.stability += (density - cluster.birth) * n_rows as f64;
        cluster.death = cluster.death.max(density);
    }

    /// `n_rows` leave a cluster for one of their own.
    fn part(&mut self, parent: usize, density: f64, n_rows: usize) -> usize {
        self.leave(parent, density, n_rows);
        let child = self.clusters.len();
        self.clusters[parent].children.push(child);
        self.clusters.push(Cluster { parent, children: vec![], n_rows, birth: density, death: 0.0, stability: 0.0 });
        child
    }
}
