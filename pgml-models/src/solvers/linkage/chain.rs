//! The nearest-neighbour chain over half a matrix of distances.

use pgml_core::run::Reservation;
use pgml_core::{Result, Run};

use super::{Linkage, Merge};
use crate::solvers::distance_rows::{DistanceRows, too_large};
use crate::solvers::reserved::zeros;

/// The distances between rows `i < j`, row after row.
struct HalfMatrix {
    n: usize,
    distances: Vec<f64>,
    _memory: Reservation,
}

impl HalfMatrix {
    fn new(points: &DistanceRows, run: &Run) -> Result<Self> {
        let n = points.len();
        let what = "the matrix of distances between rows (linkage single and, of many rows, ward do without)";
        let (mut distances, memory) = zeros(n * (n - 1) / 2, what, run)?;
        let mut rest = distances.as_mut_slice();
        for i in 0..n - 1 {
            run.check()?;
            let (row, below) = rest.split_at_mut(n - 1 - i);
            points.distances_into(&points.row(i), i + 1, row);
            rest = below;
        }
        Ok(Self { n, distances, _memory: memory })
    }

    /// Where row `i` would begin if it had a value for column 0.
    fn begin(&self, i: usize) -> usize {
        (i * (2 * self.n - 1 - i) / 2).wrapping_sub(i + 1)
    }

    fn index(&self, i: usize, j: usize) -> usize {
        let (i, j) = (i.min(j), i.max(j));
        self.begin(i).wrapping_add(j)
    }

    fn get(&self, i: usize, j: usize) -> f64 {
        self.distances[self.index(i, j)]
    }
}

/// The merges of every linkage but the single one in the order in which the chain finds them (Murtagh 1983).
///
/// A chain leads from any cluster to its nearest, and on, until two are each other's nearest: they merge. The first of
/// equally near clusters counts, the one before in the chain before all others.
pub(super) fn merges(points: DistanceRows, linkage: Linkage, run: &Run) -> Result<Vec<Merge>> {
    let n = points.len();
    let mut matrix = HalfMatrix::new(&points, run)?;
    drop(points);
    let mut sizes = vec![1.0_f64; n];
    // The clusters that are left, ascending; one is named by the last of the two it was made of.
    let mut left: Vec<u32> = (0..n as u32).collect();
    let mut chain: Vec<usize> = Vec::new();
    let mut merges = Vec::with_capacity(n - 1);
    while left.len() > 1 {
        run.check()?;
        run.progress("training", merges.len() as u64, n as u64);
        if chain.is_empty() {
            chain.push(left[0] as usize);
        }
        let (x, y, distance) = follow(&mut chain, &matrix, &left, run)?;
        let (gone, kept) = (x.min(y), x.max(y));
        merges.push(Merge { a: gone as u32, b: kept as u32, distance });
        left.retain(|cluster| *cluster as usize != gone);
        update(&mut matrix, linkage, (&left, &sizes), (gone, kept, distance));
        sizes[kept] += sizes[gone];
    }
    Ok(merges)
}

/// Follows the chain to its end and takes the last two clusters off it.
fn follow(chain: &mut Vec<usize>, matrix: &HalfMatrix, left: &[u32], run: &Run) -> Result<(usize, usize, f64)> {
    loop {
        run.check()?;
        let x = chain[chain.len() - 1];
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        let begin = before.map_or((x, f64::INFINITY), |y| (y, matrix.get(x, y)));
        let (y, distance) = nearest(x, begin, matrix, left);
        if !distance.is_finite() {
            return Err(too_large());
        }
        if before == Some(y) {
            chain.truncate(chain.len() - 2);
            return Ok((x, y, distance));
        }
        chain.push(y);
    }
}

fn nearest(x: usize, begin: (usize, f64), matrix: &HalfMatrix, left: &[u32]) -> (usize, f64) {
    let mut best = begin;
    let at = left.partition_point(|cluster| (*cluster as usize) < x);
    for i in left[..at].iter().map(|i| *i as usize) {
        let distance = matrix.distances[matrix.begin(i).wrapping_add(x)];
        if distance < best.1 || best.0 == x {
            best = (i, distance);
        }
    }
    let row = matrix.begin(x);
    for i in left[at + 1..].iter().map(|i| *i as usize) {
        let distance = matrix.distances[row.wrapping_add(i)];
        if distance < best.1 || best.0 == x {
            best = (i, distance);
        }
    }
    best
}

/// Gives `kept` the distances of the cluster that it now is (Lance, Williams 1967). `left` holds `kept` still.
///
/// The order of the operations is scipy's: which of two distances is less may hang on the last bit where rows repeat.
fn update(
    matrix: &mut HalfMatrix,
    linkage: Linkage,
    (left, sizes): (&[u32], &[f64]),
    (gone, kept, distance): (usize, usize, f64),
) {
    let (m, n) = (sizes[gone], sizes[kept]);
    for i in left.iter().map(|i| *i as usize).filter(|i| *i != kept) {
        let (a, b) = (matrix.get(i, gone), matrix.get(i, kept));
        let at = matrix.index(i, kept);
        matrix.distances[at] = match linkage {
            Linkage::Average => (m * a + n * b) / (m + n),
            Linkage::Ward => {
                let t = 1.0 / (m + n + sizes[i]);
                let squared =
                    (sizes[i] + m) * t * a * a + (sizes[i] + n) * t * b * b - sizes[i] * t * distance * distance;
                squared.max(0.0).sqrt()
            }
            Linkage::Complete | Linkage::Single => a.max(b),
        };
    }
}
