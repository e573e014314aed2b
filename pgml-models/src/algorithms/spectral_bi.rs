//! Spectral biclustering of tables with a checkerboard structure.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::labelled_rows::LabelledRows;
use crate::solvers::balanced::{balance, bistochastic, log_interactions, raise};
use crate::solvers::best_start::{Seeding, best_clustering};
use crate::solvers::neighbours::Metric;
use crate::solvers::product::product_transposed;
use crate::solvers::row_space::RowSpace;

hyperparams! {
    /// Parameters of `spectral_bi`.
    pub struct SpectralBiParams {
        /// How many clusters of rows and of features: one number for both, or an array of two.
        n_clusters: Value = Value::from(3);
        /// How the table is brought to one scale: bistochastic, scale (rows and columns once) or log.
        method: String = "bistochastic".to_owned(), choices: ["bistochastic", "scale", "log"];
        /// How many singular vectors to look at.
        n_components: u32 = 6, range: at_least(1.0);
        /// How many of them, those nearest to steps, place the rows.
        n_best: u32 = 3, range: at_least(1.0);
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

/// Spectral biclustering.
pub struct SpectralBi;

impl Estimator for SpectralBi {
    const NAME: &'static str = "spectral_bi";
    const DESCRIPTION: &'static str = "Clusters the rows of a table that is a checkerboard once rows and features are sorted; answers the clusters of \
         rows. A new row gets the cluster of the nearest training row.";
    const SOURCE: &'static str = "Kluger, Basri, Chang, Gerstein 2003; scikit-learn 1.9 SpectralBiclustering";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = SpectralBiParams;
    type Model = LabelledRows;

    fn fit(params: &SpectralBiParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        let (n_row_clusters, n_column_clusters) = read_clusters(&params.n_clusters)?;
        if params.n_best > params.n_components {
            bail!(
                InvalidParameter,
                "hyperparameter \"n_best\" of spectral_bi is {}, but must be at most n_components, {}",
                params.n_best,
                params.n_components
            );
        }
        if n < n_row_clusters.max(n_column_clusters) {
            let k = n_row_clusters.max(n_column_clusters);
            bail!(InvalidData, "spectral_bi with {k} clusters needs at least {k} rows, not {n}");
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let _memory = run.reserve(40 * (n * d) as u64, "the table of features")?;
        let start = (Seeding::named(&params.init), params.n_init);
        let vectors = vectors(data, &params.method, params.n_components as usize, run)?;
        let best = stepwise(&vectors, d, params.n_best as usize, n_column_clusters, start, run)?;
        let labels = if best.is_empty() {
            // Nothing tells rows apart.
            vec![0; n]
        } else {
            let places = product_transposed(&data.to_rows(), &best, d, run)?;
            if places.iter().any(|x| !x.is_finite()) {
                bail!(InvalidData, "the table overflows: features are too large, scale them in preprocess");
            }
            best_clustering(&places, best.len() / d, n_row_clusters, start, 0, run)?.labels
        };
        LabelledRows::new(data, labels, Metric::Euclidean, run)
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}

/// Clusters of rows and of features.
fn read_clusters(json: &Value) -> Result<(usize, usize)> {
    let number =
        |json: &Value| json.as_f64().filter(|k| k.fract() == 0.0 && (1.0..=1e9).contains(k)).map(|k| k as usize);
    match (number(json), json.as_array().map(Vec::as_slice)) {
        (Some(k), _) => Ok((k, k)),
        (_, Some([rows, columns])) if number(rows).is_some() && number(columns).is_some() => {
            Ok((number(rows).unwrap_or(1), number(columns).unwrap_or(1)))
        }
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"n_clusters\" of spectral_bi is {json}, but must be a whole number of at least 1 or an array \
             of two such numbers, for rows and features"
        ),
    }
}

/// Right singular vectors of the scaled table, one row each; without the first, which only tells sums.
fn vectors(data: &Dataset, method: &str, n_components: usize, run: &Run) -> Result<Vec<f64>> {
    let d = data.n_features();
    let mut cells = data.to_rows();
    raise(&mut cells, if method == "log" { 1.0 } else { 0.0 });
    let (cells, discard) = match method {
        "bistochastic" => (bistochastic(cells, d, run)?, 1),
        "scale" => (balance(cells, d, run)?.cells, 1),
        _ => (log_interactions(cells, d, run)?, 0),
    };
    if cells.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the table overflows: features are too large, scale them in preprocess");
    }
    let space = RowSpace::of(&Dataset::from_rows(&cells, d)?, false, run)?;
    let last = (discard + n_components).min(space.s.len());
    Ok(space.vectors[discard.min(last) * d..last * d].to_vec())
}

/// The `n_best` of the vectors (rows of `d`) that are nearest to steps of `k` heights.
fn stepwise(vectors: &[f64], d: usize, n_best: usize, k: usize, start: (Seeding, u32), run: &Run) -> Result<Vec<f64>> {
    let mut ranked = Vec::new();
    for (i, vector) in vectors.chunks_exact(d).enumerate() {
        // As many heights as features fit exactly.
        let distance = if k >= d {
            0.0
        } else {
            let steps = best_clustering(vector, 1, k, start, 1 + i as u64, run)?;
            let off = vector.iter().zip(&steps.labels).map(|(x, label)| x - steps.centres[*label as usize]);
            off.map(|x| x * x).sum()
        };
        ranked.push((distance, vector));
    }
    ranked.sort_by(|a, b| f64::total_cmp(&a.0, &b.0));
    Ok(ranked.iter().take(n_best).flat_map(|(_, vector)| vector.iter().copied()).collect())
}
