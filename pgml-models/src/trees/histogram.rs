//! The search for a node's best split along one feature: by histogram of its bins, or by its sorted values.
//!
//! Both pass over groups of rows in ascending order of the feature, and ask of every boundary between two groups how good
//! a split there is. Where the node has rows whose value is missing, the pass is made twice: with them on the right, and
//! on the left.

use super::binning::{BinnedFeature, MAX_BINS, MISSING_BIN, midpoint};
use super::criterion::Criterion;

/// Most rows that are sorted by value where bins hold several values. Up to here splits are exact, and trees those of an
/// exact search; in larger nodes a bin is a fraction of a percent of the rows.
const SORTED_ROWS: usize = 1 << 15;

/// A split of a node's rows in two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Which feature is looked at.
    pub feature: u32,
    /// Rows with at most this value go left; infinity when only missing values go right.
    pub threshold: f32,
    /// The last bin that goes left, where bins decide as the threshold does.
    pub last_bin: Option<u8>,
    /// Whether missing values go left; `None` when the node has none.
    pub missing_left: Option<bool>,
    /// The score of both sides together.
    pub score: f64,
}

/// What either side of a split must have.
#[derive(Debug, Clone, Copy)]
pub struct SideLimits {
    /// The fewest rows.
    pub min_rows: usize,
    /// The least weight.
    pub min_weight: f64,
}

/// Searches splits; its buffers serve every node of a tree.
#[derive(Debug)]
pub struct Search<'a, C> {
    criterion: &'a C,
    limits: SideLimits,
    /// Per bin: how many rows, then their sum.
    histogram: Vec<f64>,
    /// Value and position of each row, so that integers sort as values do.
    keys: Vec<u64>,
    /// The sum of rows whose value is missing.
    missing: Vec<f64>,
    n_missing: usize,
    left: Vec<f64>,
    right: Vec<f64>,
}

/// The rows of a node.
#[derive(Debug)]
pub struct NodeRows<'a, I> {
    /// Their numbers.
    pub rows: &'a [u32],
    /// What the criterion sums, in the same order.
    pub items: &'a [I],
    /// The sum of all.
    pub total: &'a [f64],
}

impl<'a, C: Criterion> Search<'a, C> {
    /// A search by `criterion` for splits whose sides keep `limits`.
    pub fn new(criterion: &'a C, limits: SideLimits) -> Self {
        let width = criterion.width();
        Self {
            criterion,
            limits,
            histogram: vec![0.0; (MAX_BINS + 1) * (width + 1)],
            keys: Vec::new(),
            missing: vec![0.0; width],
            n_missing: 0,
            left: vec![0.0; width],
            right: vec![0.0; width],
        }
    }

    /// Improves `best` by the best split along `feature`, number `index`, if it is better. Tells whether the node's rows
    /// differ in the feature.
    pub fn improve(
        &mut self,
        node: &NodeRows<'_, C::Item>,
        index: u32,
        feature: &BinnedFeature<'_>,
        best: &mut Option<Split>,
    ) -> bool {
        if !feature.is_exact && node.rows.len() <= SORTED_ROWS {
            return self.by_values(node, index, feature, best);
        }
        let n_filled = self.fill(node, feature);
        if !feature.is_exact && n_filled == 1 {
            return self.by_values(node, index, feature, best);
        }
        if n_filled + usize::from(self.n_missing > 0) < 2 {
            return false;
        }
        self.by_bins(node, index, feature, best, false);
        if self.n_missing > 0 {
            self.by_bins(node, index, feature, best, true);
        }
        true
    }

    /// Sums the node's rows per bin; returns how many bins are filled, the missing one not counted.
    fn fill(&mut self, node: &NodeRows<'_, C::Item>, feature: &BinnedFeature<'_>) -> usize {
        let stride = self.left.len() + 1;
        let n_bins = feature.high.len();
        self.histogram[..n_bins * stride].fill(0.0);
        let missing_from = usize::from(MISSING_BIN) * stride;
        self.histogram[missing_from..].fill(0.0);
        for (row, item) in node.rows.iter().zip(node.items) {
            let bin = usize::from(feature.bins[*row as usize]);
            let cell = &mut self.histogram[bin * stride..][..stride];
            cell[0] += 1.0;
            self.criterion.add(*item, &mut cell[1..]);
        }
        self.n_missing = self.histogram[missing_from] as usize;
        self.missing.copy_from_slice(&self.histogram[missing_from + 1..]);
        self.histogram[..n_bins * stride].chunks_exact(stride).filter(|cell| cell[0] > 0.0).count()
    }

