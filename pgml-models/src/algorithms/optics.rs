//! OPTICS clustering.

mod steep;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::labelled_rows::{LabelledRows, NOISE};
use crate::solvers::core_distances::core_distances;
use crate::solvers::distance_rows::DistanceRows;
use crate::solvers::neighbours::Metric;
use crate::solvers::spanning_tree::spanning_tree;

hyperparams! {
    /// Parameters of `optics`.
    pub struct OpticsParams {
        /// Rows (itself included) whose farthest one's distance is a row's core distance: a number above 1, or a share of the rows.
        min_samples: f64 = 5.0, range: at_least(0.0);
        /// Most distance of neighbours; null means any.
        max_eps: Option<f64> = None, range: at_least(0.0);
        /// The distance between two rows.
        metric: String = "minkowski".to_owned(), choices: ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "minkowski", "cosine"];
        /// The power of the minkowski metric.
        p: f64 = 2.0, range: at_least(1.0);
        /// How clusters are found in the order of the rows: xi looks for steep changes of density, dbscan cuts at eps.
        cluster_method: String = "xi".to_owned(), choices: ["xi", "dbscan"];
        /// Distance at which dbscan cuts; null means max_eps.
        eps: Option<f64> = None, range: at_least(0.0);
        /// How steep the border of a cluster is: the reachability changes by this share from one row to the next.
        xi: f64 = 0.05, range: between(0.0, 1.0);
        /// Whether rows at the end of a cluster that were reached from outside are taken off it.
        predecessor_correction: bool = true;
        /// Fewest rows of a cluster found by xi: a number above 1, or a share of the rows; null means min_samples.
        min_cluster_size: Option<f64> = None, range: above(0.0);
        /// Accepted for compatibility: every search is exact.
        algorithm: String = "auto".to_owned(), choices: ["auto", "ball_tree", "kd_tree", "brute"], no_effect: true;
        /// Accepted for compatibility: every search is exact.
        leaf_size: u32 = 30, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility.
        metric_params: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility.
        memory: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// OPTICS.
pub struct Optics;

impl Estimator for Optics {
    const NAME: &'static str = "optics";
    const DESCRIPTION: &'static str = "Orders rows by density and finds clusters of different density in that order; the rest is noise, -1. A \
                                       new row gets the label of the nearest training row.";
    const SOURCE: &'static str = "Ankerst, Breunig, Kriegel, Sander 1999; scikit-learn 1.9 OPTICS";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = OpticsParams;
    type Model = LabelledRows;

    fn fit(params: &OpticsParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "optics knows no weights of rows");
        }
        let Some(metric) = Metric::named(&params.metric, params.p) else {
            bail!(InvalidParameter, "optics knows no metric {}", params.metric);
        };
        let n = data.n_rows();
        let min_samples = count("min_samples", params.min_samples, n)?;
        let min_cluster_size = match params.min_cluster_size {
            Some(size) => count("min_cluster_size", size, n)?,
            None => min_samples,
        };
        let max_eps = params.max_eps.unwrap_or(f64::INFINITY);
        let eps = params.eps.unwrap_or(max_eps);
        if eps > max_eps {
            bail!(
                InvalidParameter,
                "hyperparameter \"eps\" of optics is {eps}, but must be at most max_eps, {max_eps}"
            );
        }
        let plot = Plot::new(data, metric, min_samples, max_eps, run)?;
        let labels = match params.cluster_method.as_str() {
            "dbscan" => plot.cut(eps),
            _ => steep::labels(&plot, params.xi, min_samples, min_cluster_size, params.predecessor_correction, run)?,
        };
        LabelledRows::new(data, labels, metric, run)
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}

/// A number of rows, given as such or as a share of all `n`.
fn count(name: &str, given: f64, n: usize) -> Result<usize> {
    if given > 1.0 && given.fract() != 0.0 {
        bail!(
            InvalidParameter,
            "hyperparameter \"{name}\" of optics is {given}, but must be a whole number or a share up to 1"
        );
    }
    if given > n as f64 {
        bail!(InvalidData, "optics needs at least {given} rows ({name}), not {n}");
    }
    let count = if given <= 1.0 { ((given * n as f64) as usize).max(2) } else { given as usize };
    if count > n {
        bail!(InvalidData, "optics needs at least {count} rows, not {n}");
    }
    Ok(count)
}

/// The rows in the order of density, with how far each was from those before it.
struct Plot {
    order: Vec<u32>,
    /// In that order: infinite where a row is reached from none.
    reachability: Vec<f64>,
    /// In that order: the row it was reached from.
    predecessors: Vec<Option<u32>>,
    /// By row: infinite beyond the greatest distance.
    core_distances: Vec<f64>,
}

impl Plot {
    fn new(data: &Dataset, metric: Metric, min_samples: usize, max_eps: f64, run: &Run) -> Result<Self> {
        let bound = |distance: f64| if distance > max_eps { f64::INFINITY } else { rounded(distance) };
        let core_distances: Vec<f64> = core_distances(data, metric, min_samples, run)?.into_iter().map(bound).collect();
        let points = DistanceRows::new(data, metric, run)?;
        let edges = spanning_tree(points, run, |row, _, distances| {
            let core = core_distances[row as usize];
            for distance in distances {
                let near = *distance <= max_eps && core < f64::INFINITY;
                *distance = if near { rounded(distance.max(core)) } else { f64::INFINITY };
            }
        })?;
        let reached = |from: u32, length: f64| (length < f64::INFINITY).then_some(from);
        Ok(Self {
            order: std::iter::once(0).chain(edges.iter().map(|edge| edge.to)).collect(),
            reachability: std::iter::once(f64::INFINITY).chain(edges.iter().map(|edge| edge.length)).collect(),
            predecessors: std::iter::once(None).chain(edges.iter().map(|e| reached(e.from, e.length))).collect(),
            core_distances,
        })
    }

    /// The clusters that DBSCAN finds at `eps`, but for rows at borders.
    fn cut(&self, eps: f64) -> Vec<i32> {
        let mut labels = vec![NOISE; self.order.len()];
        let mut current = NOISE;
        for (row, reachability) in self.order.iter().zip(&self.reachability) {
            let is_core = self.core_distances[*row as usize] <= eps;
            if *reachability > eps && is_core {
                current += 1;
            }
            if *reachability <= eps || is_core {
                labels[*row as usize] = current;
            }
        }
        labels
    }
}

/// To fifteen decimals, as scikit-learn rounds distances: equal ones stay equal however they were summed.
fn rounded(distance: f64) -> f64 {
    const DECIMALS: f64 = 1e15;
    let scaled = distance * DECIMALS;
    if scaled.is_finite() { scaled.round_ties_even() / DECIMALS } else { distance }
}
