//! How much rows and classes weigh, and how many rows each tree draws.

use pgml_core::{Dataset, Result, bail};

use super::RandomForestParams;
use crate::trees::amount::Amount;

/// The weights of rows times those of their classes; `None` when all are 1.
pub(super) fn row_weights(params: &RandomForestParams, data: &Dataset) -> Result<Option<Vec<f64>>> {
    let per_tree = params.bootstrap && params.class_weight.as_deref() == Some("balanced_subsample");
    if params.class_weight.is_none() || per_tree {
        return Ok(data.weight().map(<[f64]>::to_vec));
    }
    let weight = |row: usize| data.weight().map_or(1.0, |weight| weight[row]);
    let by_class = balanced(data, weight);
    let classes = data.target()?;
    Ok(Some(classes.iter().enumerate().map(|(row, class)| weight(row) * by_class[*class as usize]).collect()))
}

/// The weight per class that makes all classes present weigh the same, and all rows together what they do.
pub(super) fn balanced(data: &Dataset, weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; data.n_classes()];
    data.targets()[0].iter().enumerate().for_each(|(row, class)| sums[*class as usize] += weight(row));
    let present = sums.iter().filter(|sum| **sum > 0.0).count() as f64;
    let total: f64 = sums.iter().sum();
    sums.iter().map(|sum| if *sum > 0.0 { total / (present * sum) } else { 0.0 }).collect()
}

/// How many rows each tree draws.
pub(super) fn draws(max_samples: Option<Amount>, n_rows: usize, weight: Option<&[f64]>) -> Result<usize> {
    // As in scikit-learn 1.9, a share is of the weight, so that weights mean repeated rows.
    let all = weight.map_or(n_rows as f64, |weight| weight.iter().sum());
    let n_draws = match max_samples {
        None => n_rows,
        Some(Amount::Count(count)) => count,
        Some(Amount::Share(share)) => ((share * all) as usize).max(1),
    };
    if n_draws > u32::MAX as usize {
        bail!(InvalidParameter, "max_samples of random_forest asks for {n_draws} rows, more than fit a tree");
    }
    Ok(n_draws)
}
