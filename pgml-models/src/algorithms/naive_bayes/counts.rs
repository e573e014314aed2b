//! Distributions of counts: how often each feature occurs in each class.

use pgml_core::{Result, Run, bail};
use serde_json::Value;

use super::model::{Evidence, NaiveBayesModel};
use super::{NaiveBayesParams, Rows, given_priors};
use crate::linear_model::Classes;

/// The least that is added to counts, unless `force_alpha`.
const LEAST_ALPHA: f64 = 1e-10;

pub(super) fn fit(
    params: &NaiveBayesParams,
    rows: &Rows<'_>,
    classes: Classes,
    totals: &[f64],
    run: &Run,
) -> Result<NaiveBayesModel> {
    let bernoulli = params.distribution == "bernoulli";
    let threshold = params.binarize.filter(|_| bernoulli);
    let counts = count(rows, threshold, !bernoulli, run)?;
    let alpha = alpha(params, rows.data.n_features())?;
    let (offsets, weights) = match params.distribution.as_str() {
        "multinomial" => (log_priors(params, &classes, totals)?, multinomial(&counts, &alpha)),
        "complement" => (vec![0.0; rows.k], complement(&counts, &alpha, rows.k, params.norm)),
        _ => with_absences(log_priors(params, &classes, totals)?, &bernoulli_odds(&counts, &alpha, totals)),
    };
    if weights.iter().any(|w| !w.is_finite()) {
        bail!(InvalidData, "a feature has probability 0 or 1 within a class; raise alpha above 0");
    }
    NaiveBayesModel::new(classes, offsets, Evidence::Linear { weights, threshold })
}

/// `Σ weight · value` of every feature, one row per class.
fn count(rows: &Rows<'_>, threshold: Option<f64>, positive: bool, run: &Run) -> Result<Vec<f64>> {
    let (k, d) = (rows.k, rows.data.n_features());
    let mut counts = vec![0.0; k * d];
    for (j, feature) in rows.data.features().iter().enumerate() {
        run.check()?;
        if positive && feature.values.iter().any(|x| x < 0.0) {
            bail!(InvalidData, "feature \"{}\" is negative in some rows, which no count can be", feature.name);
        }
        let sums = match threshold {
            None => rows.sums(feature.values.iter()),
            Some(t) => rows.sums(feature.values.iter().map(|x| f64::from(u8::from(x > t)))),
        };
        sums.iter().enumerate().for_each(|(c, sum)| counts[c * d + j] = *sum);
    }
    Ok(counts)
}

/// What is added to the counts of each feature.
fn alpha(params: &NaiveBayesParams, d: usize) -> Result<Vec<f64>> {
    let list = match &params.alpha {
        Value::Array(list) => list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>(),
        one => one.as_f64().map(|alpha| vec![alpha; d]),
    };
    let Some(list) = list.filter(|list| list.len() == d && list.iter().all(|a| a.is_finite() && *a >= 0.0)) else {
        bail!(
            InvalidParameter,
            "hyperparameter \"alpha\" of naive_bayes is {}, but must be a number of at least 0, or {d} of them",
            params.alpha
        );
    };
    let least = if params.force_alpha { 0.0 } else { LEAST_ALPHA };
    Ok(list.into_iter().map(|a| a.max(least)).collect())
}

fn log_priors(params: &NaiveBayesParams, classes: &Classes, totals: &[f64]) -> Result<Vec<f64>> {
    if !params.class_prior.is_null() {
        let given = given_priors("class_prior", &params.class_prior, classes)?;
        return Ok(given.iter().map(|p| p.ln()).collect());
    }
    let all: f64 = totals.iter().sum();
    let share = |total: &f64| if params.fit_prior { (total / all).ln() } else { -(totals.len() as f64).ln() };
    Ok(totals.iter().map(share).collect())
}

/// Logarithms of each feature's share of its class's counts.
fn multinomial(counts: &[f64], alpha: &[f64]) -> Vec<f64> {
    let of_class = |counts: &[f64]| {
        let smooth: Vec<f64> = counts.iter().zip(alpha).map(|(n, a)| n + a).collect();
        let all = smooth.iter().sum::<f64>().ln();
        smooth.into_iter().map(move |n| n.ln() - all)
    };
    counts.chunks_exact(alpha.len()).flat_map(of_class).collect()
}

/// Minus the logarithms of each feature's share of the counts of all other classes (Rennie et al. 2003).
fn complement(counts: &[f64], alpha: &[f64], k: usize, norm: bool) -> Vec<f64> {
    let d = alpha.len();
    let all: Vec<f64> = (0..d).map(|j| (0..k).map(|c| counts[c * d + j]).sum()).collect();
    let of_class = |counts: &[f64]| {
        let others: Vec<f64> = (0..d).map(|j| all[j] + alpha[j] - counts[j]).collect();
        let total: f64 = others.iter().sum();
        let logs: Vec<f64> = others.iter().map(|n| (n / total).ln()).collect();
        let divisor = if norm { logs.iter().sum::<f64>() } else { -1.0 };
        logs.into_iter().map(move |log| log / divisor)
    };
    counts.chunks_exact(d).flat_map(of_class).collect()
}

/// Logarithms of the probabilities that a feature is 1, and that it is 0.
fn bernoulli_odds(counts: &[f64], alpha: &[f64], totals: &[f64]) -> Vec<(f64, f64)> {
    let of_class = |(counts, total): (&[f64], &f64)| {
        let of_feature = |(n, a): (&f64, &f64)| {
            let log = (n + a).ln() - (total + 2.0 * a).ln();
            (log, (1.0 - log.exp()).ln())
        };
        counts.iter().zip(alpha).map(of_feature).collect::<Vec<_>>()
    };
    counts.chunks_exact(alpha.len()).zip(totals).flat_map(of_class).collect()
}

/// Features that are 0 count too: their evidence is in the offsets, and taken back by the weights of features that are 1.
fn with_absences(mut offsets: Vec<f64>, odds: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    let d = odds.len() / offsets.len();
    for (offset, odds) in offsets.iter_mut().zip(odds.chunks_exact(d)) {
        *offset += odds.iter().map(|(_, absent)| absent).sum::<f64>();
    }
    (offsets, odds.iter().map(|(present, absent)| present - absent).collect())
}
