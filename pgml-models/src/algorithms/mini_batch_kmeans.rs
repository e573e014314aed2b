//! k-means by small batches of rows.

use fastrand::Rng;
use pgml_core::{Dataset, Error, ErrorKind, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::centres::Centres;
use crate::solvers::lloyd::{Points, Pool};
use crate::solvers::seeding::Start;

hyperparams! {
    /// Parameters of `mini_batch_kmeans`.
    pub struct MiniBatchKmeansParams {
        /// How many clusters.
        n_clusters: u32 = 8, range: at_least(1.0);
        /// Where to start: "k-means++" (greedy), "random" (rows), or an array of centres.
        init: Value = Value::from("k-means++");
        /// How many starts to try, keeping the best; "auto" means 1 for k-means++ and given centres, 3 for random.
        n_init: Value = Value::from("auto");
        /// Rows that starts are sought among; null means three batches.
        init_size: Option<u32> = None, range: at_least(1.0);
        /// Most passes over the rows.
        max_iter: u32 = 100, range: at_least(1.0), aliases: ["max_n_iterations"];
        /// Rows per batch.
        batch_size: u32 = 1024, range: at_least(1.0);
        /// Movement of the centres in a batch, relative to the variance of the features, at which to stop; 0 never does.
        tol: f64 = 0.0, range: at_least(0.0), aliases: ["tolerance"];
        /// Batches without a lower inertia (smoothed over batches) after which to stop; null never does.
        max_no_improvement: Option<u32> = Some(10);
        /// Clusters with less than this share of the rows of the largest one are moved to a row at random.
        reassignment_ratio: f64 = 0.01, range: at_least(0.0);
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: labels are computed when they are asked for.
        compute_labels: bool = true, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
    }
}

/// k-means by batches.
pub struct MiniBatchKmeans;

impl Estimator for MiniBatchKmeans {
    const NAME: &'static str = "mini_batch_kmeans";
    const DESCRIPTION: &'static str = "k-means that looks at a small batch of rows at a time: much quicker on many rows, its clusters hardly \
                                       worse.";
    const SOURCE: &'static str = "Sculley 2010; scikit-learn 1.9 MiniBatchKMeans";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = MiniBatchKmeansParams;
    type Model = Centres;

    fn fit(params: &MiniBatchKmeansParams, data: &Dataset, _: Task, run: &Run) -> Result<Centres> {
        data.require_finite()?;
        let k = params.n_clusters as usize;
        if data.n_rows() < k {
            bail!(InvalidData, "{k} clusters (n_clusters) need at least {k} rows, not {}", data.n_rows());
        }
        let start = Start::read(Self::NAME, &params.init, k, data.n_features())?;
        let tries = start.tries(Self::NAME, &params.n_init, 3)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let pool = Pool::new(data, run)?;
        let mut rng = run.rng(0);
        let centres = best_start(&pool, &start, tries, params, &mut rng, run)?;
        let centres = Learner::new(&pool, centres, params).learn(&mut rng, run)?;
        let inertia = pool.inertia(&centres, run)?;
        Ok(Centres::new(pool.centring.uncentred(centres), data.n_features())?.with_inertia(inertia))
    }

    fn decode(parts: &Parts) -> Result<Centres> {
        Centres::decode(parts)
    }
}

fn batch_size(params: &MiniBatchKmeansParams, n: usize) -> usize {
    (params.batch_size as usize).min(n)
}

/// Of the starts that are tried, each among rows of its own, the one that is best for rows drawn once.
fn best_start(
    pool: &Pool,
    start: &Start,
    tries: usize,
    params: &MiniBatchKmeansParams,
    rng: &mut Rng,
    run: &Run,
) -> Result<Vec<f64>> {
    let (n, k) = (pool.n, params.n_clusters as usize);
    let asked = params.init_size.map_or(3 * batch_size(params, n), |size| size as usize);
    let size = if asked < k { 3 * k } else { asked }.min(n);
    let sample = |rng: &mut Rng| pool.pick((0..size).map(|_| rng.u32(0..n as u32) as usize), run);
    let judges = sample(rng)?;
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..tries {
        let points = if size < n { sample(rng)? } else { pool.pick(0..n, run)? };
        let centres = start.centres(&points, k, rng, run)?;
        let inertia = judges.labels(&centres, run)?.1;
        if best.as_ref().is_none_or(|(lowest, _)| inertia < *lowest) {
            best = Some((inertia, centres));
        }
    }
    best.map(|(_, centres)| centres).ok_or_else(|| Error::new(ErrorKind::Internal, "mini_batch_kmeans made no start"))
}

/// Centres on their way.
struct Learner<'a> {
    pool: &'a Pool,
    params: &'a MiniBatchKmeansParams,
    batch: usize,
    centres: Vec<f64>,
    /// Rows that each centre has seen.
    counts: Vec<f64>,
    rows_since_reassignment: usize,
    progress: Improvement,
}

/// The inertia per row of the batches, smoothed exponentially.
#[derive(Default)]
struct Improvement {
    smoothed: Option<f64>,
    lowest: Option<f64>,
    batches_without: u32,
}

