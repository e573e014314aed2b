//! How sparse the place of a row is.

use pgml_core::{Dataset, MatrixRef, Result, Run};

use super::neighbours::{Metric, Neighbour, Neighbours};

/// Rows that are looked up at once: they share what is read of the others.
const AT_ONCE: usize = 64;

/// The distance of every row to the farthest of its `count` nearest rows, itself included; `count` is at most the
/// number of rows.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn core_distances(data: &Dataset, metric: Metric, count: usize, run: &Run) -> Result<Vec<f64>> {
    let (n, d) = (data.n_rows(), data.n_features());
    let _memory = run.reserve(8 * (n * (d + 1) + 2 * AT_ONCE * count) as u64, "the distances to near rows")?;
    let rows = data.to_rows();
    let neighbours = Neighbours::new(&rows, d, metric, run)?;
    let mut found = vec![Neighbour::NONE; AT_ONCE * count];
    let mut distances = Vec::with_capacity(n);
    for queries in rows.chunks(AT_ONCE * d) {
        run.check()?;
        run.progress("core distances", distances.len() as u64, n as u64);
        let found = &mut found[..queries.len() / d * count];
        neighbours.k_nearest(MatrixRef::new(queries, d)?, count, found);
        distances.extend(found.chunks_exact(count).map(|found| found[count - 1].distance));
    }
    Ok(distances)
}
