//! The best monotone function of one feature.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Dataset, Error, ErrorKind, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::task_params::regression_targets;
use crate::per_target::PerTarget;

/// Values of the feature that are closer than this count as one, as in scikit-learn.
const SAME: f64 = 1e-15;
/// Rows between two looks at the cancel flag.
const PIECE: usize = 8192;

hyperparams! {
    /// Parameters of `isotonic`.
    pub struct IsotonicParams {
        /// Whether predictions rise with the feature; "auto" decides by the rank correlation.
        increasing: Value = Value::Bool(true);
        /// Lowest prediction; null means any.
        y_min: Option<f64> = None;
        /// Highest prediction; null means any.
        y_max: Option<f64> = None;
        /// Beyond the training rows: clip takes the nearest one's prediction, raise is an error.
        out_of_bounds: String = "clip".to_owned(), choices: ["clip", "raise"];
    }
}

/// Isotonic regression.
pub struct Isotonic;

impl Estimator for Isotonic {
    const NAME: &'static str = "isotonic";
    const DESCRIPTION: &'static str =
        "The best rising (or falling) curve through one feature, whatever its shape: to calibrate scores.";
    const SOURCE: &'static str = "Ayer, Brunk, Ewing, Reid, Silverman 1955; scikit-learn 1.9 IsotonicRegression";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = IsotonicParams;
    type Model = PerTarget<IsotonicModel>;

    fn fit(params: &IsotonicParams, data: &Dataset, _: Task, run: &Run) -> Result<PerTarget<IsotonicModel>> {
        data.require_finite()?;
        regression_targets(data)?;
        if data.n_features() != 1 {
            bail!(NotSupported, "isotonic learns from one feature, not {}", data.n_features());
        }
        if let (Some(low), Some(high)) = (params.y_min, params.y_max)
            && low > high
        {
            bail!(InvalidParameter, "y_min of isotonic is {low}, which exceeds y_max, {high}");
        }
        let bytes = 60 * data.n_rows() as u64;
        let _memory = run.reserve(bytes, "the sorted rows")?;
        PerTarget::fit(data, |data| fit_one(params, data, run))
    }

    fn decode(parts: &Parts) -> Result<PerTarget<IsotonicModel>> {
        PerTarget::decode(parts, IsotonicModel::decode)
    }
}

fn fit_one(params: &IsotonicParams, data: &Dataset, run: &Run) -> Result<IsotonicModel> {
    let x: Vec<f64> = data.features()[0].values.iter().collect();
    let target = data.target()?;
    let rising = match &params.increasing {
        Value::Bool(rising) => *rising,
        Value::String(auto) if auto == "auto" => correlation(&ranks(&x), &ranks(target)) >= 0.0,
        other => bail!(
            InvalidParameter,
            "hyperparameter \"increasing\" of isotonic is {other}, but must be true, false or \"auto\""
        ),
    };
    run.check()?;
    let mut points = merged(&x, target, data.weight());
    run.check()?;
    if !rising {
        points.reverse();
    }
    pool(&mut points, run)?;
    if !rising {
        points.reverse();
    }
    for point in &mut points {
        point.y = point.y.max(params.y_min.unwrap_or(f64::NEG_INFINITY)).min(params.y_max.unwrap_or(f64::INFINITY));
    }
    Ok(IsotonicModel::new(&points, params.out_of_bounds == "raise"))
}

/// Rows of one value of the feature.
#[derive(Debug, Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
    weight: f64,
}

/// The rows with a weight, in order of the feature, equal values merged into their mean.
fn merged(x: &[f64], y: &[f64], weight: Option<&[f64]>) -> Vec<Point> {
    let row = |i: usize| Point { x: x[i], y: y[i], weight: weight.map_or(1.0, |w| w[i]) };
    let mut rows: Vec<Point> = (0..x.len()).map(row).filter(|row| row.weight > 0.0).collect();
    rows.sort_unstable_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let mut points: Vec<Point> = Vec::with_capacity(rows.len());
    for row in rows {
        match points.last_mut() {
            Some(last) if row.x - last.x < SAME => {
                last.y += row.weight * row.y;
                last.weight += row.weight;
            }
            _ => points.push(Point { y: row.weight * row.y, ..row }),
        }
    }
    points.iter_mut().for_each(|point| point.y /= point.weight);
    points
}

