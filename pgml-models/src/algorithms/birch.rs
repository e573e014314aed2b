//! BIRCH clustering.

mod tree;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::centres::Centres;
use crate::solvers::linkage::{Linkage, cut, merges};
use crate::solvers::neighbours::Metric;

hyperparams! {
    /// Parameters of `birch`.
    pub struct BirchParams {
        /// Radius that a subcluster may grow to by taking in a row.
        threshold: f64 = 0.5, range: above(0.0);
        /// Most subclusters of a node of the tree.
        branching_factor: u32 = 50, range: at_least(2.0);
        /// How many clusters the subclusters are merged to (Ward's linkage); null keeps each for itself.
        n_clusters: Option<u32> = Some(3), range: at_least(1.0);
        /// Accepted for compatibility: labels are computed when they are asked for.
        compute_labels: bool = true, no_effect: true;
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
    }
}

/// BIRCH.
pub struct Birch;

impl Estimator for Birch {
    const NAME: &'static str = "birch";
    const DESCRIPTION: &'static str = "Condenses rows into small subclusters in one pass, then merges those: for many rows in memory that they do not fill.";
    const SOURCE: &'static str = "Zhang, Ramakrishnan, Livny 1996; scikit-learn 1.9 Birch";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = BirchParams;
    type Model = Centres;

    fn fit(params: &BirchParams, data: &Dataset, _: Task, run: &Run) -> Result<Centres> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "birch knows no weights of rows");
        }
        let centroids = tree::subclusters(data, params.threshold, params.branching_factor as usize, run)?;
        let n = centroids.len() / data.n_features();
        let labels = match params.n_clusters.map(|k| k as usize) {
            Some(k) if n > k => {
                let subclusters = Dataset::from_rows(&centroids, data.n_features())?;
                cut(&merges(&subclusters, Linkage::Ward, Metric::Euclidean, run)?, k)
            }
            k => {
                if let Some(k) = k.filter(|k| *k > n) {
                    run.warn(&format!("birch found {n} subclusters where n_clusters is {k}: lower the threshold"));
                }
                (0..n as i32).collect()
            }
        };
        Ok(Centres::new(centroids, data.n_features())?.with_labels(labels))
    }

    fn decode(parts: &Parts) -> Result<Centres> {
        Centres::decode(parts)
    }
}
