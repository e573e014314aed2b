//! k-means clustering.

use pgml_core::{Dataset, Error, ErrorKind, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::centres::Centres;
use crate::solvers::lloyd::{Clustering, Points};
use crate::solvers::seeding::Start;

hyperparams! {
    /// Parameters of `kmeans`.
    pub struct KmeansParams {
        /// How many clusters.
        n_clusters: u32 = 8, range: at_least(1.0);
        /// Where to start: "k-means++" (greedy), "random" (rows), or an array of centres.
        init: Value = Value::from("k-means++");
        /// How many starts to try, keeping the best; "auto" means 1 for k-means++ and given centres, 10 for random.
        n_init: Value = Value::from("auto");
        /// Most iterations per start.
        max_iter: u32 = 300, range: at_least(1.0), aliases: ["max_n_iterations"];
        /// Movement of the centres, relative to the variance of the features, at which to stop.
        tol: f64 = 1e-4, range: at_least(0.0), aliases: ["tolerance"];
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: all find the same clusters, by bounds that spare most comparisons.
        algorithm: String = "lloyd".to_owned(), choices: ["lloyd", "elkan", "auto", "full"], no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
        /// Accepted for compatibility.
        copy_x: bool = true, no_effect: true;
    }
}

/// k-means.
pub struct Kmeans;

impl Estimator for Kmeans {
    const NAME: &'static str = "kmeans";
    const DESCRIPTION: &'static str = "Groups rows around a given number of centres.";
    const SOURCE: &'static str = "Lloyd 1982; Arthur, Vassilvitskii 2007; Hamerly 2010; scikit-learn 1.9 KMeans";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = KmeansParams;
    type Model = Centres;

    fn fit(params: &KmeansParams, data: &Dataset, _: Task, run: &Run) -> Result<Centres> {
        data.require_finite()?;
        let k = params.n_clusters as usize;
        if data.n_rows() < k {
            bail!(InvalidData, "{k} clusters (n_clusters) need at least {k} rows, not {}", data.n_rows());
        }
        let start = Start::read(Self::NAME, &params.init, k, data.n_features())?;
        let tries = start.tries(Self::NAME, &params.n_init, 10)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let points = Points::new(data, run)?;
        let best = best_of(&points, &start, tries, params, run)?;
        let distinct = best.sizes.iter().filter(|size| **size > 0).count();
        if distinct < k {
            run.warn(&format!("kmeans found {distinct} distinct clusters where n_clusters is {k}: rows repeat"));
        }
        Ok(Centres::new(points.centring.uncentred(best.centres), data.n_features())?.with_inertia(best.inertia))
    }

    fn decode(parts: &Parts) -> Result<Centres> {
        Centres::decode(parts)
    }
}

fn best_of(points: &Points, start: &Start, tries: usize, params: &KmeansParams, run: &Run) -> Result<Clustering> {
    let tol = params.tol * points.centring.mean_variance();
    let mut best: Option<Clustering> = None;
    for attempt in 0..tries {
        run.progress("training", attempt as u64, tries as u64);
        let centres = start.centres(points, params.n_clusters as usize, &mut run.rng(attempt as u64), run)?;
        let found = points.lloyd(centres, tol, params.max_iter as usize, run)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    best.ok_or_else(|| Error::new(ErrorKind::Internal, "kmeans made no start"))
}