/// Replaces the values by the nearest ones that never fall: neighbours that do are pooled into their mean.
fn pool(points: &mut [Point], run: &Run) -> Result<()> {
    // Each pool: its mean, its weight, and where it ends.
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(points.len());
    for (i, point) in points.iter().enumerate() {
        if i % PIECE == 0 {
            run.check()?;
            run.progress("training", i as u64, points.len() as u64);
        }
        let (mut y, mut weight) = (point.y, point.weight);
        while let Some(&(before, its_weight, _)) = pools.last() {
            if before < y {
                break;
            }
            y = (before * its_weight + y * weight) / (its_weight + weight);
            weight += its_weight;
            pools.pop();
        }
        pools.push((y, weight, i + 1));
    }
    let mut first = 0;
    for (y, _, end) in pools {
        points[first..end].iter_mut().for_each(|point| point.y = y);
        first = end;
    }
    Ok(())
}

/// The rank of each value, equal ones sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + 0.5 * (equal.len() - 1) as f64;
        equal.iter().for_each(|row| ranks[*row] = rank);
        first += equal.len();
    }
    ranks
}

/// Pearson's correlation; NaN when either is constant.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// A curve of straight pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct IsotonicModel {
    /// Where pieces meet, ascending.
    x: Vec<f64>,
    /// The prediction there.
    y: Vec<f64>,
    /// Whether rows beyond are refused.
    raises: bool,
}

impl IsotonicModel {
    /// Keeps the ends of each run of equal values.
    fn new(points: &[Point], raises: bool) -> Self {
        let same = |i: usize, j: usize| points[i].y == points[j].y;
        let inside = |i: usize| i > 0 && i + 1 < points.len() && same(i, i - 1) && same(i, i + 1);
        let kept: Vec<&Point> = (0..points.len()).filter(|i| !inside(*i)).map(|i| &points[i]).collect();
        Self { x: kept.iter().map(|p| p.x).collect(), y: kept.iter().map(|p| p.y).collect(), raises }
    }

    fn decode(parts: &Parts) -> Result<Self> {
        let (x, y) = (parts.array::<f64>("x")?.to_vec(), parts.array::<f64>("y")?.to_vec());
        let ascending = x.windows(2).all(|pair| pair[0] < pair[1]);
        if x.is_empty() || x.len() != y.len() || !ascending || x.iter().chain(&y).any(|value| !value.is_finite()) {
            bail!(Corrupted, "a stored isotonic curve of {} points and {} values is malformed", x.len(), y.len());
        }
        Ok(Self { x, y, raises: parts.meta("raises")? })
    }

    fn predict(&self, x: f64) -> Result<f64> {
        let last = self.x.len() - 1;
        if x < self.x[0] || x > self.x[last] {
            if self.raises {
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    format!("{x} lies outside of the training rows, {} to {}", self.x[0], self.x[last]),
                )
                .with_hint("train with out_of_bounds \"clip\" to answer with the nearest row's prediction"));
            }
            return Ok(if x < self.x[0] { self.y[0] } else { self.y[last] });
        }
        if last == 0 {
            return Ok(self.y[0]);
        }
        let right = self.x.partition_point(|at| *at < x).clamp(1, last);
        let left = right - 1;
        let slope = (self.y[right] - self.y[left]) / (self.x[right] - self.x[left]);
        Ok(slope * (x - self.x[left]) + self.y[left])
    }
}

impl Model for IsotonicModel {
    fn n_features(&self) -> usize {
        1
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, 1, out, 1)?;
        require_finite(&rows)?;
        for (out, x) in out.iter_mut().zip(rows.as_slice()) {
            *out = self.predict(*x)?;
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        Parts::new().with("x", self.x.clone()).with("y", self.y.clone()).with_meta("raises", &self.raises)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 16 * self.x.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_fall_are_pooled() {
        let mut points = merged(&[1.0, 2.0, 3.0, 4.0, 4.0], &[1.0, 3.0, 2.0, 4.0, 6.0], None);
        pool(&mut points, &Run::new()).expect("not cancelled");
        assert_eq!(points.iter().map(|p| p.y).collect::<Vec<_>>(), [1.0, 2.5, 2.5, 5.0]);
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        assert!((correlation(&[0.0, 1.0, 2.0], &[2.0, 1.0, 0.0]) + 1.0).abs() < 1e-15);
    }
}
