//! Spectral co-clustering of rows and features.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::labelled_rows::LabelledRows;
use crate::solvers::balanced::{Balanced, balance, raise};
use crate::solvers::best_start::{Seeding, best_clustering};
use crate::solvers::neighbours::Metric;
use crate::solvers::product::product_transposed;
use crate::solvers::row_space::RowSpace;

hyperparams! {
    /// Parameters of `spectral_co`.
    pub struct SpectralCoParams {
        /// How many clusters of rows and features.
        n_clusters: u32 = 3, range: at_least(1.0);
        /// Where k-means starts.
        init: String = "k-means++".to_owned(), choices: ["k-means++", "random"];
        /// How many starts of k-means to try.
        n_init: u32 = 10, range: at_least(1.0);
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: the decomposition is exact.
        svd_method: String = "randomized".to_owned(), choices: ["randomized", "arpack"], no_effect: true;
        /// Accepted for compatibility: the decomposition is exact.
        n_svd_vecs: Option<u32> = None, no_effect: true;
    }
}

/// Spectral co-clustering.
pub struct SpectralCo;

impl Estimator for SpectralCo {
    const NAME: &'static str = "spectral_co";
    const DESCRIPTION: &'static str = "Clusters rows by the features they are high in, such as documents by words; answers the clusters of rows. A new \
         row gets the cluster of the nearest training row.";
    const SOURCE: &'static str = "Dhillon 2001; scikit-learn 1.9 SpectralCoclustering";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = SpectralCoParams;
    type Model = LabelledRows;

    fn fit(params: &SpectralCoParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        let (n, d, k) = (data.n_rows(), data.n_features(), params.n_clusters as usize);
        if n < k {
            bail!(InvalidData, "spectral_co with {k} clusters needs at least {k} rows, not {n}");
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let _memory = run.reserve(32 * (n * d) as u64, "the table of features")?;
        let n_vectors = (k as f64).log2().ceil() as usize;
        let (places, n_components) = places(data, n_vectors, run)?;
        let labels = if n_components == 0 {
            // One cluster, or nothing that tells rows apart.
            vec![0; n]
        } else {
            let start = (Seeding::named(&params.init), params.n_init);
            let mut labels = best_clustering(&places, n_components, k, start, 0, run)?.labels;
            labels.truncate(n);
            labels
        };
        LabelledRows::new(data, labels, Metric::Euclidean, run)
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}

/// Where singular vectors of the balanced table, from the second on, place rows and then features: row-major, with how
/// many numbers each has.
fn places(data: &Dataset, n_vectors: usize, run: &Run) -> Result<(Vec<f64>, usize)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let mut cells = data.to_rows();
    raise(&mut cells, 0.0);
    let Balanced { cells, rows, columns } = balance(cells, d, run)?;
    if cells.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the table overflows: features are too large, scale them in preprocess");
    }
    let space = RowSpace::of(&Dataset::from_rows(&cells, d)?, false, run)?;
    let k = n_vectors.min(n.min(d).saturating_sub(1));
    if k == 0 {
        return Ok((Vec::new(), 0));
    }
    let right = &space.vectors[d..(k + 1) * d];
    let mut places = product_transposed(&cells, right, d, run)?;
    for (place, row) in places.chunks_exact_mut(k).zip(&rows) {
        place.iter_mut().zip(&space.s[1..]).for_each(|(x, s)| *x *= if *s > 0.0 { row / s } else { 0.0 });
    }
    places.extend((0..d).flat_map(|j| (0..k).map(move |c| (c, j))).map(|(c, j)| right[c * d + j] * columns[j]));
    Ok((places, k))
}
