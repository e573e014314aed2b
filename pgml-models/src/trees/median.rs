//! The search for splits that lower the absolute error: leaves hold medians, which no sums of rows tell.
//!
//! Along a feature, the median of every prefix and of every suffix of the rows is followed as rows are added one by one,
//! in time `n log n`.

use fastrand::Rng;

use super::binning::{MISSING_BIN, MISSING_RANK, midpoint};
use super::criterion::JointItem;
use super::fenwick::{Fenwick, Median};
use super::search::{Bounds, Column, Draws, Last, NodeRows, Search, SideLimits, Split, Summary};
use super::sort::{self, RankSort};

/// Searches splits by absolute error, averaged over targets.
#[derive(Debug)]
pub struct MedianSearch<'a> {
    targets: &'a [Vec<f64>],
    limits: SideLimits,
    /// Of the node at hand, per target: its values in ascending order, and the rank of each row's.
    sorted: Vec<Vec<f64>>,
    ranks: Vec<Vec<u32>>,
    order: Vec<u32>,
    fenwick: Fenwick,
    keys: RankSort,
    draws: Draws,
    /// Positions of rows in the order of a feature, missing ones at an end.
    along: Vec<u32>,
    left: Sides,
    right: Sides,
}

/// What is on one side of each boundary between two rows.
#[derive(Debug, Default)]
struct Sides {
    /// Distances to medians, summed over targets.
    distance: Vec<f64>,
    /// The median of the last target.
    median: Vec<f64>,
    weight: Vec<f64>,
}

impl<'a> MedianSearch<'a> {
    /// A search by `targets`, for splits whose sides keep `limits`.
    #[must_use]
    pub fn new(targets: &'a [Vec<f64>], limits: SideLimits) -> Self {
        Self {
            targets,
            limits,
            sorted: vec![Vec::new(); targets.len()],
            ranks: vec![Vec::new(); targets.len()],
            order: Vec::new(),
            fenwick: Fenwick::default(),
            keys: RankSort::default(),
            draws: Draws::default(),
            along: Vec::new(),
            left: Sides::default(),
            right: Sides::default(),
        }
    }

    /// Offers every boundary between two groups of rows of equal value. The missing rows stand behind the others, or
    /// before them when they go left.
    fn offer_all(
        &mut self,
        node: NodeRows<'_, JointItem>,
        column: Column<'_>,
        best: &mut Option<Split>,
        missing: Option<bool>,
    ) {
        self.follow(node.items);
        let (keys, distinct) = (self.keys.keys(), column.feature.values());
        let n = self.along.len();
        let as_last = |rank: u32| {
            let bin = rank.min(u32::from(MISSING_BIN) - 1) as u8;
            if column.feature.is_exact { Last::Bin(bin) } else { Last::Rank(rank) }
        };
        let n_before = if missing == Some(true) { n - keys.len() } else { 0 };
        for (i, pair) in keys.windows(2).enumerate() {
            let (rank, next) = (sort::rank(pair[0]), sort::rank(pair[1]));
            if rank != next {
                let threshold = midpoint(distinct[rank as usize], distinct[next as usize]);
                self.offer(
                    column,
                    best,
                    n_before + i + 1,
                    Cut { threshold, last: as_last(rank), missing_left: missing },
                );
            }
        }
        if missing == Some(false) {
            let cut = Cut { threshold: f32::INFINITY, last: as_last(MISSING_RANK - 1), missing_left: missing };
            self.offer(column, best, keys.len(), cut);
        }
    }

    /// Follows the medians of the rows as they stand `along` the feature, from both ends.
    fn follow(&mut self, items: &[JointItem]) {
        self.left.clear(self.along.len());
        self.right.clear(self.along.len());
        for ((target, sorted), ranks) in self.targets.iter().zip(&self.sorted).zip(&self.ranks) {
            let row = |position: u32| {
                let item = items[position as usize];
                (ranks[position as usize] as usize, item.weight, target[item.row as usize])
            };
            self.left.follow(self.along.iter().map(|p| row(*p)), &mut self.fenwick, sorted);
            self.right.follow(self.along.iter().rev().map(|p| row(*p)), &mut self.fenwick, sorted);
        }
    }

