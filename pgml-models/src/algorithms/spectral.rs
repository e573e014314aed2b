//! Spectral clustering.

mod affinity;
mod assign;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::labelled_rows::LabelledRows;
use crate::solvers::best_start::{Seeding, best_clustering};
use crate::solvers::neighbours::Metric;

hyperparams! {
    /// Parameters of `spectral`.
    pub struct SpectralParams {
        /// How many clusters.
        n_clusters: u32 = 8, range: at_least(1.0);
        /// How many eigenvectors rows are placed by; null means as many as clusters.
        n_components: Option<u32> = None, range: at_least(1.0);
        /// What makes rows alike: rbf, by their distance, or nearest_neighbors, whether one is among the other's nearest, which needs far less memory.
        affinity: String = "rbf".to_owned(), choices: ["rbf", "nearest_neighbors"];
        /// How quickly likeness falls with squared distance (rbf).
        gamma: f64 = 1.0, range: at_least(0.0);
        /// How many rows count as nearest, the row itself among them (nearest_neighbors).
        n_neighbors: u32 = 10, range: at_least(1.0);
        /// How clusters are read off the eigenvectors: kmeans, discretize, or cluster_qr, which draws no random numbers.
        assign_labels: String = "kmeans".to_owned(), choices: ["kmeans", "discretize", "cluster_qr"];
        /// How many starts of k-means to try.
        n_init: u32 = 10, range: at_least(1.0);
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: eigenvectors are found to the last digits.
        eigen_solver: Option<String> = None, choices: ["arpack", "lobpcg", "amg"], no_effect: true;
        /// Accepted for compatibility: eigenvectors are found to the last digits.
        eigen_tol: serde_json::Value = serde_json::Value::from("auto"), no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// Spectral clustering.
pub struct Spectral;

impl Estimator for Spectral {
    const NAME: &'static str = "spectral";
    const DESCRIPTION: &'static str = "Clusters of any form, such as rings: cuts where rows are least alike. A new row gets the cluster of the nearest \
         training row.";
    const SOURCE: &'static str = "Shi, Malik 2000; von Luxburg 2007; Yu, Shi 2003; Damle, Minden, Ying 2019; scikit-learn 1.9 SpectralClustering";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = SpectralParams;
    type Model = LabelledRows;

    fn fit(params: &SpectralParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        let (n, k) = (data.n_rows(), params.n_clusters as usize);
        if n < k.max(2) {
            bail!(InvalidData, "spectral with {k} clusters needs at least {} rows, not {n}", k.max(2));
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let n_components = params.n_components.map_or(k, |c| (c as usize).min(n));
        let places = match params.affinity.as_str() {
            "rbf" => affinity::by_distance(data, params.gamma, n_components, run)?,
            _ => affinity::by_neighbours(data, params.n_neighbors as usize, n_components, run)?,
        };
        let labels = match params.assign_labels.as_str() {
            "kmeans" => best_clustering(&places, n_components, k, (Seeding::PlusPlus, params.n_init), 0, run)?.labels,
            "discretize" => assign::discretize(places, n_components, &mut run.rng(0), run)?,
            _ => assign::cluster_qr(&places, n_components, run)?,
        };
        LabelledRows::new(data, labels, Metric::Euclidean, run)
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}
