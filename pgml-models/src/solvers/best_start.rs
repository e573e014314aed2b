//! k-means of rows that an algorithm made, from the best of several starts.

use pgml_core::{Dataset, Result, Run, bail};

use super::lloyd::{Clustering, Points};
use super::nearest::nearest;
use super::seeding;

/// Where k-means starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeding {
    /// Greedy k-means++.
    PlusPlus,
    /// Any rows.
    Rows,
}

impl Seeding {
    /// The start that scikit-learn calls `name`: `"random"` or any other for k-means++.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name == "random" { Self::Rows } else { Self::PlusPlus }
    }
}

/// Cluster numbers of rows, and the centres.
#[derive(Debug, Clone)]
pub struct Clusters {
    /// One per row.
    pub labels: Vec<i32>,
    /// One row per cluster.
    pub centres: Vec<f64>,
}

/// The best of `n_init` clusterings of the row-major `rows` of `d` features, at most 300 iterations each. `stream` tells
/// the random numbers of several calls in one run apart.
///
/// # Errors
/// When there are fewer rows than clusters, the run was cancelled or its memory does not suffice.
pub fn best_clustering(
    rows: &[f64],
    d: usize,
    k: usize,
    (seeding, n_init): (Seeding, u32),
    stream: u64,
    run: &Run,
) -> Result<Clusters> {
    let data = Dataset::from_rows(rows, d)?;
    if data.n_rows() < k {
        bail!(InvalidData, "{k} clusters need at least {k} rows, not {}", data.n_rows());
    }
    let points = Points::new(&data, run)?;
    let tol = 1e-4 * points.centring.mean_variance();
    let mut best: Option<Clustering> = None;
    for start in 0..n_init {
        run.check()?;
        let mut rng = run.rng((stream << 32) + u64::from(start));
        let centres = match seeding {
            Seeding::PlusPlus => seeding::plus_plus(&points, k, &mut rng, run)?,
            Seeding::Rows => seeding::random_rows(&points, k, &mut rng, run)?,
        };
        let found = points.lloyd(centres, tol, 300, run)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    let Some(best) = best else { bail!(Internal, "k-means made no start") };
    let centres = points.centring.uncentred(best.centres);
    let mut labels = Vec::with_capacity(data.n_rows());
    for rows in rows.chunks(1024 * d) {
        run.check()?;
        labels.extend(rows.chunks_exact(d).map(|row| nearest(row, &centres).0 as i32));
    }
    Ok(Clusters { labels, centres })
}
