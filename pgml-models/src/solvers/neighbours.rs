//! Which rows lie nearest to a point, and which within a radius: exact, by a k-d tree (Bentley 1975) where there are few
//! features, else by comparing with every row.
//!
//! Rows at equal distance come in the order of the rows that were given, however they are searched.

mod build;
mod metric;
mod stored;

pub use metric::Metric;

use std::ops::Range;

use pgml_core::{MatrixRef, Shared};

use super::packets::LANES;

/// Most packets in a leaf.
const LEAF_PACKETS: usize = 4;
/// Packets that stay in the first-level cache while several queries are compared with them.
const BLOCK_PACKETS: usize = 16;
/// A bound is a sum in another order than the distance: it may be too large by rounding.
const SLACK: f64 = 1.0 - 1e-12;

/// A row that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// How far it is from the query.
    pub distance: f64,
    /// Its position among the rows that were given.
    pub index: u32,
}

impl Neighbour {
    /// What stands where no row was found yet.
    pub const NONE: Self = Self { distance: f64::INFINITY, index: u32::MAX };

    fn is_before(&self, other: &Self) -> bool {
        self.distance < other.distance || (self.distance == other.distance && self.index < other.index)
    }
}

/// Rows that can be searched.
///
/// They lie in the order of the tree's leaves, in packets of eight: within a packet feature by feature, so that one
/// instruction compares one feature of several rows. The last packet is filled up with its last row.
#[derive(Debug, Clone)]
pub struct Neighbours {
    metric: Metric,
    d: usize,
    /// The position of each row among those that were given.
    order: Shared<u32>,
    /// `n_packets × width × LANES`.
    packets: Shared<f64>,
    /// The levels below the root.
    depth: u32,
    /// For each node (the children of `i` are `2 i + 1` and `2 i + 2`) the lower and upper corner of its rows; empty
    /// without a tree.
    boxes: Shared<f64>,
}

impl Neighbours {
    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.order.len()
    }

    /// How many features each has.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.d
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Bytes of this process's own memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.order.private_bytes() + self.packets.private_bytes() + self.boxes.private_bytes()
    }

    /// The `k` nearest rows of each of `queries`, nearest first, into `found`: `n_queries × k`, where `k` is at most
    /// [`Neighbours::n_rows`]. Give some dozens of queries at once: they share what is read of the rows.
    pub fn k_nearest(&self, queries: MatrixRef<'_>, k: usize, found: &mut [Neighbour]) {
        debug_assert!(k <= self.n_rows() && found.len() == queries.n_rows() * k, "room for {k} of each query");
        found.fill(Neighbour::NONE);
        if k == 0 {
            return;
        }
        let queries = self.metric.prepared(queries.as_slice(), self.d);
        let queries = queries.chunks_exact(self.metric.width(self.d));
        let mut distances = [0.0; BLOCK_PACKETS * LANES];
        if self.boxes.is_empty() {
            for packets in self.blocks() {
                for (query, found) in queries.clone().zip(found.chunks_exact_mut(k)) {
                    self.scan(&packets, query, &mut distances, &mut Nearest(found));
                }
            }
        } else {
            for (query, found) in queries.zip(found.chunks_exact_mut(k)) {
                self.descend(query, &mut distances, &mut Nearest(found));
            }
        }
        found.iter_mut().for_each(|found| found.distance = self.metric.distance(found.distance));
    }

    /// The rows at most `radius` from `query`, ascending by index, into `found`.
    pub fn within_radius(&self, query: &[f64], radius: f64, found: &mut Vec<Neighbour>) {
        found.clear();
        let prepared = self.metric.prepared(query, self.d);
        let mut distances = [0.0; BLOCK_PACKETS * LANES];
        let mut within = Within { limit: self.metric.reduced(radius), found };
        if self.boxes.is_empty() {
            self.blocks().for_each(|packets| self.scan(&packets, &prepared, &mut distances, &mut within));
        } else {
            self.descend(&prepared, &mut distances, &mut within);
        }
        found.sort_unstable_by_key(|found| found.index);
        found.iter_mut().for_each(|found| found.distance = self.metric.distance(found.distance));
    }

    fn n_packets(&self) -> usize {
        self.order.len().div_ceil(LANES)
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let n = self.n_packets();
        (0..n).step_by(BLOCK_PACKETS).map(move |first| first..(first + BLOCK_PACKETS).min(n))
    }

    /// Offers every row of `packets` that may be kept.
    fn scan(&self, packets: &Range<usize>, query: &[f64], distances: &mut [f64], keep: &mut impl Keep) {
        let width = self.metric.width(self.d) * LANES;
        let distances = &mut distances[..packets.len() * LANES];
        self.metric.to_packets(&self.packets[packets.start * width..packets.end * width], query, distances);
        let (eights, _) = distances.as_chunks::<LANES>();
        for (eight, order) in eights.iter().zip(self.order[packets.start * LANES..].chunks(LANES)) {
            let limit = keep.limit();
            if eight.iter().fold(false, |any, distance| any | (*distance <= limit)) {
                eight.iter().zip(order).for_each(|(distance, index)| keep.offer(*distance, *index));
            }
        }
    }

    fn descend(&self, query: &[f64], distances: &mut [f64], keep: &mut impl Keep) {
        self.visit(0, self.depth, 0..self.n_packets(), query, distances, keep);
    }

    /// Searches the nearer child first, and the other one unless all that it has is too far.
    fn visit(
        &self,
        node: usize,
        levels: u32,
        packets: Range<usize>,
        query: &[f64],
        distances: &mut [f64],
        keep: &mut impl Keep,
    ) {
        if levels == 0 {
            self.scan(&packets, query, distances, keep);
            return;
        }
        let (left, right) = build::halves(&packets);
        let left = (2 * node + 1, left, self.bound(2 * node + 1, query));
        let right = (2 * node + 2, right, self.bound(2 * node + 2, query));
        let ordered = if right.2 < left.2 { [right, left] } else { [left, right] };
        for (child, packets, bound) in ordered {
            if bound * SLACK <= keep.limit() {
                self.visit(child, levels - 1, packets, query, distances, keep);
            }
        }
    }

    fn bound(&self, node: usize, query: &[f64]) -> f64 {
        let width = self.metric.width(self.d);
        let (low, high) = self.boxes[2 * width * node..2 * width * (node + 1)].split_at(width);
        self.metric.to_box(query, low, high)
    }
}

