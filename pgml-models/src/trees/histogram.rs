//! The search for a node's best split along one feature: by histogram of its bins, or by its sorted values.
//!
//! Both pass over groups of rows in ascending order of the feature, and ask of every boundary between two groups how good
//! a split there is. Where the node has rows whose value is missing, the pass is made twice: with them on the right, and
//! on the left.

use fastrand::Rng;

use super::binning::{BinnedFeature, MAX_BINS, MISSING_BIN, MISSING_RANK, midpoint};
use super::criterion::Criterion;
use super::search::{Bounds, Column, Draws, Last, NodeRows, Search, SideLimits, Split, Summary};
use super::sort::{self, RankSort};

/// Most rows that are sorted by value where bins hold several values. Up to here splits are exact, and trees those of an
/// exact search; in larger nodes a bin is a fraction of a percent of the rows.
const SORTED_ROWS: usize = 1 << 15;

/// Searches splits by the sums of rows.
pub struct SumSearch<'a, C: Criterion> {
    criterion: &'a C,
    limits: SideLimits,
    /// The sum of the node at hand.
    total: C::Sum,
    /// Per bin: how many rows, then their sum.
    histogram: Vec<f64>,
    keys: RankSort,
    draws: Draws,
    /// The sum of rows whose value is missing.
    missing: C::Sum,
    n_missing: usize,
    left: C::Sum,
    right: C::Sum,
}

impl<'a, C: Criterion> SumSearch<'a, C> {
    /// A search by `criterion` for splits whose sides keep `limits`.
    pub fn new(criterion: &'a C, limits: SideLimits) -> Self {
        Self {
            criterion,
            limits,
            total: criterion.zero(),
            histogram: vec![0.0; (MAX_BINS + 1) * (criterion.width() + 1)],
            keys: RankSort::default(),
            draws: Draws::default(),
            missing: criterion.zero(),
            n_missing: 0,
            left: criterion.zero(),
            right: criterion.zero(),
        }
    }

    /// Sums the node's rows per bin; returns how many bins are filled, the missing one not counted.
    fn fill(&mut self, node: NodeRows<'_, C::Item>, feature: &BinnedFeature) -> usize {
        let stride = self.criterion.width() + 1;
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
        self.missing.as_mut().copy_from_slice(&self.histogram[missing_from + 1..]);
        self.histogram[..n_bins * stride].chunks_exact(stride).filter(|cell| cell[0] > 0.0).count()
    }

    fn along_bins(
        &mut self,
        node: NodeRows<'_, C::Item>,
        column: Column<'_>,
        best: &mut Option<Split>,
        missing_left: bool,
    ) {
        let mut pass = self.pass(node.rows.len(), column, missing_left);
        let mut last = None;
        for (bin, cell) in
            self.histogram.chunks_exact(self.criterion.width() + 1).take(column.feature.high.len()).enumerate()
        {
            if cell[0] == 0.0 {
                continue;
            }
            let bin = bin as u8;
            if let Some(last) = last {
                pass.offer(best, Last::Bin(last), || column.feature.threshold(last, bin));
            }
            pass.left.as_mut().iter_mut().zip(&cell[1..]).for_each(|(sum, x)| *sum += x);
            pass.n_left += cell[0] as usize;
            last = Some(bin);
        }
        pass.offer_missing_alone(best, Last::Bin(MISSING_BIN - 1));
        [self.total, self.left, self.right] = pass.give_back();
    }

    fn by_ranks(&mut self, node: NodeRows<'_, C::Item>, column: Column<'_>, best: &mut Option<Split>) -> bool {
        self.keys.clear();
        self.missing.as_mut().fill(0.0);
        self.n_missing = 0;
        for (position, (row, item)) in node.rows.iter().zip(node.items).enumerate() {
            let rank = column.feature.ranks[*row as usize];
            if rank == MISSING_RANK {
                self.n_missing += 1;
                self.criterion.add(*item, self.missing.as_mut());
            } else {
                self.keys.push(rank, position as u32);
            }
        }
        let keys = self.keys.sorted();
        let differ = keys.first().map(|key| sort::rank(*key)) != keys.last().map(|key| sort::rank(*key));
        let varies = differ || (self.n_missing > 0 && !keys.is_empty());
        if varies {
            self.along_ranks(node, column, best, false);
            if self.n_missing > 0 {
                self.along_ranks(node, column, best, true);
            }
        }
        varies
    }