    /// Takes the split behind the first `n_left` rows for the best, if it is allowed and better.
    fn offer(&self, column: Column<'_>, best: &mut Option<Split>, n_left: usize, cut: Cut) {
        let n_right = self.along.len() - n_left;
        if n_left.min(n_right) < self.limits.min_rows {
            return;
        }
        let (left, right) = (n_left - 1, n_right - 1);
        if self.left.weight[left].min(self.right.weight[right]) < self.limits.min_weight {
            return;
        }
        let score = -(self.left.distance[left] + self.right.distance[right]) / self.targets.len() as f64;
        if score > best.map_or(f64::NEG_INFINITY, |best| best.score)
            && let Some(middle) = column.middle(|| [self.left.median[left], self.right.median[right]])
        {
            let Cut { threshold, last, missing_left } = cut;
            *best = Some(Split { feature: column.index, threshold, last, missing_left, score, middle });
        }
    }
}

/// Where rows are divided.
struct Cut {
    threshold: f32,
    last: Last,
    missing_left: Option<bool>,
}

impl Sides {
    fn clear(&mut self, n: usize) {
        for values in [&mut self.distance, &mut self.median, &mut self.weight] {
            values.clear();
            values.resize(n, 0.0);
        }
    }

    /// Adds one row after the other, each a rank, a weight and a value.
    fn follow(
        &mut self,
        rows: impl ExactSizeIterator<Item = (usize, f64, f64)>,
        fenwick: &mut Fenwick,
        sorted: &[f64],
    ) {
        fenwick.clear(sorted.len());
        let mut sum = 0.0;
        for (i, (rank, weight, value)) in rows.enumerate() {
            fenwick.add(rank, weight, value);
            sum += weight;
            let Median { value, distance } = fenwick.median(sorted);
            self.distance[i] += distance;
            self.median[i] = value;
            self.weight[i] = sum;
        }
    }
}

impl Search for MedianSearch<'_> {
    type Item = JointItem;

    fn open(&mut self, items: &[JointItem], values: &mut Vec<f64>) -> Summary {
        let (mut distance, mut is_pure) = (0.0, true);
        for ((target, sorted), ranks) in self.targets.iter().zip(&mut self.sorted).zip(&mut self.ranks) {
            let value = |position: &u32| target[items[*position as usize].row as usize];
            self.order.clear();
            self.order.extend(0..items.len() as u32);
            self.order.sort_unstable_by(|a, b| value(a).total_cmp(&value(b)));
            sorted.clear();
            sorted.extend(self.order.iter().map(value));
            ranks.resize(items.len(), 0);
            self.order.iter().zip(0..).for_each(|(position, rank)| ranks[*position as usize] = rank);
            let weight = |rank: usize| items[self.order[rank] as usize].weight;
            let median = weighted_median(sorted, weight);
            values.push(median);
            distance += sorted.iter().enumerate().map(|(rank, y)| weight(rank) * (y - median).abs()).sum::<f64>();
            is_pure &= sorted.first() == sorted.last();
        }
        let score = -distance / self.targets.len() as f64;
        Summary { score, weight: items.iter().map(|item| item.weight).sum(), is_pure }
    }

    fn improve(&mut self, node: NodeRows<'_, JointItem>, column: Column<'_>, best: &mut Option<Split>) -> bool {
        let feature = column.feature;
        self.keys.clear();
        let mut missing = Vec::new();
        for (row, position) in node.rows.iter().zip(0..) {
            let rank =
                if feature.is_exact { bin_as_rank(feature.bins[*row as usize]) } else { feature.ranks[*row as usize] };
            if rank == MISSING_RANK { missing.push(position) } else { self.keys.push(rank, position) }
        }
        let keys = self.keys.sorted();
        let differ = keys.first().map(|key| sort::rank(*key)) != keys.last().map(|key| sort::rank(*key));
        if !(differ || (!missing.is_empty() && !keys.is_empty())) {
            return false;
        }
        self.along.clear();
        self.along.extend(keys.iter().map(|key| sort::position(*key) as u32));
        self.along.extend(&missing);
        if missing.is_empty() {
            self.offer_all(node, column, best, None);
            return true;
        }
        self.offer_all(node, column, best, Some(false));
        self.along.rotate_right(missing.len());
        self.offer_all(node, column, best, Some(true));
        true
    }

    fn improve_at_random(
        &mut self,
        node: NodeRows<'_, JointItem>,
        column: Column<'_>,
        rng: &mut Rng,
        best: &mut Option<Split>,
    ) -> bool {
        let Some(drawn) = self.draws.draw(node.rows, column, rng) else { return false };
        self.along.clear();
        let mut right = Vec::new();
        for (position, is_left) in (0..).zip(drawn.sides()) {
            let side = if is_left { &mut self.along } else { &mut right };
            side.push(position);
        }
        let (threshold, missing_left) = (drawn.threshold, drawn.missing_left);
        let n_left = self.along.len();
        if n_left > 0 && !right.is_empty() {
            self.along.append(&mut right);
            self.follow(node.items);
            self.offer(column, best, n_left, Cut { threshold, last: Last::Value(threshold), missing_left });
        }
        true
    }

    fn clip(values: &mut [f64], bounds: Bounds) {
        values[0] = bounds.nearest(values[0]);
    }
}

