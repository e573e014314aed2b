//! Where k-means starts.

use fastrand::Rng;
use pgml_core::{Result, Run, bail};
use serde_json::Value;

use super::kernels::dot;
use super::lloyd::Points;

/// How the first centres are found.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Greedy k-means++.
    PlusPlus,
    /// Rows drawn at random.
    Random,
    /// These centres.
    Given(Vec<f64>),
}

impl Start {
    /// Reads the hyperparameter `init` of `algorithm`: "k-means++", "random", or `k` centres of `d` numbers.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) for anything else.
    pub fn read(algorithm: &str, init: &Value, k: usize, d: usize) -> Result<Self> {
        match init {
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
                    Some(values) if rows.len() == k && rows.iter().all(cells) => Ok(Self::Given(values)),
                    _ => bail!(
                        InvalidParameter,
                        "hyperparameter \"init\" of {algorithm} must have {k} centres (n_clusters) of {d} finite numbers \
                         (features)"
                    ),
                }
            }
            other => bail!(
                InvalidParameter,
                "hyperparameter \"init\" of {algorithm} is {other}, but must be \"k-means++\", \"random\" or an array of centres"
            ),
        }
    }

    /// Reads the hyperparameter `n_init` of `algorithm`: how many starts are tried. "auto" means one, but
    /// `random_starts` when they are drawn at random; given centres are tried once in any case.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) for no such number.
    pub fn tries(&self, algorithm: &str, n_init: &Value, random_starts: usize) -> Result<usize> {
        match (n_init.as_str(), n_init.as_f64()) {
            _ if matches!(self, Self::Given(_)) => Ok(1),
            (Some("auto"), _) => Ok(if *self == Self::Random { random_starts } else { 1 }),
            (_, Some(n)) if n.fract() == 0.0 && (1.0..=1e6).contains(&n) => Ok(n as usize),
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"n_init\" of {algorithm} is {n_init}, but must be auto or at least 1"
            ),
        }
    }

    /// `k` centres among `points`.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn centres(&self, points: &Points, k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
        match self {
            Self::PlusPlus => plus_plus(points, k, rng, run),
            Self::Random => random_rows(points, k, rng, run),
            Self::Given(centres) => Ok(points.centred(centres)),
        }
    }
}

/// Greedy k-means++ (Arthur, Vassilvitskii 2007): each next centre is the best of `2 + ln k` rows drawn in proportion
/// to their squared distance from the centres so far.
///
/// # Errors
/// When the run was cancelled.
pub fn plus_plus(points: &Points, k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
    let trials = 2 + (k as f64).ln() as usize;
    let mut centres = points.row(draw(&points.weight, rng));
    let mut closest = points.distances(&centres, run)?;
    for _ in 1..k {
        let chances: Vec<f64> = closest.iter().zip(&points.weight).map(|(d, w)| d * w).collect();
        let mut best: Option<(f64, Vec<f64>, Vec<f64>)> = None;
        for _ in 0..trials {
            let candidate = points.row(draw(&chances, rng));
            let mut distances = points.distances(&candidate, run)?;
            distances.iter_mut().zip(&closest).for_each(|(d, c)| *d = d.min(*c));
            let potential = dot(&distances, &points.weight);
            if best.as_ref().is_none_or(|(lowest, ..)| potential < *lowest) {
                best = Some((potential, distances, candidate));
            }
        }
        if let Some((_, distances, candidate)) = best {
            closest = distances;
            centres.extend(candidate);
        }
    }
    Ok(centres)
}

/// `k` different rows, drawn in proportion to their weight.
///
/// # Errors
/// When the run was cancelled.
pub fn random_rows(points: &Points, k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
    let mut chances = points.weight.clone();
    let mut centres = Vec::with_capacity(k * points.d);
    for _ in 0..k {
        run.check()?;
        let row = draw(&chances, rng);
        centres.extend(points.row(row));
        chances[row] = 0.0;
    }
    Ok(centres)
}

/// An index drawn in proportion to `chances`; any index when all are zero.
fn draw(chances: &[f64], rng: &mut Rng) -> usize {
    let total: f64 = chances.iter().sum();
    if total <= 0.0 {
        return rng.usize(0..chances.len());
    }
    let mut left = rng.f64() * total;
    let mut last = 0;
    for (i, chance) in chances.iter().enumerate().filter(|(_, chance)| **chance > 0.0) {
        if left < *chance {
            return i;
        }
        left -= chance;
        last = i;
    }
    // Rounding used up the total before the end.
    last
}
