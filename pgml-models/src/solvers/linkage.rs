//! Hierarchies of merges: clusters that begin as single rows and join two by two, the nearest first.

mod chain;
mod ward;

use pgml_core::{Dataset, Result, Run, bail};

use super::distance_rows::DistanceRows;
use super::neighbours::Metric;
use super::spanning_tree::spanning_tree;
use super::union_find::UnionFind;

/// How far apart two clusters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// By how much the variance within clusters would grow.
    Ward,
    /// As far as their farthest rows.
    Complete,
    /// As far as their rows are on average.
    Average,
    /// As far as their nearest rows.
    Single,
}

impl Linkage {
    /// The linkage called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](pgml_core::ErrorKind::InvalidParameter), listing the names.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "ward" => Ok(Self::Ward),
            "complete" => Ok(Self::Complete),
            "average" => Ok(Self::Average),
            "single" => Ok(Self::Single),
            other => bail!(InvalidParameter, "unknown linkage \"{other}\"; known are ward, complete, average, single"),
        }
    }
}

/// Up to how many rows Ward's linkage keeps the matrix of distances, of 64 MiB then.
pub const FEW_ROWS: usize = 4096;

/// Two clusters become one. Each is named by one of its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// A row of the one.
    pub a: u32,
    /// A row of the other.
    pub b: u32,
    /// How far apart they were.
    pub distance: f64,
}

/// The `n − 1` merges that make one cluster of all rows, by ascending distance; of equal distance in the order in which
/// the method finds them, which is scipy's. Ward's linkage is Euclidean whatever `metric` says.
///
/// Complete and average linkage take half a matrix of distances, single linkage memory linear in the rows. So does
/// Ward's linkage of more than [`FEW_ROWS`], whose ties then resolve by distances of centroids instead of scipy's updates.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn merges(data: &Dataset, linkage: Linkage, metric: Metric, run: &Run) -> Result<Vec<Merge>> {
    if linkage == Linkage::Ward && data.n_rows() > FEW_ROWS {
        return Ok(sorted(ward::merges(data, run)?));
    }
    Ok(sorted(merges_of(DistanceRows::new(data, metric, run)?, linkage, run)?))
}

/// As [`merges`], of the features of `data` in the place of rows.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn merges_of_features(data: &Dataset, linkage: Linkage, metric: Metric, run: &Run) -> Result<Vec<Merge>> {
    if linkage == Linkage::Ward && data.n_features() > FEW_ROWS {
        let _memory = run.reserve(24 * (data.n_rows() * data.n_features()) as u64, "the features as rows")?;
        let features: Vec<f64> = data.features().iter().flat_map(|feature| feature.values.iter()).collect();
        return merges(&Dataset::from_rows(&features, data.n_rows())?, linkage, metric, run);
    }
    Ok(sorted(merges_of(DistanceRows::of_features(data, metric, run)?, linkage, run)?))
}

fn merges_of(points: DistanceRows, linkage: Linkage, run: &Run) -> Result<Vec<Merge>> {
    match linkage {
        Linkage::Single => by_nearest_rows(points, run),
        Linkage::Ward | Linkage::Complete | Linkage::Average => chain::merges(points, linkage, run),
    }
}

fn sorted(mut merges: Vec<Merge>) -> Vec<Merge> {
    merges.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    merges
}

/// Single linkage merges along the minimum spanning tree. In the order in which the tree grows, each row joins the
/// one added before it (Müllner 2011): the same clusters, whose ties then resolve as scikit-learn's.
fn by_nearest_rows(points: DistanceRows, run: &Run) -> Result<Vec<Merge>> {
    let edges = spanning_tree(points, run, |_, _, _| {})?;
    let before = std::iter::once(0).chain(edges.iter().map(|edge| edge.to));
    Ok(before.zip(&edges).map(|(a, edge)| Merge { a, b: edge.to, distance: edge.length }).collect())
}

/// The clusters that are left after the first `n − n_clusters` of the merges of `n` rows, numbered in the order of
/// their first rows.
#[must_use]
pub fn cut(merges: &[Merge], n_clusters: usize) -> Vec<i32> {
    let n = merges.len() + 1;
    let mut sets = UnionFind::new(n);
    merges[..n.saturating_sub(n_clusters)].iter().for_each(|merge| sets.join(merge.a, merge.b));
    sets.numbered(&(0..n as u32).collect::<Vec<u32>>(), n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wards_linkage_is_the_same_by_centroids_as_by_the_matrix() {
        let mut rng = fastrand::Rng::with_seed(2);
        let rows: Vec<f64> = (0..900).map(|_| rng.f64()).collect();
        let data = Dataset::from_rows(&rows, 3).expect("whole rows");
        let by_matrix = merges(&data, Linkage::Ward, Metric::Euclidean, &Run::new()).expect("merges");
        let mut by_centroids = ward::merges(&data, &Run::new()).expect("merges");
        by_centroids.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        for (a, b) in by_matrix.iter().zip(&by_centroids) {
            assert_eq!((a.a, a.b), (b.a, b.b));
            assert!((a.distance - b.distance).abs() < 1e-12);
        }
    }

    /// Rows at 0, 1, 3, 7 and 8 on a line.
    fn distances(linkage: Linkage) -> Vec<f64> {
        let data = Dataset::from_rows(&[0.0, 7.0, 1.0, 8.0, 3.0], 1).expect("five rows");
        let merges = merges(&data, linkage, Metric::Euclidean, &Run::new()).expect("merges");
        assert_eq!(cut(&merges, 2), [0, 1, 0, 1, 0], "{linkage:?}");
        assert_eq!(cut(&merges, 3), [0, 1, 0, 1, 2], "{linkage:?}");
        assert_eq!(cut(&merges, 5), [0, 1, 2, 3, 4], "{linkage:?}");
        merges.iter().map(|merge| merge.distance).collect()
    }

    #[test]
    fn every_linkage_measures_clusters_by_its_rule() {
        assert_eq!(distances(Linkage::Single), [1.0, 1.0, 2.0, 4.0]);
        assert_eq!(distances(Linkage::Complete), [1.0, 1.0, 3.0, 8.0]);
        assert_eq!(distances(Linkage::Average), [1.0, 1.0, 2.5, 37.0 / 6.0]);
        // √(2 · 2 · 1 / 3) · 2.5 and √(2 · 3 · 2 / 5) · (7.5 − 4/3).
        let expected = [1.0, 1.0, (4.0_f64 / 3.0).sqrt() * 2.5, (12.0_f64 / 5.0).sqrt() * (7.5 - 4.0 / 3.0)];
        for (ours, expected) in distances(Linkage::Ward).iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-12, "{ours} is not {expected}");
        }
    }
}
