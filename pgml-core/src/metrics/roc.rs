//! Receiver operating characteristic: how well a score ranks the rows of one class above the others.

/// The curve's corners: the share of other rows (x) and of the class's rows (y) that score at least each threshold.
///
/// It starts at (0, 0) and ends at (1, 1); rows of equal score share one corner. A share is NaN where there is nothing
/// to take it of.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn roc_curve(y: &[f64], score: &[f64], positive: f64) -> Vec<(f64, f64)> {
    let corners = corners(y, score, positive);
    let (negatives, positives) = corners[corners.len() - 1];
    corners.iter().map(|(x, y)| (*x as f64 / negatives as f64, *y as f64 / positives as f64)).collect()
}

/// A corner of the curve, with the least score that counts as found there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Rows that score at least this are taken for the class; infinity at the first corner.
    pub threshold: f64,
    /// The share of other rows that are.
    pub false_positive_rate: f64,
    /// The share of the class's rows that are.
    pub true_positive_rate: f64,
}

/// The curve as [`roc_curve`], with thresholds and without corners on a straight line between their neighbours, as
/// scikit-learn's `roc_curve` gives it.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn roc_points(y: &[f64], score: &[f64], positive: f64) -> Vec<RocPoint> {
    let corners = corners(y, score, positive);
    let mut thresholds: Vec<f64> = score.to_vec();
    thresholds.sort_unstable_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    thresholds.insert(0, f64::INFINITY);
    let (negatives, positives) = corners[corners.len() - 1];
    let step = |i: usize| (corners[i].0 - corners[i - 1].0, corners[i].1 - corners[i - 1].1);
    // Kept is where the counts grow by another step than before, the first corner after the origin, and the last.
    let is_kept = |i: &usize| *i <= 1 || *i + 1 == corners.len() || step(*i) != step(*i + 1);
    let point = |i: usize| RocPoint {
        threshold: thresholds[i],
        false_positive_rate: corners[i].0 as f64 / negatives as f64,
        true_positive_rate: corners[i].1 as f64 / positives as f64,
    };
    (0..corners.len()).filter(is_kept).map(point).collect()
}

/// The area under the curve: the probability that a row of class `positive` scores above one of the others, ties
/// counting half. NaN when `y` holds only one of both, or a score is NaN.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn roc_auc(y: &[f64], score: &[f64], positive: f64) -> f64 {
    if score.iter().any(|s| s.is_nan()) {
        return f64::NAN;
    }
    let corners = corners(y, score, positive);
    let (negatives, positives) = corners[corners.len() - 1];
    // Twice the area, in whole rows: exact as long as it fits 128 bits.
    let doubled: u128 = corners.windows(2).map(|w| u128::from(w[1].0 - w[0].0) * u128::from(w[1].1 + w[0].1)).sum();
    doubled as f64 / 2.0 / (negatives as f64 * positives as f64)
}

/// The plain mean over classes of the area for that class against the rest; for two classes the area for class 1.
///
/// `y` holds class indices `0..n_classes`, `proba` is `n × n_classes` in row-major order. NaN when `y` misses a class.
///
/// # Panics
/// When the lengths do not agree.
#[must_use]
pub fn roc_auc_one_vs_rest(y: &[f64], proba: &[f64], n_classes: usize) -> f64 {
    assert_eq!(y.len() * n_classes, proba.len(), "one probability per row and class");
    let of_class = |class: usize| {
        let score: Vec<f64> = proba.iter().skip(class).step_by(n_classes).copied().collect();
        roc_auc(y, &score, class as f64)
    };
    match n_classes {
        2 => of_class(1),
        n => (0..n).map(of_class).sum::<f64>() / n as f64,
    }
}

/// Counts of (other rows, rows of the class) that score at least each distinct score, from the highest; first (0, 0).
fn corners(y: &[f64], score: &[f64], positive: f64) -> Vec<(u64, u64)> {
    assert_eq!(y.len(), score.len(), "one score per true label");
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_unstable_by(|a, b| score[*b].total_cmp(&score[*a]));
    let mut corners = vec![(0, 0)];
    let (mut others, mut hits) = (0, 0);
    for (rank, row) in order.iter().enumerate() {
        if y[*row] == positive {
            hits += 1
        } else {
            others += 1
        }
        let next = order.get(rank + 1).map(|next| score[*next]);
        if next != Some(score[*row]) {
            corners.push((others, hits));
        }
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_starts_at_the_origin_so_hard_labels_give_the_balanced_accuracy() {
        // Sensitivity 2/3, specificity 3/4.
        let y = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let yhat = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(roc_curve(&y, &yhat, 1.0), [(0.0, 0.0), (0.25, 2.0 / 3.0), (1.0, 1.0)]);
        assert!((roc_auc(&y, &yhat, 1.0) - f64::midpoint(2.0 / 3.0, 0.75)).abs() < 1e-15);
    }

    #[test]
    fn rows_of_equal_score_count_half() {
        assert_eq!(roc_auc(&[0.0, 1.0], &[0.5, 0.5], 1.0), 0.5);
    }

    #[test]
    fn one_class_alone_or_a_score_of_nan_leaves_it_undefined() {
        assert!(roc_auc(&[1.0, 1.0], &[0.5, 0.6], 1.0).is_nan());
        assert!(roc_auc(&[], &[], 1.0).is_nan());
        assert!(roc_auc(&[0.0, 1.0], &[f64::NAN, 0.5], 1.0).is_nan());
    }
}