    fn by_bins(
        &mut self,
        node: &NodeRows<'_, C::Item>,
        index: u32,
        feature: &BinnedFeature<'_>,
        best: &mut Option<Split>,
        missing_left: bool,
    ) {
        let stride = self.left.len() + 1;
        let mut n_left = self.start(missing_left);
        let mut last = None;
        for bin in 0..feature.high.len() {
            let count = self.histogram[bin * stride];
            if count == 0.0 {
                continue;
            }
            if let Some(last) = last
                && let Some(score) = self.score(node, n_left, best)
            {
                let threshold = feature.threshold(last, bin as u8);
                *best = Some(self.split(index, threshold, Some(last), missing_left, score));
            }
            let cell = &self.histogram[bin * stride + 1..][..stride - 1];
            self.left.iter_mut().zip(cell).for_each(|(sum, x)| *sum += x);
            n_left += count as usize;
            last = Some(bin as u8);
        }
        self.missing_alone(node, index, n_left, best, missing_left, Some(MISSING_BIN - 1));
    }

    fn by_values(
        &mut self,
        node: &NodeRows<'_, C::Item>,
        index: u32,
        feature: &BinnedFeature<'_>,
        best: &mut Option<Split>,
    ) -> bool {
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        self.missing.fill(0.0);
        self.n_missing = 0;
        for (position, (row, item)) in node.rows.iter().zip(node.items).enumerate() {
            let value = feature.values[*row as usize];
            if value.is_nan() {
                self.n_missing += 1;
                self.criterion.add(*item, &mut self.missing);
            } else {
                keys.push(u64::from(ordered_bits(value)) << 32 | position as u64);
            }
        }
        keys.sort_unstable();
        let differ = keys.first().map(|key| key >> 32) != keys.last().map(|key| key >> 32);
        let varies = differ || (self.n_missing > 0 && !keys.is_empty());
        if varies {
            self.along_keys(node, index, &keys, best, false);
            if self.n_missing > 0 {
                self.along_keys(node, index, &keys, best, true);
            }
        }
        self.keys = keys;
        varies
    }

    fn along_keys(
        &mut self,
        node: &NodeRows<'_, C::Item>,
        index: u32,
        keys: &[u64],
        best: &mut Option<Split>,
        missing_left: bool,
    ) {
        let mut n_left = self.start(missing_left);
        let mut last = keys.first().map_or(0, |key| key >> 32);
        for key in keys {
            if key >> 32 != last {
                if let Some(score) = self.score(node, n_left, best) {
                    let threshold = midpoint(value_of(last as u32), value_of((key >> 32) as u32));
                    *best = Some(self.split(index, threshold, None, missing_left, score));
                }
                last = key >> 32;
            }
            self.criterion.add(node.items[*key as u32 as usize], &mut self.left);
            n_left += 1;
        }
        self.missing_alone(node, index, n_left, best, missing_left, None);
    }

    /// Begins a pass: only the missing rows, or none, are on the left.
    fn start(&mut self, missing_left: bool) -> usize {
        if missing_left {
            self.left.copy_from_slice(&self.missing);
            self.n_missing
        } else {
            self.left.fill(0.0);
            0
        }
    }

    /// Ends a pass with missing rows on the right: all others may go left.
    fn missing_alone(
        &mut self,
        node: &NodeRows<'_, C::Item>,
        index: u32,
        n_left: usize,
        best: &mut Option<Split>,
        missing_left: bool,
        last_bin: Option<u8>,
    ) {
        if self.n_missing > 0
            && !missing_left
            && let Some(score) = self.score(node, n_left, best)
        {
            *best = Some(self.split(index, f32::INFINITY, last_bin, false, score));
        }
    }

    /// The score of the split between `left` and the rest of the node, if it is allowed and better than `best`.
    #[inline]
    fn score(&mut self, node: &NodeRows<'_, C::Item>, n_left: usize, best: &Option<Split>) -> Option<f64> {
        if n_left < self.limits.min_rows || node.rows.len() - n_left < self.limits.min_rows {
            return None;
        }
        for ((right, total), left) in self.right.iter_mut().zip(node.total).zip(&self.left) {
            *right = total - left;
        }
        if self.limits.min_weight > 0.0
            && (self.criterion.weight(&self.left) < self.limits.min_weight
                || self.criterion.weight(&self.right) < self.limits.min_weight)
        {
            return None;
        }
        let score = self.criterion.score(&self.left) + self.criterion.score(&self.right);
        (score > best.map_or(f64::NEG_INFINITY, |best| best.score)).then_some(score)
    }

    fn split(&self, feature: u32, threshold: f32, last_bin: Option<u8>, missing_left: bool, score: f64) -> Split {
        let missing_left = (self.n_missing > 0).then_some(missing_left);
        Split { feature, threshold, last_bin, missing_left, score }
    }
}

