//! Minimum spanning trees of data rows without the matrix of their distances.

use pgml_core::{Result, Run};

use super::distance_rows::DistanceRows;

/// An edge between two rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The row that was in the tree already.
    pub from: u32,
    /// The row that the edge adds.
    pub to: u32,
    /// How long it is.
    pub length: f64,
}

/// The distance at which density joins two rows (Campello, Moulavi, Sander 2013): at least the core distance of either,
/// and their own distance divided by `alpha`.
#[derive(Debug, Clone, Copy)]
pub struct MutualReachability<'a> {
    /// One per row.
    pub core_distances: &'a [f64],
    /// What distances are divided by.
    pub alpha: f64,
}

/// What is marked as in the tree: less than any distance.
const TAKEN: f64 = -1.0;

/// The `n − 1` edges of the minimum spanning tree in the order in which Prim's algorithm adds them, from row 0 and
/// among equally near rows the first. Time is quadratic in the rows, memory linear.
///
/// # Errors
/// When the run was cancelled.
pub fn spanning_tree(
    mut points: DistanceRows,
    reachability: Option<MutualReachability<'_>>,
    run: &Run,
) -> Result<Vec<Edge>> {
    let n = points.len();
    // Per row that `points` still holds: which it is, how near the tree is, and from which row.
    let mut rows: Vec<u32> = (0..n as u32).collect();
    let mut nearest = vec![f64::INFINITY; n];
    let mut sources = vec![0_u32; n];
    let mut distances = vec![0.0; n];
    let mut edges = Vec::with_capacity(n.saturating_sub(1));
    let mut current = 0;
    for step in 1..n {
        run.check()?;
        if step % 1024 == 0 {
            run.progress("training", step as u64, n as u64);
        }
        nearest[current] = TAKEN;
        let row = rows[current];
        points.distances_into(&points.row(current), 0, &mut distances);
        if let Some(MutualReachability { core_distances, alpha }) = reachability {
            let own = core_distances[row as usize];
            for (distance, other) in distances.iter_mut().zip(&rows) {
                *distance = (*distance / alpha).max(own).max(core_distances[*other as usize]);
            }
        }
        current = approach(&distances, row, &mut nearest, &mut sources);
        edges.push(Edge { from: sources[current], to: rows[current], length: nearest[current] });
        // Half of what is held is in the tree: measuring to it again would be in vain.
        if 2 * (n - step) < rows.len() {
            let kept: Vec<u32> = (0..rows.len() as u32).filter(|slot| nearest[*slot as usize] >= 0.0).collect();
            points.keep(&kept);
            current = kept.binary_search(&(current as u32)).unwrap_or(0);
            rows = kept.iter().map(|slot| rows[*slot as usize]).collect();
            sources = kept.iter().map(|slot| sources[*slot as usize]).collect();
            nearest = kept.iter().map(|slot| nearest[*slot as usize]).collect();
            distances.truncate(kept.len());
        }
    }
    Ok(edges)
}

/// Takes note of the distances to a new row of the tree; returns the slot that is now nearest, the first of equals.
fn approach(distances: &[f64], row: u32, nearest: &mut [f64], sources: &mut [u32]) -> usize {
    let mut best = (usize::MAX, f64::INFINITY);
    for (slot, ((distance, near), source)) in distances.iter().zip(nearest).zip(sources).enumerate() {
        if *distance < *near {
            *near = *distance;
            *source = row;
        }
        if *near != TAKEN && (*near < best.1 || best.0 == usize::MAX) {
            best = (slot, *near);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use pgml_core::Dataset;

    use super::super::neighbours::Metric;
    use super::*;

    #[test]
    fn the_tree_joins_each_row_to_its_nearest_and_islands_once() {
        let data = Dataset::from_rows(&[0.0, 10.0, 1.0, 12.0, 3.0], 1).expect("five rows");
        let points = DistanceRows::new(&data, Metric::Euclidean, &Run::new()).expect("memory");
        let edges = spanning_tree(points, None, &Run::new()).expect("a tree");
        let edges: Vec<_> = edges.iter().map(|e| (e.from, e.to, e.length)).collect();
        assert_eq!(edges, [(0, 2, 1.0), (2, 4, 2.0), (4, 1, 7.0), (1, 3, 2.0)]);
    }

    #[test]
    fn rows_in_sparse_places_are_as_far_as_their_core_distance() {
        let data = Dataset::from_rows(&[0.0, 1.0, 2.0], 1).expect("three rows");
        let points = DistanceRows::new(&data, Metric::Euclidean, &Run::new()).expect("memory");
        let reachability = MutualReachability { core_distances: &[1.0, 1.0, 5.0], alpha: 0.5 };
        let edges = spanning_tree(points, Some(reachability), &Run::new()).expect("a tree");
        assert_eq!(edges.iter().map(|e| e.length).collect::<Vec<_>>(), [2.0, 5.0]);
    }
}