/// What a search keeps.
trait Keep {
    /// The largest distance that may still be kept.
    fn limit(&self) -> f64;
    /// Keeps a row if it belongs.
    fn offer(&mut self, distance: f64, index: u32);
}

/// The nearest so far, nearest first.
struct Nearest<'a>(&'a mut [Neighbour]);

impl Keep for Nearest<'_> {
    fn limit(&self) -> f64 {
        self.0[self.0.len() - 1].distance
    }

    fn offer(&mut self, distance: f64, index: u32) {
        let (new, last) = (Neighbour { distance, index }, self.0.len() - 1);
        if !new.is_before(&self.0[last]) {
            return;
        }
        let mut place = last;
        while place > 0 && new.is_before(&self.0[place - 1]) {
            self.0[place] = self.0[place - 1];
            place -= 1;
        }
        self.0[place] = new;
    }
}

/// All that are near enough.
struct Within<'a> {
    limit: f64,
    found: &'a mut Vec<Neighbour>,
}

impl Keep for Within<'_> {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn offer(&mut self, distance: f64, index: u32) {
        if distance <= self.limit {
            self.found.push(Neighbour { distance, index });
        }
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Run;

    use super::*;

    const METRICS: [Metric; 5] =
        [Metric::Euclidean, Metric::Manhattan, Metric::Chebyshev, Metric::Minkowski(3.0), Metric::Cosine];

    /// Whole numbers, so that many distances are equal.
    fn rows(n: usize, d: usize) -> Vec<f64> {
        let mut rng = Run::new().with_seed(5).rng(0);
        (0..n * d).map(|_| f64::from(rng.i32(-3..4))).collect()
    }

    fn distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
        let gaps = || a.iter().zip(b).map(|(a, b)| (a - b).abs());
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match metric {
            Metric::Euclidean => gaps().map(|g| g * g).sum::<f64>().sqrt(),
            Metric::Manhattan => gaps().sum(),
            Metric::Chebyshev => gaps().fold(0.0, f64::max),
            Metric::Minkowski(p) => gaps().map(|g| g.powf(p)).sum::<f64>().powf(1.0 / p),
            Metric::Cosine if a == b => 0.0,
            Metric::Cosine => {
                let lengths = (product(a, a) * product(b, b)).sqrt();
                if lengths > 0.0 { 1.0 - product(a, b) / lengths } else { 1.0 }
            }
        }
    }

    fn all_sorted(metric: Metric, rows: &[f64], d: usize, query: &[f64]) -> Vec<Neighbour> {
        let mut all: Vec<Neighbour> = (0..)
            .zip(rows.chunks_exact(d))
            .map(|(index, row)| Neighbour { distance: distance(metric, query, row), index })
            .collect();
        all.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        all
    }

    #[test]
    fn trees_and_scans_find_what_sorting_finds() {
        for (n, d) in [(1, 1), (7, 2), (300, 1), (500, 3), (200, 18)] {
            let (rows, queries) = (rows(n, d), rows(n + 9, d)[n * d..].to_vec());
            for metric in METRICS {
                let neighbours = Neighbours::new(&rows, d, metric, &Run::new()).expect("no limit");
                let k = n.min(10);
                let mut found = vec![Neighbour::NONE; 9 * k];
                neighbours.k_nearest(MatrixRef::new(&queries, d).expect("whole rows"), k, &mut found);
                for (query, found) in queries.chunks_exact(d).zip(found.chunks_exact(k)) {
                    let sorted = all_sorted(metric, &rows, d, query);
                    for (found, expected) in found.iter().zip(&sorted) {
                        assert!((found.distance - expected.distance).abs() < 1e-12, "{metric:?} {n} × {d}");
                    }
                    let radius = sorted[k - 1].distance + 1e-9;
                    let mut within = Vec::new();
                    neighbours.within_radius(query, radius, &mut within);
                    assert_eq!(within.len(), sorted.iter().filter(|s| s.distance <= radius).count(), "{metric:?}");
                    assert!(within.is_sorted_by_key(|found| found.index));
                }
            }
        }
    }

    #[test]
    fn of_rows_equally_far_the_first_given_comes_first() {
        for d in [2, 20] {
            let neighbours = Neighbours::new(&vec![1.5; 300 * d], d, Metric::Euclidean, &Run::new()).expect("no limit");
            let mut found = vec![Neighbour::NONE; 5];
            neighbours.k_nearest(MatrixRef::new(&vec![0.0; d], d).expect("a row"), 5, &mut found);
            assert_eq!(found.iter().map(|f| f.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        }
    }
}