impl<'a> Learner<'a> {
    fn new(pool: &'a Pool, centres: Vec<f64>, params: &'a MiniBatchKmeansParams) -> Self {
        let counts = vec![0.0; params.n_clusters as usize];
        let batch = batch_size(params, pool.n);
        Self { pool, params, batch, centres, counts, rows_since_reassignment: 0, progress: Improvement::default() }
    }

    fn learn(mut self, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
        let steps = self.params.max_iter as usize * self.pool.n / self.batch;
        let shares = Shares::of(&self.pool.weight);
        let tol = self.params.tol * self.pool.centring.mean_variance();
        for step in 0..steps {
            run.check()?;
            run.progress("training", step as u64, steps as u64);
            let rows = (0..self.batch).map(|_| shares.draw(rng) as usize);
            let mut batch = self.pool.pick(rows, run)?;
            batch.weight.fill(1.0);
            let (moved, inertia) = self.step(&batch, rng, run)?;
            // The first batch does not count: its inertia is that of the start.
            if step > 0 && (self.stops_improving(inertia) || (tol > 0.0 && moved <= tol)) {
                break;
            }
        }
        Ok(self.centres)
    }

    /// Moves the centres to the mean of all rows they have seen; returns by how much, squared, and the inertia before.
    fn step(&mut self, batch: &Points, rng: &mut Rng, run: &Run) -> Result<(f64, f64)> {
        let d = self.pool.d;
        self.rows_since_reassignment += self.batch;
        let reassign = self.counts.contains(&0.0) || self.rows_since_reassignment >= 10 * self.counts.len();
        let (labels, inertia) = batch.labels(&self.centres, run)?;
        let before = self.centres.clone();
        let mut seen = vec![0.0; self.counts.len()];
        labels.iter().for_each(|label| seen[*label as usize] += 1.0);
        for ((centre, seen), count) in self.centres.chunks_exact_mut(d).zip(&seen).zip(&mut self.counts) {
            if *seen > 0.0 {
                centre.iter_mut().for_each(|c| *c *= *count / (*count + seen));
                *count += seen;
            }
        }
        batch.add_shares(&labels, &self.counts, &mut self.centres);
        if reassign {
            self.rows_since_reassignment = 0;
            self.reassign(batch, rng);
        }
        let moved = self.centres.iter().zip(&before).map(|(a, b)| (a - b) * (a - b)).sum();
        Ok((moved, inertia))
    }

    /// Moves centres that have seen few rows to rows of the batch.
    fn reassign(&mut self, batch: &Points, rng: &mut Rng) {
        let most = self.counts.iter().fold(0.0, |a: f64, b| a.max(*b));
        let mut few: Vec<usize> =
            (0..self.counts.len()).filter(|k| self.counts[*k] < self.params.reassignment_ratio * most).collect();
        few.sort_by(|a, b| self.counts[*a].total_cmp(&self.counts[*b]).then(a.cmp(b)));
        few.truncate(batch.n / 2);
        let others = (0..self.counts.len()).filter(|k| !few.contains(k));
        let least = others.map(|k| self.counts[k]).fold(f64::INFINITY, f64::min);
        let mut rows: Vec<usize> = (0..batch.n).collect();
        for (taken, k) in few.into_iter().enumerate() {
            let other = rng.usize(taken..rows.len());
            rows.swap(taken, other);
            let d = self.pool.d;
            self.centres[k * d..(k + 1) * d].copy_from_slice(&batch.row(rows[taken]));
            self.counts[k] = least;
        }
    }

    /// Takes note of a batch's inertia; true when it has not become lower for long enough.
    fn stops_improving(&mut self, inertia: f64) -> bool {
        let inertia = inertia / self.batch as f64;
        let share = (2.0 * self.batch as f64 / (self.pool.n as f64 + 1.0)).min(1.0);
        let progress = &mut self.progress;
        let smoothed = progress.smoothed.map_or(inertia, |old| old * (1.0 - share) + inertia * share);
        progress.smoothed = Some(smoothed);
        if progress.lowest.is_none_or(|lowest| smoothed < lowest) {
            progress.lowest = Some(smoothed);
            progress.batches_without = 0;
        } else {
            progress.batches_without += 1;
        }
        self.params.max_no_improvement.is_some_and(|most| progress.batches_without >= most)
    }
}

/// Draws rows in proportion to their weight.
struct Shares {
    n: u32,
    /// Sums of the weights up to each row; none when they are equal.
    cumulated: Vec<f64>,
}

impl Shares {
    fn of(weight: &[f64]) -> Self {
        let n = weight.len() as u32;
        if weight.iter().all(|w| *w == weight[0]) {
            return Self { n, cumulated: Vec::new() };
        }
        let mut total = 0.0;
        let cumulated = weight.iter().map(|w| {
            total += w;
            total
        });
        Self { n, cumulated: cumulated.collect() }
    }

    fn draw(&self, rng: &mut Rng) -> u32 {
        match self.cumulated.last() {
            None => rng.u32(0..self.n),
            Some(total) => {
                let at = rng.f64() * total;
                (self.cumulated.partition_point(|sum| *sum <= at) as u32).min(self.n - 1)
            }
        }
    }
}
