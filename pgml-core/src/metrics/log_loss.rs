//! How surprised a classifier is by the truth.

/// The mean negative logarithm of the probability given to the true class (cross entropy, natural logarithm).
///
/// `y` holds class indices `0..n_classes`, `proba` is `n × n_classes` in row-major order. Probabilities are kept
/// `2⁻⁵²` away from 0 and 1 as in scikit-learn, so that a class ruled out wrongly costs 36.04 instead of infinity.
/// NaN without rows, and when a label is no class index.
///
/// # Panics
/// When the lengths do not agree.
#[must_use]
pub fn log_loss(y: &[f64], proba: &[f64], n_classes: usize) -> f64 {
    assert_eq!(y.len() * n_classes, proba.len(), "one probability per row and class");
    let losses = y.iter().enumerate().map(|(row, label)| {
        if label.fract() != 0.0 || !(0.0..n_classes as f64).contains(label) {
            return f64::NAN;
        }
        let p = proba[row * n_classes + *label as usize];
        -p.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    });
    losses.sum::<f64>() / y.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certain_and_wrong_prediction_costs_a_finite_amount() {
        let loss = log_loss(&[1.0], &[1.0, 0.0], 2);
        assert_eq!(loss, -f64::EPSILON.ln());
    }

    #[test]
    fn a_label_that_is_no_class_makes_it_undefined() {
        assert!(log_loss(&[2.0], &[0.5, 0.5], 2).is_nan());
        assert!(log_loss(&[], &[], 2).is_nan());
    }
}
