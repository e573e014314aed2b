//! k-means clustering.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::solvers::lloyd::{Clustering, Points};
use crate::solvers::nearest::nearest;
use crate::solvers::seeding;

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
        /// Accepted for compatibility: both find the same clusters.
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
    const SOURCE: &'static str = "Lloyd 1982; Arthur, Vassilvitskii 2007; scikit-learn 1.9 KMeans";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = KmeansParams;
    type Model = KmeansModel;

    fn fit(params: &KmeansParams, data: &Dataset, _: Task, run: &Run) -> Result<KmeansModel> {
        data.require_finite()?;
        let k = params.n_clusters as usize;
        if data.n_rows() < k {
            bail!(InvalidData, "{k} clusters (n_clusters) need at least {k} rows, not {}", data.n_rows());
        }
        let init = Init::read(&params.init, k, data.n_features())?;
        let n_init = read_n_init(&params.n_init, &init)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let points = Points::new(data, run)?;
        let best = best_of(&points, &init, n_init, params, run)?;
        let distinct = best.sizes.iter().filter(|size| **size > 0).count();
        if distinct < k {
            run.warn(&format!("kmeans found {distinct} distinct clusters where n_clusters is {k}: rows repeat"));
        }
        KmeansModel::new(points.uncentred(best.centres), data.n_features(), best.inertia)
    }

    fn decode(parts: &Parts) -> Result<KmeansModel> {
        let n_features: usize = parts.meta("n_features")?;
        let centres = parts.array::<f64>("centers")?.to_vec();
        if n_features == 0 || centres.is_empty() || !centres.len().is_multiple_of(n_features) {
            bail!(Corrupted, "stored kmeans has {} centre values for {n_features} features", centres.len());
        }
        let inertia = parts.array_of::<f64>("inertia", 1)?[0];
        KmeansModel::new(centres, n_features, inertia)
            .map_err(|_| pgml_core::Error::new(pgml_core::ErrorKind::Corrupted, "stored centres are not finite"))
    }
}

enum Init {
    PlusPlus,
    Random,
    Centres(Vec<f64>),
}

impl Init {
    fn read(json: &Value, k: usize, d: usize) -> Result<Self> {
        match json {
            Value::String(name) if name == "k-means++" => Ok(Self::PlusPlus),
            Value::String(name) if name == "random" => Ok(Self::Random),
            Value::Array(rows) => {
                let cells = |row: &Value| row.as_array().is_some_and(|cells| cells.len() == d);
                let values: Option<Vec<f64>> = rows
                    .iter()
                    .flat_map(|row| row.as_array().into_iter().flatten())
                    .map(|x| x.as_f64().filter(|x| x.is_finite()))
                    .collect();
                match values {
                    Some(values) if rows.len() == k && rows.iter().all(cells) => Ok(Self::Centres(values)),
                    _ => bail!(
                        InvalidParameter,
                        "hyperparameter \"init\" of kmeans must have {k} centres (n_clusters) of {d} finite numbers \
                         (features)"
                    ),
                }
            }
            other => bail!(
                InvalidParameter,
                "hyperparameter \"init\" of kmeans is {other}, but must be \"k-means++\", \"random\" or an array of centres"
            ),
        }
    }
}

fn read_n_init(json: &Value, init: &Init) -> Result<usize> {
    match (json.as_str(), json.as_f64()) {
        _ if matches!(init, Init::Centres(_)) => Ok(1),
        (Some("auto"), _) => Ok(if matches!(init, Init::Random) { 10 } else { 1 }),
        (_, Some(n)) if n.fract() == 0.0 && (1.0..=1e6).contains(&n) => Ok(n as usize),
        _ => bail!(InvalidParameter, "hyperparameter \"n_init\" of kmeans is {json}, but must be auto or at least 1"),
    }
}

fn best_of(points: &Points, init: &Init, n_init: usize, params: &KmeansParams, run: &Run) -> Result<Clustering> {
    let k = params.n_clusters as usize;
    let tol = params.tol * points.mean_variance();
    let mut best: Option<Clustering> = None;
    for start in 0..n_init {
        run.progress("training", start as u64, n_init as u64);
        let mut rng = run.rng(start as u64);
        let centres = match init {
            Init::PlusPlus => seeding::plus_plus(points, k, &mut rng, run)?,
            Init::Random => seeding::random_rows(points, k, &mut rng, run)?,
            Init::Centres(centres) => points.centred(centres),
        };
        let found = points.lloyd(centres, tol, params.max_iter as usize, run)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    best.ok_or_else(|| pgml_core::Error::new(pgml_core::ErrorKind::Internal, "kmeans made no start"))
}

/// Cluster centres.
pub struct KmeansModel {
    n_features: usize,
    centres: Vec<f64>,
    inertia: f64,
}

impl KmeansModel {
    fn new(centres: Vec<f64>, n_features: usize, inertia: f64) -> Result<Self> {
        if centres.iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the centres overflow: features are too large, scale them in preprocess");
        }
        Ok(Self { n_features, centres, inertia })
    }
}

impl Model for KmeansModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        require_finite(&rows)?;
        rows.rows().zip(out).for_each(|(row, out)| *out = nearest(row, &self.centres).0 as f64);
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.centres.len() / self.n_features, self.n_features];
        Parts::new()
            .with_shape("centers", shape, self.centres.clone())
            .with("inertia", vec![self.inertia])
            .with_meta("n_features", &self.n_features)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.centres.len()
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("inertia", self.inertia)]
    }
}
