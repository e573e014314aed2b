//! Normal distributions within classes.

use std::f64::consts::TAU;

use pgml_core::{Result, Run, bail};

use super::model::{Evidence, NaiveBayesModel};
use super::{NaiveBayesParams, Rows, given_priors};
use crate::linear_model::Classes;

/// Means and variances of every feature in every class.
pub(super) fn fit(
    params: &NaiveBayesParams,
    rows: &Rows<'_>,
    classes: Classes,
    totals: &[f64],
    run: &Run,
) -> Result<NaiveBayesModel> {
    let (k, d) = (rows.k, rows.data.n_features());
    let (mut means, mut variances) = (vec![0.0; k * d], vec![0.0; k * d]);
    let mut largest = 0.0_f64;
    let _memory = run.reserve(8 * rows.data.n_rows() as u64, "a column of features")?;
    for (j, feature) in rows.data.features().iter().enumerate() {
        run.check()?;
        let column: Vec<f64> = feature.values.iter().collect();
        largest = largest.max(variance(&column));
        let sums = rows.sums(column.iter().copied());
        let centres: Vec<f64> = sums.iter().zip(totals).map(|(sum, total)| sum / total).collect();
        let gaps = column.iter().zip(&rows.class).map(|(x, class)| x - centres[*class as usize]);
        let squares = rows.sums(gaps.map(|gap| gap * gap));
        for c in 0..k {
            means[c * d + j] = centres[c];
            variances[c * d + j] = squares[c] / totals[c];
        }
    }
    variances.iter_mut().for_each(|v| *v += params.var_smoothing * largest);
    if variances.contains(&0.0) {
        bail!(InvalidData, "a feature is constant within a class; raise var_smoothing, or leave the feature out");
    }
    let priors = priors(params, &classes, totals)?;
    let offsets = (0..k)
        .map(|c| priors[c].ln() - 0.5 * variances[c * d..(c + 1) * d].iter().map(|v| (TAU * v).ln()).sum::<f64>())
        .collect();
    NaiveBayesModel::new(classes, offsets, Evidence::Normal { means, variances })
}

/// Of all rows alike, as scikit-learn scales its smoothing.
fn variance(column: &[f64]) -> f64 {
    let n = column.len() as f64;
    let mean = column.iter().sum::<f64>() / n;
    column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n
}

fn priors(params: &NaiveBayesParams, classes: &Classes, totals: &[f64]) -> Result<Vec<f64>> {
    if params.priors.is_null() {
        let all: f64 = totals.iter().sum();
        return Ok(totals.iter().map(|total| total / all).collect());
    }
    let priors = given_priors("priors", &params.priors, classes)?;
    let sum: f64 = priors.iter().sum();
    if (sum - 1.0).abs() > 1e-5 {
        bail!(InvalidParameter, "the priors of naive_bayes sum to {sum}, not 1");
    }
    Ok(priors)
}
