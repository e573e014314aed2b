//! Where the mixture starts.

use pgml_core::{Dataset, Result, Run, bail};
use serde_json::Value;

use super::covariances::Kind;
use super::gaussians::Gaussians;
use super::maximisation::Sums;
use super::{BLOCK, GaussianMixtureParams, Problem};
use crate::solvers::lloyd::Points;
use crate::solvers::nearest::nearest;
use crate::solvers::seeding;

/// What the user starts from.
pub struct Given {
    weights: Option<Vec<f64>>,
    means: Option<Vec<f64>>,
    precisions: Option<Vec<f64>>,
}

impl Given {
    /// Reads and checks the three parameters.
    pub fn read(params: &GaussianMixtureParams, kind: Kind, k: usize, d: usize) -> Result<Self> {
        let weights = numbers("weights_init", &params.weights_init, &[k])?;
        if let Some(weights) = &weights
            && (weights.iter().any(|w| !(0.0..=1.0).contains(w)) || (weights.iter().sum::<f64>() - 1.0).abs() > 1e-6)
        {
            bail!(InvalidParameter, "weights_init of gaussian_mixture must be numbers from 0 to 1 that sum to 1");
        }
        let shape: &[usize] = match kind {
            Kind::Full => &[k, d, d],
            Kind::Tied => &[d, d],
            Kind::Diag => &[k, d],
            Kind::Spherical => &[k],
        };
        let precisions = numbers("precisions_init", &params.precisions_init, shape)?;
        if !kind.is_dense() && precisions.iter().flatten().any(|p| *p <= 0.0) {
            bail!(InvalidParameter, "precisions_init of gaussian_mixture must be greater than 0");
        }
        Ok(Self { weights, means: numbers("means_init", &params.means_init, &[k, d])?, precisions })
    }
}

/// The numbers of nested arrays of this shape; nothing for null.
fn numbers(name: &str, json: &Value, shape: &[usize]) -> Result<Option<Vec<f64>>> {
    fn collect(json: &Value, shape: &[usize], out: &mut Vec<f64>) -> bool {
        match (shape, json) {
            ([], Value::Number(x)) => x.as_f64().filter(|x| x.is_finite()).map(|x| out.push(x)).is_some(),
            ([len, inner @ ..], Value::Array(list)) => {
                list.len() == *len && list.iter().all(|json| collect(json, inner, out))
            }
            _ => false,
        }
    }
    let mut out = Vec::new();
    match json {
        Value::Null => Ok(None),
        json if collect(json, shape, &mut out) => Ok(Some(out)),
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"{name}\" of gaussian_mixture must be null or an array of finite numbers of shape {shape:?}"
        ),
    }
}

/// The first distributions of start number `start`.
pub fn gaussians(
    params: &GaussianMixtureParams,
    problem: &Problem<'_>,
    given: &Given,
    data: &Dataset,
    start: u64,
    run: &Run,
) -> Result<Gaussians> {
    let k = params.n_components as usize;
    if let Given { weights: Some(weights), means: Some(means), precisions: Some(precisions) } = given {
        return Gaussians::with_precisions(problem.kind, weights.clone(), means.clone(), precisions);
    }
    let shares = shares(params, problem, data, start, run)?;
    // Once around the mean of all for the means, and again around those.
    let all: Vec<f64> = problem.mean().repeat(k);
    let means = summed(problem, &shares, all, k, run)?.means();
    let sums = summed(problem, &shares, means, k, run)?;
    let n = problem.rows.len() / problem.d;
    let weights = given.weights.clone().unwrap_or_else(|| {
        // Rows that belong to none keep these from summing to 1, as in scikit-learn.
        let mut totals = vec![10.0 * f64::EPSILON / n as f64; k];
        shares.chunks_exact(k).for_each(|row| totals.iter_mut().zip(row).for_each(|(t, x)| *t += x / n as f64));
        totals
    });
    let moments = problem.second_moments(run)?;
    let means = given.means.clone().unwrap_or_else(|| sums.means());
    match &given.precisions {
        Some(precisions) => Gaussians::with_precisions(problem.kind, weights, means, precisions),
        None => {
            let made = sums.gaussians(problem, moments.as_ref(), Some(weights.clone()))?;
            Gaussians::new(problem.kind, weights, means, made.covariances().to_vec())
        }
    }
}

fn summed(problem: &Problem<'_>, shares: &[f64], around: Vec<f64>, k: usize, run: &Run) -> Result<Sums> {
    let mut sums = Sums::around(around, problem.d, problem.kind);
    for (rows, shares) in problem.rows.chunks(BLOCK * problem.d).zip(shares.chunks(BLOCK * k)) {
        run.check()?;
        sums.add(rows, shares);
    }
    Ok(sums)
}

/// Each distribution's share of each row, `n × k`.
fn shares(
    params: &GaussianMixtureParams,
    problem: &Problem<'_>,
    data: &Dataset,
    start: u64,
    run: &Run,
) -> Result<Vec<f64>> {
    let (n, d, k) = (data.n_rows(), problem.d, params.n_components as usize);
    let mut rng = run.rng(start);
    let mut shares = vec![0.0; n * k];
    match params.init_params.as_str() {
        "random" => {
            for row in shares.chunks_exact_mut(k) {
                row.iter_mut().for_each(|x| *x = rng.f64().max(f64::MIN_POSITIVE));
                let total: f64 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= total);
            }
        }
        "random_from_data" => {
            let mut rows: Vec<usize> = (0..n).collect();
            for c in 0..k {
                let picked = rng.usize(c..n);
                rows.swap(c, picked);
                shares[rows[c] * k + c] = 1.0;
            }
        }
        method => {
            let points = Points::new(data, run)?;
            let centres = seeding::plus_plus(&points, k, &mut rng, run)?;
            if method == "k-means++" {
                // The centres are rows: each finds its own.
                let centres = points.centring.uncentred(centres);
                for (c, centre) in centres.chunks_exact(d).enumerate() {
                    run.check()?;
                    shares[nearest(centre, problem.rows).0 * k + c] = 1.0;
                }
            } else {
                let found = points.lloyd(centres, 1e-4 * points.centring.mean_variance(), 300, run)?;
                let centres = points.centring.uncentred(found.centres);
                for (row, shares) in problem.rows.chunks_exact(d).zip(shares.chunks_exact_mut(k)) {
                    shares[nearest(row, &centres).0] = 1.0;
                }
            }
        }
    }
    Ok(shares)
}
