//! How far predicted numbers are from true ones. Without rows each of these is NaN.

/// The coefficient of determination: 1 for perfect predictions, 0 for those no better than the mean of the true values.
///
/// `1 - Σ(y - ŷ)² / Σ(y - ȳ)²` as scikit-learn's `r2_score`: NaN below two rows; where the true values are constant, 1 for
/// perfect predictions and 0 for all others.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn r2(y: &[f64], yhat: &[f64]) -> f64 {
    assert_eq!(y.len(), yhat.len(), "one prediction per true value");
    if y.len() < 2 {
        return f64::NAN;
    }
    let residual: f64 = y.iter().zip(yhat).map(|(y, yhat)| (y - yhat).powi(2)).sum();
    let total = variation(y);
    match (residual == 0.0, total == 0.0) {
        (true, true) => 1.0,
        (false, true) => 0.0,
        _ => 1.0 - residual / total,
    }
}

/// The sum of squared distances from the mean. Exactly 0 where all values are equal, though their rounded mean may not
/// be that value: else a constant target would score any large negative number.
fn variation(y: &[f64]) -> f64 {
    if y.iter().all(|value| *value == y[0]) {
        return 0.0;
    }
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    y.iter().map(|y| (y - mean).powi(2)).sum()
}

/// The mean squared error, in the target's unit squared.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn mean_squared_error(y: &[f64], yhat: &[f64]) -> f64 {
    assert_eq!(y.len(), yhat.len(), "one prediction per true value");
    y.iter().zip(yhat).map(|(y, yhat)| (y - yhat).powi(2)).sum::<f64>() / y.len() as f64
}

/// The mean absolute error, in the target's unit.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn mean_absolute_error(y: &[f64], yhat: &[f64]) -> f64 {
    assert_eq!(y.len(), yhat.len(), "one prediction per true value");
    y.iter().zip(yhat).map(|(y, yhat)| (y - yhat).abs()).sum::<f64>() / y.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_target_has_r2_one_when_hit_and_zero_when_missed() {
        assert_eq!(r2(&[3.0, 3.0], &[3.0, 3.0]), 1.0);
        assert_eq!(r2(&[3.0, 3.0], &[3.0, 4.0]), 0.0);
        // The mean of these, as rounded, is not 0.1.
        assert_eq!(r2(&[0.1; 10], &[0.2; 10]), 0.0);
    }

    #[test]
    fn too_few_rows_leave_a_metric_undefined() {
        assert!(r2(&[1.0], &[1.0]).is_nan());
        assert!(mean_squared_error(&[], &[]).is_nan());
        assert!(mean_absolute_error(&[], &[]).is_nan());
    }
}
