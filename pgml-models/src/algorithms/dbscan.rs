//! DBSCAN clustering.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::labelled_rows::{LabelledRows, NOISE};
use crate::solvers::neighbours::{Metric, Neighbours};
use crate::solvers::union_find::UnionFind;

hyperparams! {
    /// Parameters of `dbscan`.
    pub struct DbscanParams {
        /// How near rows must be to be neighbours, in units of the features.
        eps: f64 = 0.5, range: above(0.0);
        /// Neighbours (by weight, itself included) that make a row a core row.
        min_samples: u32 = 5, range: at_least(1.0);
        /// The distance between two rows.
        metric: String = "euclidean".to_owned(), choices: ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "minkowski", "cosine"];
        /// The power of the minkowski metric; null means 2.
        p: Option<f64> = None, range: above(0.0);
        /// Accepted for compatibility: every search is exact.
        algorithm: String = "auto".to_owned(), choices: ["auto", "ball_tree", "kd_tree", "brute"], no_effect: true;
        /// Accepted for compatibility: every search is exact.
        leaf_size: u32 = 30, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility.
        metric_params: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// DBSCAN.
pub struct Dbscan;

impl Estimator for Dbscan {
    const NAME: &'static str = "dbscan";
    const DESCRIPTION: &'static str = "Joins rows that lie close together to clusters of any shape; rows in sparse places are noise, -1. A new \
                                       row gets the cluster of the nearest core row within eps.";
    const SOURCE: &'static str = "Ester, Kriegel, Sander, Xu 1996; scikit-learn 1.9 DBSCAN";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = DbscanParams;
    type Model = LabelledRows;

    fn fit(params: &DbscanParams, data: &Dataset, _: Task, run: &Run) -> Result<LabelledRows> {
        data.require_finite()?;
        let Some(metric) = Metric::named(&params.metric, params.p.unwrap_or(2.0)) else {
            bail!(InvalidParameter, "dbscan knows no metric {}", params.metric);
        };
        let (labels, core) = clusters(params, data, metric, run)?;
        Ok(LabelledRows::new(data, labels, metric, run)?.with_core(core, params.eps))
    }

    fn decode(parts: &Parts) -> Result<LabelledRows> {
        LabelledRows::decode(parts)
    }
}

/// The label of every row, and which are core rows.
///
/// Core rows that are neighbours share a cluster. Clusters are numbered in the order of their first core rows, and a
/// row at the border of several belongs to the first of them. Each neighbourhood is looked up once: what is kept are
/// those of rows that are no core rows, which are small.
fn clusters(params: &DbscanParams, data: &Dataset, metric: Metric, run: &Run) -> Result<(Vec<i32>, Vec<u32>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let _memory = run.reserve(8 * (n * (d + 4)) as u64, "the matrix of features")?;
    let rows = data.to_rows();
    let neighbours = Neighbours::new(&rows, d, metric, run)?;
    let weight = data.weight();
    let mut is_core = vec![false; n];
    let mut sets = UnionFind::new(n);
    let mut border: Vec<(u32, Vec<u32>)> = Vec::new();
    let mut near = Vec::new();
    for (i, row) in rows.chunks_exact(d).enumerate() {
        run.check()?;
        if i % 1024 == 0 {
            run.progress("training", i as u64, n as u64);
        }
        neighbours.within_radius(row, params.eps, &mut near);
        let mass = weight.map_or(near.len() as f64, |w| near.iter().map(|other| w[other.index as usize]).sum());
        if mass >= f64::from(params.min_samples) {
            is_core[i] = true;
            let before = near.iter().map(|other| other.index).take_while(|other| (*other as usize) < i);
            before.filter(|other| is_core[*other as usize]).for_each(|other| sets.join(i as u32, other));
        } else {
            border.push((i as u32, near.iter().map(|other| other.index).collect()));
        }
    }
    let core: Vec<u32> = (0..n as u32).filter(|i| is_core[*i as usize]).collect();
    let mut labels = sets.numbered(&core, n);
    for (row, near) in border {
        let of_core = near.iter().filter(|other| is_core[**other as usize]).map(|other| labels[*other as usize]);
        labels[row as usize] = of_core.min().unwrap_or(NOISE);
    }
    Ok((labels, core))
}