/// Bits that compare as unsigned integers as the float does. Adding zero makes −0 and 0 equal.
fn ordered_bits(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The float that [`ordered_bits`] was made of.
fn value_of(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[cfg(test)]
mod tests {
    use pgml_core::{Dataset, Run};

    use super::*;
    use crate::trees::binning::BinnedData;
    use crate::trees::criterion::{ValueCriterion, ValueItem, ValueLoss};

    const CRITERION: ValueCriterion = ValueCriterion { loss: ValueLoss::SquaredError };

    fn best_split(x: &[f64], y: &[f64], limits: SideLimits) -> (Option<Split>, bool) {
        let data = Dataset::from_rows(x, 1).expect("a column");
        let binned = BinnedData::new(&data, &Run::new()).expect("finite");
        let rows: Vec<u32> = (0..x.len() as u32).collect();
        let items: Vec<_> = y.iter().map(|target| ValueItem { weight: 1.0, target: *target }).collect();
        let total = [y.len() as f64, y.iter().sum()];
        let node = NodeRows { rows: &rows, items: &items, total: &total };
        let mut best = None;
        let varies = Search::new(&CRITERION, limits).improve(&node, 0, &binned.features[0], &mut best);
        (best, varies)
    }

    const ANY: SideLimits = SideLimits { min_rows: 1, min_weight: 0.0 };

    #[test]
    fn a_step_is_found_half_way() {
        let (split, _) = best_split(&[4.0, 1.0, 3.0, 2.0], &[9.0, 0.0, 9.0, 0.0], ANY);
        let split = split.expect("values differ");
        assert_eq!((split.threshold, split.last_bin, split.missing_left, split.score), (2.5, Some(1), None, 162.0));
    }

    #[test]
    fn a_side_with_too_few_rows_or_weight_is_not_taken() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(best_split(&x, &y, ANY).0.map(|s| s.threshold), Some(1.5));
        for limits in [SideLimits { min_rows: 2, ..ANY }, SideLimits { min_weight: 1.5, ..ANY }] {
            assert_eq!(best_split(&x, &y, limits).0.map(|s| s.threshold), Some(2.5));
        }
        assert_eq!(best_split(&x, &y, SideLimits { min_rows: 3, ..ANY }), (None, true));
    }

    #[test]
    fn a_constant_feature_does_not_vary() {
        assert_eq!(best_split(&[2.0; 4], &[1.0, 2.0, 3.0, 4.0], ANY), (None, false));
    }

    #[test]
    fn missing_values_go_where_they_fit() {
        let nan = f64::NAN;
        let (split, _) = best_split(&[1.0, 2.0, nan, nan], &[0.0, 9.0, 0.0, 0.0], ANY);
        assert_eq!(split.map(|s| (s.threshold, s.missing_left)), Some((1.5, Some(true))));
        let (split, _) = best_split(&[1.0, 2.0, nan, nan], &[0.0, 9.0, 9.0, 9.0], ANY);
        assert_eq!(split.map(|s| (s.threshold, s.missing_left)), Some((1.5, Some(false))));
        let (split, _) = best_split(&[1.0, 2.0, nan, nan], &[0.0, 0.0, 9.0, 9.0], ANY);
        assert_eq!(split.map(|s| (s.threshold, s.missing_left)), Some((f32::INFINITY, Some(false))));
    }

    #[test]
    fn values_that_share_a_bin_are_told_apart_in_small_nodes_and_when_alone_in_it() {
        // 40,000 values: too many rows to sort, and 157 in each bin; the step lies inside one.
        let x: Vec<f64> = (0..40_000).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| f64::from(u8::from(*x > 20_000.0))).collect();
        let (split, _) = best_split(&x, &y, ANY);
        assert!(split.is_some_and(|s| s.last_bin.is_some() && (s.threshold - 20_000.5).abs() < 157.0), "{split:?}");
        let (split, _) = best_split(&x[8_000..32_000], &y[8_000..32_000], ANY);
        assert_eq!(split.map(|s| (s.threshold, s.last_bin)), Some((20_000.5, None)));
    }

    #[test]
    fn ordered_bits_keep_the_order_of_floats() {
        let ascending = [f32::MIN, -1.5, -f32::MIN_POSITIVE, 0.0, f32::MIN_POSITIVE, 1.5, f32::MAX];
        assert!(ascending.is_sorted_by_key(|x| ordered_bits(*x)));
        assert!(ascending.iter().all(|x| value_of(ordered_bits(*x)) == *x));
        assert_eq!(ordered_bits(-0.0), ordered_bits(0.0));
    }
}
