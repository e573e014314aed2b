//! Where the bins of a numeric feature end: half-way between values where these are few, else at their quantiles.
//!
//! The numbers are those of scikit-learn's bin mapper, which takes NumPy's `averaged_inverted_cdf`.

/// Thresholds beyond it would take infinity for an ordinary value: no threshold but that of a split that sends only
/// missing values right is infinite.
const GREATEST: f64 = 1e300;

/// The ascending ends of at most `max_bins` bins of `values`, which are sorted and not NaN; the last bin has no end.
#[must_use]
pub fn thresholds(values: &[f64], max_bins: usize) -> Vec<f64> {
    let mut ends = match few_distinct(values, max_bins) {
        Some(distinct) => midpoints(&distinct),
        None => (1..max_bins).map(|k| quantile(values, share(k, max_bins))).collect(),
    };
    finish(&mut ends);
    ends
}

/// As [`thresholds`], of values with a positive weight each.
#[must_use]
pub fn weighted_thresholds(values: &[f64], weights: &[f64], max_bins: usize) -> Vec<f64> {
    let mut ends = match few_distinct(values, max_bins) {
        Some(distinct) => midpoints(&distinct),
        None => {
            let cumulative = cumulative(weights);
            (1..max_bins).map(|k| weighted_quantile(values, &cumulative, share(k, max_bins))).collect()
        }
    };
    finish(&mut ends);
    ends
}

/// The running sums of weights.
#[must_use]
pub fn cumulative(weights: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    weights.iter().map(|w| (sum += w, sum).1).collect()
}

/// The first value whose running weight reaches the share of all weight: NumPy's `inverted_cdf`.
#[must_use]
pub fn inverted_cdf(values: &[f64], cumulative: &[f64], share: f64) -> f64 {
    values[reaching(cumulative, share).0]
}

/// The distinct ones of sorted values, unless there are more than `most`.
fn few_distinct(values: &[f64], most: usize) -> Option<Vec<f64>> {
    let mut distinct: Vec<f64> = Vec::with_capacity(most);
    for value in values {
        if distinct.last() != Some(value) {
            if distinct.len() == most {
                return None;
            }
            distinct.push(*value);
        }
    }
    Some(distinct)
}

fn midpoints(distinct: &[f64]) -> Vec<f64> {
    distinct.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect()
}

/// The share of values below the end of bin `k`, computed as NumPy's `linspace` and `percentile` do.
fn share(k: usize, max_bins: usize) -> f64 {
    k as f64 * (100.0 / max_bins as f64) / 100.0
}

/// The value below which `share` of all lie; the mean of two where it falls between them.
fn quantile(values: &[f64], share: f64) -> f64 {
    let n = values.len();
    let position = n as f64 * share - 1.0;
    if position < 0.0 {
        return values[0];
    }
    if position >= (n - 1) as f64 {
        return values[n - 1];
    }
    let below = position.floor();
    let (low, high) = (values[below as usize], values[below as usize + 1]);
    if position == below { high - (high - low) * 0.5 } else { high }
}

fn weighted_quantile(values: &[f64], cumulative: &[f64], share: f64) -> f64 {
    let (at, target) = reaching(cumulative, share);
    if cumulative[at] - target > f64::EPSILON {
        return values[at];
    }
    (values[at] + values[(at + 1).min(values.len() - 1)]) / 2.0
}

/// The first position whose running weight reaches a share of all, and that weight.
fn reaching(cumulative: &[f64], share: f64) -> (usize, f64) {
    let last = cumulative.len() - 1;
    let target = share * cumulative[last];
    let target = if target == 0.0 { target.next_up() } else { target };
    (cumulative.partition_point(|sum| *sum < target).min(last), target)
}

fn finish(ends: &mut Vec<f64>) {
    // Half-way between the two infinities there is no number; such values share a bin.
    ends.retain(|end| !end.is_nan());
    ends.dedup();
    ends.iter_mut().for_each(|end| *end = end.min(GREATEST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_parted_half_way() {
        assert_eq!(thresholds(&[1.0, 1.0, 2.0, 5.0], 3), [1.5, 3.5]);
        assert_eq!(weighted_thresholds(&[1.0, 2.0, 5.0], &[9.0, 1.0, 1.0], 3), [1.5, 3.5]);
        assert!(thresholds(&[7.0, 7.0], 255).is_empty());
        assert!(thresholds(&[], 255).is_empty());
    }

    /// Of `sklearn.ensemble._hist_gradient_boosting.binning._find_binning_thresholds`, scikit-learn 1.9.1.
    #[test]
    fn many_values_are_parted_at_their_quantiles() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        assert_eq!(thresholds(&values, 4), [2.0, 4.5, 7.0]);
        assert_eq!(thresholds(&values, 5), [1.5, 3.5, 5.5, 7.5]);
        let weights: Vec<f64> = (0..10).map(|i| f64::from(1 + i % 3)).collect();
        assert_eq!(weighted_thresholds(&values, &weights, 4), [2.0, 5.0, 7.0]);
    }

    #[test]
    fn infinities_have_bins_and_no_threshold_is_infinite_upwards() {
        assert_eq!(thresholds(&[0.0, f64::INFINITY], 255), [GREATEST]);
        assert!(thresholds(&[f64::NEG_INFINITY, f64::INFINITY], 255).is_empty());
    }
}
