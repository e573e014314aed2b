//! HDBSCAN clustering.

mod condensed;
mod select;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::labelled_rows::LabelledRows;
use crate::solvers::core_distances::core_distances;
use crate::solvers::distance_rows::{DistanceRows, too_large};
use crate::solvers::neighbours::Metric;
use crate::solvers::spanning_tree::{Edge, spanning_tree};

hyperparams! {
    /// Parameters of `hdbscan`.
    pub struct HdbscanParams {
        /// Fewest rows of a cluster; smaller groups are noise.
        min_cluster_size: u32 = 5, range: at_least(2.0);
        /// Rows (itself included) whose farthest one's distance is a row's core distance; null means min_cluster_size.
        min_samples: Option<u32> = None, range: at_least(1.0);
        /// Distance below which clusters are not parted.
        cluster_selection_epsilon: f64 = 0.0, range: at_least(0.0);
        /// Most rows of a cluster that eom selects; null means any.
        max_cluster_size: Option<u32> = None, range: at_least(1.0);
        /// The distance between two rows.
        metric: String = "euclidean".to_owned(), choices: ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "cosine"];
        /// What distances are divided by before they are compared with core distances.
        alpha: f64 = 1.0, range: above(0.0);
        /// Which clusters of the hierarchy count: eom the most stable ones, leaf the smallest.
        cluster_selection_method: String = "eom".to_owned(), choices: ["eom", "leaf"];
        /// Whether one cluster of all rows may be the answer.
        allow_single_cluster: bool = false;
        /// Accepted for compatibility: every search is exact.
        algorithm: String = "auto".to_owned(), choices: ["auto", "brute", "kd_tree", "ball_tree"], no_effect: true;
        /// Accepted for compatibility: every search is exact.
        leaf_size: u32 = 40, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility.
        metric_params: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// HDBSCAN.
pub struct Hdbscan;

impl Estimator for Hdbscan {
    const NAME: &'static str = "hdbscan";
    const DESCRIPTION: &'static str = "Finds clusters of any shape and of different density, and how many there are; the rest is noise, -1. A new \
                                       row gets the label of the nearest training row.";
    const SOURCE: &'static str = "Campello, Moulavi, Sander 2013; McInnes, Healy 2017; scikit-learn 1.9 HDBSCAN";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = HdbscanParams;
    type Model = LabelledRows;

    fn fit(params: &HdbscanParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "hdbscan knows no weights of rows");
        }
        let Some(metric) = Metric::named(&params.metric, 2.0) else {
            bail!(InvalidParameter, "hdbscan knows no metric {}", params.metric);
        };
        let n = data.n_rows();
        let min_samples = params.min_samples.unwrap_or(params.min_cluster_size) as usize;
        if n < min_samples.max(2) {
            bail!(InvalidData, "hdbscan needs at least {} rows (min_samples), not {n}", min_samples.max(2));
        }
        let edges = reachability_tree(data, metric, min_samples, params.alpha, run)?;
        let hierarchy = condensed::condense(&edges, params.min_cluster_size as usize);
        let labels = select::labels(&hierarchy, params);
        LabelledRows::new(data, labels, metric, run)
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}

/// The spanning tree of the rows by mutual reachability, at least the core distance of either row; shortest edges first.
fn reachability_tree(data: &Dataset, metric: Metric, min_samples: usize, alpha: f64, run: &Run) -> Result<Vec<Edge>> {
    let core_distances = core_distances(data, metric, min_samples, run)?;
    let points = DistanceRows::new(data, metric, run)?;
    let mut edges = spanning_tree(points, run, |row, others, distances| {
        let own = core_distances[row as usize];
        for (distance, other) in distances.iter_mut().zip(others) {
            *distance = (*distance / alpha).max(own).max(core_distances[*other as usize]);
        }
    })?;
    if edges.iter().any(|edge| !edge.length.is_finite()) {
        return Err(too_large());
    }
    edges.sort_by(|a, b| a.length.total_cmp(&b.length));
    Ok(edges)
}