fn bin_as_rank(bin: u8) -> u32 {
    if bin == MISSING_BIN { MISSING_RANK } else { u32::from(bin) }
}

/// The median of ascending values, with the weight of each.
fn weighted_median(sorted: &[f64], weight: impl Fn(usize) -> f64) -> f64 {
    let half = (0..sorted.len()).map(&weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (rank, value) in sorted.iter().enumerate() {
        below += weight(rank);
        if below > half {
            return *value;
        }
        if below == half {
            return value / 2.0 + sorted[(rank + 1).min(sorted.len() - 1)] / 2.0;
        }
    }
    sorted[sorted.len() - 1]
}

#[cfg(test)]
mod tests {
    use pgml_core::{Dataset, Run};

    use super::*;
    use crate::trees::binning::BinnedData;

    const ANY: SideLimits = SideLimits { min_rows: 1, min_weight: 0.0 };

    fn best_split(x: &[f64], y: &[f64], sign: i8) -> Option<Split> {
        let data = Dataset::from_rows(x, 1).expect("a column");
        let binned = BinnedData::new(&data, &Run::new()).expect("finite");
        let rows: Vec<u32> = (0..x.len() as u32).collect();
        let items: Vec<_> = rows.iter().map(|row| JointItem { weight: 1.0, row: *row }).collect();
        let targets = [y.to_vec()];
        let mut search = MedianSearch::new(&targets, ANY);
        search.open(&items, &mut Vec::new());
        let column = Column { index: 0, feature: &binned.features[0], rows: &[], sign, bounds: Bounds::NONE };
        let mut best = None;
        search.improve(NodeRows { rows: &rows, items: &items }, column, &mut best);
        best
    }

    #[test]
    fn the_split_leaves_least_distance_to_both_medians() {
        // 0, 0, 9 | 5, 5, 6: distances 9 and 1; every other split is worse.
        let split = best_split(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0.0, 0.0, 0.0, 9.0, 5.0, 5.0], 0).expect("a split");
        assert_eq!((split.threshold, split.score), (3.5, -4.0));
    }

    #[test]
    fn missing_values_go_where_they_fit() {
        let nan = f64::NAN;
        let split = best_split(&[1.0, 2.0, nan, nan], &[0.0, 9.0, 0.0, 0.0], 0);
        assert_eq!(split.map(|s| (s.threshold, s.missing_left)), Some((1.5, Some(true))));
        let split = best_split(&[1.0, 2.0, nan, nan], &[0.0, 0.0, 9.0, 9.0], 0);
        assert_eq!(split.map(|s| (s.threshold, s.missing_left)), Some((f32::INFINITY, Some(false))));
    }

    #[test]
    fn a_constrained_feature_is_not_split_the_wrong_way() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 9.0, 9.0]);
        assert_eq!(best_split(&x, &y, 1).map(|s| s.middle), Some(4.5));
        assert_eq!(best_split(&x, &y, -1), None);
    }
}
