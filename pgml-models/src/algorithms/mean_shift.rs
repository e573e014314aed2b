//! Mean shift clustering.

mod climb;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::centres::Centres;
use crate::solvers::distance_rows::DistanceRows;
use crate::solvers::neighbours::{Metric, Neighbours};
use climb::Peak;

/// Share of the rows whose distance the bandwidth is estimated by.
const QUANTILE: f64 = 0.3;

hyperparams! {
    /// Parameters of `mean_shift`.
    pub struct MeanShiftParams {
        /// Radius around a point whose rows it is drawn to; null estimates it: the mean distance to the nearest 30 % of the rows.
        bandwidth: Option<f64> = None, range: above(0.0);
        /// Points to start from, an array of rows; null takes all rows.
        seeds: Value = Value::Null;
        /// Whether to start from a grid of the bandwidth's width instead of all rows, which is quicker.
        bin_seeding: bool = false;
        /// Rows that a cell of the grid needs to be started from.
        min_bin_freq: u32 = 1, range: at_least(1.0);
        /// Whether rows farther than the bandwidth from every centre belong to the nearest one; else they are noise, -1.
        cluster_all: bool = true;
        /// Most steps from one start.
        max_iter: u32 = 300, aliases: ["max_n_iterations"];
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// Mean shift.
pub struct MeanShift;

impl Estimator for MeanShift {
    const NAME: &'static str = "mean_shift";
    const DESCRIPTION: &'static str = "Finds the places where rows are densest, and how many there are, by climbing from every row: for some \
                                       thousands of rows.";
    const SOURCE: &'static str = "Comaniciu, Meer 2002; scikit-learn 1.9 MeanShift";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = MeanShiftParams;
    type Model = Centres;

    fn fit(params: &MeanShiftParams, data: &Dataset, _: Task, run: &Run) -> Result<Centres> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "mean_shift knows no weights of rows");
        }
        let d = data.n_features();
        let bandwidth = match params.bandwidth {
            Some(bandwidth) => bandwidth,
            None => estimated_bandwidth(data, run)?,
        };
        let _memory = run.reserve(16 * (data.n_rows() * d) as u64, "the rows and the starts among them")?;
        let rows = data.to_rows();
        let seeds = seeds(params, &rows, d, bandwidth)?;
        let peaks = climb::peaks(&rows, &seeds, d, bandwidth, params.max_iter, run)?;
        if peaks.is_empty() {
            bail!(
                InvalidData,
                "no row lies within the bandwidth {bandwidth} of any seed; use other seeds or a larger bandwidth"
            );
        }
        let centres = Centres::new(separate(peaks, d, bandwidth, run)?, d)?;
        Ok(if params.cluster_all { centres } else { centres.with_reach(bandwidth) })
    }

    fn decode(parts: &Parts) -> Result<Centres> {
        Centres::decode(parts)
    }
}

/// The mean over rows of the distance within which lie 30 % of the rows.
fn estimated_bandwidth(data: &Dataset, run: &Run) -> Result<f64> {
    let points = DistanceRows::new(data, Metric::Euclidean, run)?;
    let n = points.len();
    let nth = ((n as f64 * QUANTILE) as usize).max(1) - 1;
    let mut distances = vec![0.0; n];
    let mut total = 0.0;
    for i in 0..n {
        run.check()?;
        run.progress("estimating the bandwidth", i as u64, n as u64);
        points.distances_into(&points.row(i), 0, &mut distances);
        total += *distances.select_nth_unstable_by(nth, f64::total_cmp).1;
    }
    Ok(total / n as f64)
}

/// Where to climb from.
fn seeds(params: &MeanShiftParams, rows: &[f64], d: usize, bandwidth: f64) -> Result<Vec<f64>> {
    match &params.seeds {
        Value::Null if params.bin_seeding && bandwidth > 0.0 => Ok(bins(rows, d, bandwidth, params.min_bin_freq)),
        Value::Null => Ok(rows.to_vec()),
        Value::Array(points) => {
            let point = |point: &Value| -> Option<Vec<f64>> {
                let cells = point.as_array().filter(|cells| cells.len() == d)?;
                cells.iter().map(|x| x.as_f64().filter(|x| x.is_finite())).collect()
            };
            match points.iter().map(point).collect::<Option<Vec<Vec<f64>>>>() {
                Some(points) if !points.is_empty() => Ok(points.concat()),
                _ => bail!(
                    InvalidParameter,
                    "hyperparameter \"seeds\" of mean_shift must be rows of {d} finite numbers (features)"
                ),
            }
        }
        other => bail!(
            InvalidParameter,
            "hyperparameter \"seeds\" of mean_shift is {other}, but must be an array of rows or null"
        ),
    }
}

/// The points of a grid that enough rows are nearest to; all rows when that spares none.
fn bins(rows: &[f64], d: usize, width: f64, least: u32) -> Vec<f64> {
    let mut cells: Vec<Vec<f64>> =
        rows.chunks_exact(d).map(|row| row.iter().map(|x| (x / width).round_ties_even()).collect()).collect();
    cells.sort_by(|a, b| {
        a.iter().map(|x| x + 0.0).partial_cmp(b.iter().map(|x| x + 0.0)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let dense = cells.chunk_by(|a, b| a == b).filter(|cell| cell.len() >= least as usize);
    let seeds: Vec<f64> = dense.flat_map(|cell| cell[0].iter().map(|x| x * width)).collect();
    if seeds.len() == rows.len() { rows.to_vec() } else { seeds }
}

/// The peaks from the densest down, less those within the bandwidth of one that is kept.
fn separate(mut peaks: Vec<Peak>, d: usize, bandwidth: f64, run: &Run) -> Result<Vec<f64>> {
    peaks.sort_by(|a, b| {
        b.n_rows.cmp(&a.n_rows).then_with(|| b.place.partial_cmp(&a.place).unwrap_or(std::cmp::Ordering::Equal))
    });
    let places: Vec<f64> = peaks.iter().flat_map(|peak| &peak.place).copied().collect();
    let neighbours = Neighbours::new(&places, d, Metric::Euclidean, run)?;
    let mut is_kept = vec![true; peaks.len()];
    let mut near = Vec::new();
    for (i, peak) in peaks.iter().enumerate() {
        run.check()?;
        if is_kept[i] {
            neighbours.within_radius(&peak.place, bandwidth, &mut near);
            near.iter().for_each(|other| is_kept[other.index as usize] = false);
            is_kept[i] = true;
        }
    }
    let kept = peaks.into_iter().zip(is_kept).filter(|(_, is_kept)| *is_kept);
    Ok(kept.flat_map(|(peak, _)| peak.place).collect())
}
