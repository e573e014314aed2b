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

/// What is marked as in the tree: less than any distance.
const TAKEN: f64 = -1.0;

/// The `n − 1` edges of the minimum spanning tree in the order in which Prim's algorithm adds them, from row 0 and
/// among equally near rows the first. Time is quadratic in the rows, memory linear.
///
/// `measure` turns the distances of a row that joins the tree to others (both named by their numbers) into what counts:
/// infinity where they must not be joined. Rows that are not reached otherwise are added by edges of that length.
///
/// # Errors
/// When the run was cancelled.
pub fn spanning_tree(
    mut points: DistanceRows,
    run: &Run,
    mut measure: impl FnMut(u32, &[u32], &mut [f64]),
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
        measure(row, &rows, &mut distances);
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
        let edges = spanning_tree(points, &Run::new(), |_, _, _| {}).expect("a tree");
        let edges: Vec<_> = edges.iter().map(|e| (e.from, e.to, e.length)).collect();
        assert_eq!(edges, [(0, 2, 1.0), (2, 4, 2.0), (4, 1, 7.0), (1, 3, 2.0)]);
    }

    #[test]
    fn rows_that_must_not_be_joined_follow_at_infinity_in_their_order() {
        let data = Dataset::from_rows(&[0.0, 9.0, 1.0, 8.0], 1).expect("four rows");
        let points = DistanceRows::new(&data, Metric::Euclidean, &Run::new()).expect("memory");
        let only_near = |_: u32, _: &[u32], distances: &mut [f64]| {
            distances.iter_mut().filter(|x| **x > 2.0).for_each(|x| *x = f64::INFINITY);
        };
        let edges = spanning_tree(points, &Run::new(), only_near).expect("a tree");
        let edges: Vec<_> = edges.iter().map(|e| (e.to, e.length)).collect();
        assert_eq!(edges, [(2, 1.0), (1, f64::INFINITY), (3, 1.0)]);
    }
}