    fn along_ranks(
        &mut self,
        node: NodeRows<'_, C::Item>,
        column: Column<'_>,
        best: &mut Option<Split>,
        missing_left: bool,
    ) {
        let mut pass = self.pass(node.rows.len(), column, missing_left);
        let (keys, distinct) = (self.keys.keys(), &column.feature.distinct);
        let mut last = keys.first().map_or(0, |key| sort::rank(*key));
        for key in keys {
            let rank = sort::rank(*key);
            if rank != last {
                let threshold = || midpoint(distinct[last as usize], distinct[rank as usize]);
                pass.offer(best, Last::Rank(last), threshold);
                last = rank;
            }
            self.criterion.add(node.items[sort::position(*key)], pass.left.as_mut());
            pass.n_left += 1;
        }
        pass.offer_missing_alone(best, Last::Rank(MISSING_RANK - 1));
        [self.total, self.left, self.right] = pass.give_back();
    }

    /// Begins a pass: only the missing rows, or none, are on the left.
    fn pass<'n>(&mut self, n_rows: usize, column: Column<'n>, missing_left: bool) -> Pass<'n, C>
    where
        'a: 'n,
    {
        let left = self.left.as_mut();
        if missing_left {
            left.copy_from_slice(self.missing.as_ref())
        } else {
            left.fill(0.0)
        }
        let n_left = if missing_left { self.n_missing } else { 0 };
        self.resume(n_rows, column, (self.n_missing > 0).then_some(missing_left), n_left)
    }

    /// Goes on with a pass that has `n_left` rows, whose sum is `self.left`.
    fn resume<'n>(
        &mut self,
        n_rows: usize,
        column: Column<'n>,
        missing_left: Option<bool>,
        n_left: usize,
    ) -> Pass<'n, C>
    where
        'a: 'n,
    {
        Pass {
            criterion: self.criterion,
            limits: self.limits,
            n_rows,
            total: std::mem::take(&mut self.total),
            column,
            missing_left,
            n_left,
            left: std::mem::take(&mut self.left),
            right: std::mem::take(&mut self.right),
        }
    }
}

impl<C: Criterion> Search for SumSearch<'_, C> {
    type Item = C::Item;

    fn open(&mut self, items: &[C::Item], values: &mut Vec<f64>) -> Summary {
        let total = self.total.as_mut();
        total.fill(0.0);
        items.iter().for_each(|item| self.criterion.add(*item, total));
        self.criterion.leaf(total, values);
        let (score, weight) = (self.criterion.score(total), self.criterion.weight(total));
        Summary { score, weight, is_pure: self.criterion.is_pure(items) }
    }

    fn improve(&mut self, node: NodeRows<'_, C::Item>, column: Column<'_>, best: &mut Option<Split>) -> bool {
        let feature = column.feature;
        if !feature.is_exact && node.rows.len() <= SORTED_ROWS {
            return self.by_ranks(node, column, best);
        }
        let n_filled = self.fill(node, feature);
        if !feature.is_exact && n_filled == 1 {
            return self.by_ranks(node, column, best);
        }
        if n_filled + usize::from(self.n_missing > 0) < 2 {
            return false;
        }
        self.along_bins(node, column, best, false);
        if self.n_missing > 0 {
            self.along_bins(node, column, best, true);
        }
        true
    }

    fn improve_at_random(
        &mut self,
        node: NodeRows<'_, C::Item>,
        column: Column<'_>,
        rng: &mut Rng,
        best: &mut Option<Split>,
    ) -> bool {
        let Some(drawn) = self.draws.draw(node.rows, column, rng) else { return false };
        // A local variable can stay in registers.
        let mut left = std::mem::take(&mut self.left);
        left.as_mut().fill(0.0);
        let mut n_left = 0;
        for (item, is_left) in node.items.iter().zip(drawn.sides()) {
            self.criterion.add_if(is_left, *item, left.as_mut());
            n_left += usize::from(is_left);
        }
        self.left = left;
        let (threshold, missing_left) = (drawn.threshold, drawn.missing_left);
        let mut pass = self.resume(node.rows.len(), column, missing_left, n_left);
        pass.offer(best, Last::Value(threshold), || threshold);
        [self.total, self.left, self.right] = pass.give_back();
        true
    }

    fn clip(values: &mut [f64], bounds: Bounds) {
        C::clip(values, bounds);
    }
}

