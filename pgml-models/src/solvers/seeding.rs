//! Where k-means starts.

use fastrand::Rng;
use pgml_core::{Result, Run, bail};
use serde_json::Value;

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
            Self::Given(centres) => Ok(points.centring.centred(centres)),
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
    let nowhere = vec![f64::INFINITY; points.n];
    let mut centres = points.row(Chances::new(points.weight.clone()).draw(rng));
    let first = points.with_candidates(std::slice::from_ref(&centres), &nowhere, run)?;
    let mut closest = first.into_iter().next().map_or(nowhere, |(_, distances)| distances);
    for _ in 1..k {
        let chances = Chances::new(closest.iter().zip(&points.weight).map(|(d, w)| d * w).collect());
        let candidates: Vec<Vec<f64>> = (0..trials).map(|_| points.row(chances.draw(rng))).collect();
        let found = points.with_candidates(&candidates, &closest, run)?;
        let best =
            found.into_iter().zip(candidates).reduce(|best, other| if other.0.0 < best.0.0 { other } else { best });
        if let Some(((_, distances), candidate)) = best {
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
    let mut weight = points.weight.clone();
    let mut centres = Vec::with_capacity(k * points.d);
    for _ in 0..k {
        run.check()?;
        let row = Chances::new(weight.clone()).draw(rng);
        centres.extend(points.row(row));
        weight[row] = 0.0;
    }
    Ok(centres)
}

/// Chances, summed up from the first on.
struct Chances(Vec<f64>);

impl Chances {
    fn new(mut chances: Vec<f64>) -> Self {
        let mut total = 0.0;
        for chance in &mut chances {
            total += *chance;
            *chance = total;
        }
        Self(chances)
    }

    /// An index drawn in proportion to the chances; any index when all are zero.
    fn draw(&self, rng: &mut Rng) -> usize {
        let total = self.0.last().copied().unwrap_or(0.0);
        if total <= 0.0 {
            return rng.usize(0..self.0.len());
        }
        let at = rng.f64() * total;
        let last = self.0.partition_point(|sum| *sum < total);
        self.0.partition_point(|sum| *sum <= at).min(last)
    }
}
