//! Whether probabilities mean what they say: of the rows that are given 0.7, are seven in ten of the class?

/// One bin of a calibration curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationBin {
    /// Probabilities above this are in the bin; in the first one, 0 too.
    pub from: f64,
    /// The largest probability in the bin.
    pub to: f64,
    /// How many rows it has.
    pub count: u64,
    /// The mean of their probabilities.
    pub mean_predicted: f64,
    /// The share of them that is of the class.
    pub share: f64,
}

/// The curve of scikit-learn's `calibration_curve` with the strategy `uniform`: `n_bins` bins of equal width, empty ones
/// left out. `score` holds the probability of class `positive` for each row.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn calibration_curve(y: &[f64], score: &[f64], positive: f64, n_bins: usize) -> Vec<CalibrationBin> {
    assert_eq!(y.len(), score.len(), "one score per true label");
    let width = 1.0 / n_bins as f64;
    let edges: Vec<f64> = (1..n_bins).map(|bin| bin as f64 * width).collect();
    let mut bins = vec![(0_u64, 0.0, 0_u64); n_bins];
    for (y, p) in y.iter().zip(score) {
        let (count, sum, hits) = &mut bins[edges.partition_point(|edge| edge < p)];
        *count += 1;
        *sum += p;
        *hits += u64::from(*y == positive);
    }
    let filled = bins.into_iter().enumerate().filter(|(_, (count, ..))| *count > 0);
    let bin = |(bin, (count, sum, hits)): (usize, (u64, f64, u64))| CalibrationBin {
        from: bin as f64 * width,
        to: (bin + 1) as f64 * width,
        count,
        mean_predicted: sum / count as f64,
        share: hits as f64 / count as f64,
    };
    filled.map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::roc::roc_points;

    const Y: [f64; 12] = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0];
    const SCORE: [f64; 12] = [0.1, 0.2, 0.2, 0.35, 0.4, 0.4, 0.6, 0.6, 0.7, 0.8, 0.8, 1.0];

    /// scikit-learn 1.9.1: `calibration_curve(y, score, n_bins=5)`.
    #[test]
    fn bins_are_scikit_learns() {
        let bins = calibration_curve(&Y, &SCORE, 1.0, 5);
        let expected = [
            (0.3333333333333333, 0.16666666666666666),
            (0.6666666666666666, 0.3833333333333333),
            (0.5, 0.6),
            (0.6666666666666666, 0.7666666666666666),
            (1.0, 1.0),
        ];
        assert_eq!(bins.len(), expected.len());
        for (bin, (share, mean)) in bins.iter().zip(expected) {
            assert!((bin.share - share).abs() < 1e-15 && (bin.mean_predicted - mean).abs() < 1e-15, "{bin:?}");
        }
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 12);
    }

    /// scikit-learn 1.9.1: `roc_curve(y, score)`.
    #[test]
    fn corners_are_scikit_learns() {
        let points = roc_points(&Y, &SCORE, 1.0);
        let expected: &[(f64, f64, f64)] = &[
            (0.0, 0.0, f64::INFINITY),
            (0.0, 0.14285714285714285, 1.0),
            (0.2, 0.2857142857142857, 0.8),
            (0.2, 0.42857142857142855, 0.7),
            (0.6, 0.7142857142857143, 0.4),
            (0.6, 0.8571428571428571, 0.35),
            (0.8, 1.0, 0.2),
            (1.0, 1.0, 0.1),
        ];
        let ours: Vec<_> = points.iter().map(|p| (p.false_positive_rate, p.true_positive_rate, p.threshold)).collect();
        assert_eq!(ours.len(), expected.len(), "{ours:?}");
        for ((x, y, threshold), (a, b, t)) in ours.iter().zip(expected) {
            assert!((x - a).abs() < 1e-15 && (y - b).abs() < 1e-15 && threshold == t, "{ours:?}");
        }
    }
}