/// One pass along a feature: rows move from the right side to the left.
struct Pass<'a, C: Criterion> {
    criterion: &'a C,
    limits: SideLimits,
    n_rows: usize,
    total: C::Sum,
    column: Column<'a>,
    missing_left: Option<bool>,
    n_left: usize,
    left: C::Sum,
    right: C::Sum,
}

impl<C: Criterion> Pass<'_, C> {
    /// Takes the split between the rows on the left and the others for the best, if it is allowed and better.
    #[inline(always)]
    fn offer(&mut self, best: &mut Option<Split>, last: Last, threshold: impl FnOnce() -> f32) {
        if self.n_left < self.limits.min_rows || self.n_rows - self.n_left < self.limits.min_rows {
            return;
        }
        let (left, right) = (self.left.as_ref(), self.right.as_mut());
        right.iter_mut().zip(self.total.as_ref()).zip(left).for_each(|((right, total), left)| *right = total - left);
        let min_weight = self.limits.min_weight;
        if min_weight > 0.0 && self.criterion.weight(left).min(self.criterion.weight(right)) < min_weight {
            return;
        }
        let score = self.criterion.score(left) + self.criterion.score(right);
        if score > best.map_or(f64::NEG_INFINITY, |best| best.score) {
            let levels = || [left, self.right.as_ref()].map(|side| self.criterion.level(side));
            if let Some(middle) = self.column.middle(levels) {
                let (feature, missing_left) = (self.column.index, self.missing_left);
                *best = Some(Split { feature, threshold: threshold(), last, missing_left, score, middle });
            }
        }
    }

    /// Ends a pass with missing rows on the right: all others may go left.
    fn offer_missing_alone(&mut self, best: &mut Option<Split>, last: Last) {
        if self.missing_left == Some(false) {
            self.offer(best, last, || f32::INFINITY);
        }
    }

    fn give_back(self) -> [C::Sum; 3] {
        [self.total, self.left, self.right]
    }
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
        let mut search = SumSearch::new(&CRITERION, limits);
        search.open(&items, &mut Vec::new());
        let column = Column { index: 0, feature: &binned.features[0], rows: &[], sign: 0, bounds: Bounds::NONE };
        let mut best = None;
        let varies = search.improve(NodeRows { rows: &rows, items: &items }, column, &mut best);
        (best, varies)
    }

    const ANY: SideLimits = SideLimits { min_rows: 1, min_weight: 0.0 };

    #[test]
    fn a_step_is_found_half_way() {
        let (split, _) = best_split(&[4.0, 1.0, 3.0, 2.0], &[9.0, 0.0, 9.0, 0.0], ANY);
        let split = split.expect("values differ");
        assert_eq!((split.threshold, split.last, split.missing_left, split.score), (2.5, Last::Bin(1), None, 162.0));
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
        assert!(
            split.is_some_and(|s| matches!(s.last, Last::Bin(_)) && (s.threshold - 20_000.5).abs() < 157.0),
            "{split:?}"
        );
        let (split, _) = best_split(&x[8_000..32_000], &y[8_000..32_000], ANY);
        assert_eq!(split.map(|s| (s.threshold, s.last)), Some((20_000.5, Last::Rank(12_000))));
    }
}
