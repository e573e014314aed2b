//! The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl 2011: "Algorithms for hyper-parameter
//! optimization"): new candidates are drawn where good ones lie densely and others do not.

use fastrand::Rng;
use serde_json::{Map, Value};

use super::space::{Axis, Domain, Range, SEARCH_STREAM, draw_one, n_combinations};
use super::trials::{Judge, Trial, mean, results};
use super::{Evaluated, Folds};
use crate::{Result, Run};

/// Candidates drawn by chance before densities say anything.
const STARTUP: usize = 10;
/// The share of candidates that count as good.
const GOOD_SHARE: f64 = 0.15;
/// How many points are drawn for a parameter, of which the most promising is tried.
const DRAWN: usize = 24;
/// How often a candidate that was tried already is drawn anew.
const REDRAWS: usize = 32;

/// Judges `n_iter` candidates, each drawn after the one before was judged.
pub fn explore(axes: &[Axis], n_iter: usize, folds: &Folds<'_>, judge: &Judge<'_>, run: &Run) -> Result<Evaluated> {
    let parts = (0..folds.len()).map(|fold| folds.part(fold, 1, run)).collect::<Result<Vec<_>>>()?;
    let mut rng = run.rng(SEARCH_STREAM);
    let n_iter = n_combinations(axes).map_or(n_iter, |n| n_iter.min(usize::try_from(n).unwrap_or(usize::MAX)));
    let (mut candidates, mut trials) = (Vec::new(), Vec::<Vec<Trial>>::new());
    while candidates.len() < n_iter && (candidates.is_empty() || !judge.is_over()) {
        run.progress("search", candidates.len() as u64, n_iter as u64);
        let scores: Vec<f64> = trials.iter().map(|t| mean(t, |t| t.score)).collect();
        let candidate = next(axes, &candidates, &scores, judge, &mut rng);
        let tried = parts.iter().map(|(data, held_out)| judge.judge(&candidate, data, held_out));
        trials.push(tried.collect::<Result<_>>()?);
        candidates.push(candidate);
    }
    let best = judge.best(&trials)?;
    let table = results(&candidates, &trials, best);
    Ok(Evaluated { best: candidates[best].clone(), results: Value::Object(table) })
}

/// The next candidate: one that was not tried before, if that can be had.
fn next(
    axes: &[Axis],
    tried: &[Map<String, Value>],
    scores: &[f64],
    judge: &Judge<'_>,
    rng: &mut Rng,
) -> Map<String, Value> {
    let mut candidate = Map::new();
    for attempt in 0..REDRAWS {
        candidate = if tried.len() < STARTUP || attempt > REDRAWS / 2 {
            draw_one(axes, rng)
        } else {
            promising(axes, tried, scores, judge, rng)
        };
        if !tried.contains(&candidate) {
            break;
        }
    }
    candidate
}

/// A candidate whose every value is dense among the good and sparse among the others.
fn promising(
    axes: &[Axis],
    tried: &[Map<String, Value>],
    scores: &[f64],
    judge: &Judge<'_>,
    rng: &mut Rng,
) -> Map<String, Value> {
    let order = judge.by_score((0..tried.len()).collect(), |candidate| scores[candidate]);
    let n_good = ((GOOD_SHARE * tried.len() as f64).ceil() as usize).max(1);
    let (good, others) = order.split_at(n_good);
    let value = |axis: &Axis| {
        let of = |part: &[usize]| -> Vec<Value> {
            part.iter().filter_map(|candidate| tried[*candidate].get(&axis.name).cloned()).collect()
        };
        match &axis.domain {
            Domain::List(values) => from_list(values, &of(good), &of(others), rng),
            Domain::Range(range) => from_range(*range, &of(good), &of(others), rng),
        }
    };
    let values: Vec<Value> = axes.iter().map(value).collect();
    axes.iter().map(|axis| axis.name.clone()).zip(values).collect()
}

fn from_list(values: &[Value], good: &[Value], others: &[Value], rng: &mut Rng) -> Value {
    // Each value counts once more than it was seen, so that none is ruled out.
    let share = |value: &Value, part: &[Value]| {
        (1.0 + part.iter().filter(|seen| *seen == value).count() as f64) / (values.len() + part.len()) as f64
    };
    let weights: Vec<f64> = values.iter().map(|value| share(value, good)).collect();
    let drawn = (0..DRAWN).map(|_| &values[draw_weighted(&weights, rng)]);
    let promise = |value: &Value| share(value, good) / share(value, others);
    drawn.max_by(|a, b| promise(a).total_cmp(&promise(b))).unwrap_or(&values[0]).clone()
}

fn draw_weighted(weights: &[f64], rng: &mut Rng) -> usize {
    let mut left = rng.f64() * weights.iter().sum::<f64>();
    weights
        .iter()
        .position(|weight| {
            left -= weight;
            left < 0.0
        })
        .unwrap_or(weights.len() - 1)
}

fn from_range(range: Range, good: &[Value], others: &[Value], rng: &mut Rng) -> Value {
    let scaled = |part: &[Value]| -> Vec<f64> {
        let numbers = part.iter().filter_map(Value::as_f64);
        numbers.map(|x| if range.log { x.ln() } else { x }).collect()
    };
    let (good, others) = (Parzen::new(range, scaled(good)), Parzen::new(range, scaled(others)));
    let drawn = (0..DRAWN).map(|_| good.draw(rng));
    let promise = |x: f64| good.density(x) / others.density(x);
    let best = drawn.max_by(|a, b| promise(*a).total_cmp(&promise(*b))).unwrap_or(good.low);
    range.value(best)
}

/// A mixture of normal distributions around points and one over the whole range, cut at its bounds.
struct Parzen {
    low: f64,
    high: f64,
    /// Centre and deviation.
    bumps: Vec<(f64, f64)>,
}

impl Parzen {
    fn new(range: Range, mut points: Vec<f64>) -> Self {
        let (low, high) = range.scaled_bounds();
        let width = high - low;
        points.sort_unstable_by(f64::total_cmp);
        let n = points.len();
        // As wide as the way to the farther neighbour, so that bumps overlap; never a needle.
        let least = width / (n as f64 + 2.0).min(100.0);
        let bump = |i: usize| {
            let below = if i == 0 { low } else { points[i - 1] };
            let above = points.get(i + 1).copied().unwrap_or(high);
            (points[i], (points[i] - below).max(above - points[i]).clamp(least, width))
        };
        let mut bumps: Vec<(f64, f64)> = (0..n).map(bump).collect();
        bumps.push(((low + high) / 2.0, width));
        Self { low, high, bumps }
    }

    fn draw(&self, rng: &mut Rng) -> f64 {
        let (centre, deviation) = self.bumps[rng.usize(..self.bumps.len())];
        for _ in 0..100 {
            // Box and Muller 1958.
            let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
            let x = centre + deviation * normal;
            if (self.low..=self.high).contains(&x) {
                return x;
            }
        }
        centre.clamp(self.low, self.high)
    }

    fn density(&self, x: f64) -> f64 {
        let bump = |(centre, deviation): &(f64, f64)| (-((x - centre) / deviation).powi(2) / 2.0).exp() / deviation;
        self.bumps.iter().map(bump).sum::<f64>() / self.bumps.len() as f64
    }
}
