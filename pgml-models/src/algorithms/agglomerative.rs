//! Agglomerative clustering.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::labelled_rows::LabelledRows;
use crate::solvers::linkage::{Linkage, Merge, cut, merges};
use crate::solvers::neighbours::Metric;

hyperparams! {
    /// Parameters of `agglomerative`.
    pub struct AgglomerativeParams {
        /// How many clusters to stop at; must be null when distance_threshold is given.
        n_clusters: Option<u32> = Some(2), range: at_least(1.0);
        /// Distance from which clusters are no longer merged, instead of a number of clusters.
        distance_threshold: Option<f64> = None, range: at_least(0.0);
        /// The distance between two clusters: ward grows the variance least, complete takes the farthest rows, average the mean over pairs of rows, single the nearest rows.
        linkage: String = "ward".to_owned(), choices: ["ward", "complete", "average", "single"];
        /// The distance between two rows; ward knows euclidean alone.
        metric: String = "euclidean".to_owned(), choices: ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "cosine"];
        /// Accepted for compatibility: the whole tree is always made.
        compute_full_tree: Value = Value::from("auto"), no_effect: true;
        /// Accepted for compatibility.
        compute_distances: bool = false, no_effect: true;
    }
}

/// Agglomerative clustering.
pub struct Agglomerative;

impl Estimator for Agglomerative {
    const NAME: &'static str = "agglomerative";
    const DESCRIPTION: &'static str = "Merges the two nearest clusters, beginning with single rows, until as many are left as asked for. A new \
                                       row gets the cluster of the nearest training row.";
    const SOURCE: &'static str =
        "Ward 1963; Lance, Williams 1967; Müllner 2011; scikit-learn 1.9 AgglomerativeClustering";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = AgglomerativeParams;
    type Model = LabelledRows;

    fn fit(params: &AgglomerativeParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "agglomerative knows no weights of rows");
        }
        let stop = Stop::read(Self::NAME, params.n_clusters, params.distance_threshold)?;
        let linkage = Linkage::named(&params.linkage)?;
        let metric = metric_for(Self::NAME, linkage, &params.metric)?;
        if data.n_rows() < 2 {
            bail!(InvalidData, "agglomerative clustering needs at least 2 rows");
        }
        let merges = merges(data, linkage, metric, run)?;
        let labels = cut(&merges, stop.n_clusters(&merges)?);
        LabelledRows::new(data, labels, metric, run)
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}

/// When to stop merging.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    AtClusters(usize),
    AtDistance(f64),
}

impl Stop {
    pub(super) fn read(algorithm: &str, n_clusters: Option<u32>, distance_threshold: Option<f64>) -> Result<Self> {
        match (n_clusters, distance_threshold) {
            (Some(n_clusters), None) => Ok(Self::AtClusters(n_clusters as usize)),
            (None, Some(distance)) => Ok(Self::AtDistance(distance)),
            (given, _) => bail!(
                InvalidParameter,
                "{algorithm} needs exactly one of n_clusters and distance_threshold, but {} given; set the other to null",
                if given.is_some() { "both are" } else { "neither is" }
            ),
        }
    }

    /// How many clusters are left of the leaves of `merges`.
    pub(super) fn n_clusters(self, merges: &[Merge]) -> Result<usize> {
        let leaves = merges.len() + 1;
        match self {
            Self::AtClusters(n) if n > leaves => {
                bail!(InvalidData, "there cannot be {n} clusters (n_clusters) of {leaves}")
            }
            Self::AtClusters(n) => Ok(n),
            Self::AtDistance(limit) => Ok(merges.iter().filter(|merge| merge.distance >= limit).count() + 1),
        }
    }
}

/// The metric called `name`, which Ward's linkage takes only if it is Euclidean.
pub(super) fn metric_for(algorithm: &str, linkage: Linkage, name: &str) -> Result<Metric> {
    let Some(metric) = Metric::named(name, 2.0) else {
        bail!(InvalidParameter, "{algorithm} knows no metric {name}; known are {}", Metric::NAMES.join(", "));
    };
    if linkage == Linkage::Ward && metric != Metric::Euclidean {
        bail!(
            InvalidParameter,
            "linkage ward of {algorithm} is defined for metric euclidean alone, not {name}; choose another linkage"
        );
    }
    Ok(metric)
}
