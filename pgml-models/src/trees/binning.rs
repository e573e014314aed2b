//! Features as small integers: one byte per value, so that a node's statistics are a table of at most 255 bins.
//!
//! A feature of at most 255 distinct values keeps every one of them in a bin of its own, and its splits are exact. Others
//! share bins of about equally many rows; the engine goes back to the ranks of their values where bins are too coarse.

use std::borrow::Cow;

use pgml_core::{Dataset, Feature, Floats, Result, Run, bail};
use rayon::prelude::*;

/// Most bins of a feature.
pub const MAX_BINS: usize = 255;
/// The bin of a missing value (NaN).
pub const MISSING_BIN: u8 = 255;

/// The rank of a missing value.
pub const MISSING_RANK: u32 = u32::MAX;

/// How many values are sorted between two looks at the cancel flag: about a millisecond.
const SORT_CHUNK: usize = 1 << 15;

/// One feature, binned.
#[derive(Debug, Clone)]
pub struct BinnedFeature {
    /// The bin of each row.
    pub bins: Vec<u8>,
    /// The rank of each row's value among the distinct ones; [`MISSING_RANK`] where it is missing. Empty where bins say it.
    pub ranks: Vec<u32>,
    /// The distinct values, ascending. Empty where bins say it.
    pub distinct: Vec<f32>,
    /// The smallest value in each bin.
    pub low: Vec<f32>,
    /// The largest value in each bin.
    pub high: Vec<f32>,
    /// Whether each bin holds one distinct value.
    pub is_exact: bool,
    /// The value of each row, where features were not binned. Empty otherwise.
    pub raw: Vec<f32>,
}

impl BinnedFeature {
    /// The distinct values, ascending, by bin where bins are exact and by rank otherwise.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        if self.is_exact { &self.low } else { &self.distinct }
    }

    /// The value of a row; NaN where it is missing.
    #[must_use]
    #[inline]
    pub fn value(&self, row: u32) -> f32 {
        if let Some(value) = self.raw.get(row as usize) {
            return *value;
        }
        let at = if self.is_exact { usize::from(self.bins[row as usize]) } else { self.ranks[row as usize] as usize };
        self.values().get(at).copied().unwrap_or(f32::NAN)
    }

    /// The threshold between two bins that are neighbours among the rows at hand: those of `left` are at most it.
    #[must_use]
    pub fn threshold(&self, left: u8, right: u8) -> f32 {
        midpoint(self.high[usize::from(left)], self.low[usize::from(right)])
    }
}

/// The number half-way between `low < high` as a float that still separates them: `low ≤ midpoint < high`. Floats are at
/// most it exactly when they are at most the true middle.
#[must_use]
pub fn midpoint(low: f32, high: f32) -> f32 {
    at_most((f64::from(low) + f64::from(high)) / 2.0)
}

/// The greatest 32-bit float that is at most `x`.
#[must_use]
pub fn at_most(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) > x { near.next_down() } else { near }
}

/// All features, binned.
#[derive(Debug, Clone)]
pub struct BinnedData {
    /// The features, in column order.
    pub features: Vec<BinnedFeature>,
    /// Where features were not binned, their values once more, row by row: the few rows of a small node stand in few
    /// places of memory.
    pub rows: Vec<f32>,
}

impl BinnedData {
    /// Bins every feature of `data`, in parallel over features in the calling thread's pool.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](pgml_core::ErrorKind::InvalidData) when a value is infinite or too large for a 32-bit
    /// float; [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
    pub fn new(data: &Dataset, run: &Run) -> Result<Self> {
        let features = data.features().par_iter().map(|feature| bin(feature, run)).collect::<Result<_>>()?;
        Ok(Self { features, rows: Vec::new() })
    }

    /// Takes every feature as it is, for searches that sort nothing.
    ///
    /// # Errors
    /// As [`BinnedData::new`].
    pub fn unsorted(data: &Dataset, run: &Run) -> Result<Self> {
        let as_it_is = |feature: &Feature| {
            run.check()?;
            let raw = finite_floats(feature)?.into_owned();
            let (bins, ranks, distinct, low, high) = Default::default();
            Ok(BinnedFeature { bins, ranks, distinct, low, high, is_exact: false, raw })
        };
        let features: Vec<BinnedFeature> = data.features().par_iter().map(as_it_is).collect::<Result<_>>()?;
        let mut rows = vec![0.0; data.n_rows() * features.len()];
        for (f, feature) in features.iter().enumerate() {
            run.check()?;
            rows.iter_mut().skip(f).step_by(features.len()).zip(&feature.raw).for_each(|(cell, x)| *cell = *x);
        }
        Ok(Self { features, rows })
    }

    /// Bytes that [`BinnedData::new`] will take for `data`.
    #[must_use]
    pub fn bytes_for(data: &Dataset) -> u64 {
        // A byte for the bin, four for the rank and four for a distinct value.
        9 * data.n_features() as u64 * data.n_rows() as u64
    }
}

/// The values as 32-bit floats, none of them infinite.
fn finite_floats(feature: &Feature) -> Result<Cow<'_, [f32]>> {
    let values: Cow<'_, [f32]> = match &feature.values {
        Floats::F32(values) => Cow::Borrowed(values),
        Floats::F64(values) => Cow::Owned(values.iter().map(|x| *x as f32).collect()),
    };
    if let Some(row) = values.iter().position(|x| x.is_infinite()) {
        let given = feature.values.get(row);
        let what = if given.is_infinite() { "which is infinite" } else { "which exceeds a 32-bit float" };
        bail!(InvalidData, "feature \"{}\" has the value {given:e}, {what}", feature.name);
    }
    Ok(values)
}

fn bin(feature: &Feature, run: &Run) -> Result<BinnedFeature> {
    let values = finite_floats(feature)?;
    let counts = count_distinct(&values, run)?;
    let is_exact = counts.len() <= MAX_BINS;
    let (low, high) = if is_exact { counts.iter().map(|(x, _)| (*x, *x)).unzip() } else { equal_bins(&counts) };
    let distinct = if is_exact { Vec::new() } else { counts.iter().map(|(x, _)| *x).collect() };
    let mut bins = Vec::with_capacity(values.len());
    let mut ranks = Vec::with_capacity(if is_exact { 0 } else { values.len() });
    for chunk in values.chunks(SORT_CHUNK) {
        run.check()?;
        bins.extend(chunk.iter().map(|x| bin_of(*x, &high)));
        if !is_exact {
            ranks.extend(chunk.iter().map(|x| rank_of(*x, &distinct)));
        }
    }
    Ok(BinnedFeature { bins, ranks, distinct, low, high, is_exact, raw: Vec::new() })
}

/// The position of `x` among `distinct` values.
fn rank_of(x: f32, distinct: &[f32]) -> u32 {
    if x.is_nan() { MISSING_RANK } else { distinct.partition_point(|other| *other < x) as u32 }
}

/// The bin of `x`: the first whose largest value is not smaller.
fn bin_of(x: f32, high: &[f32]) -> u8 {
    if x.is_nan() { MISSING_BIN } else { high.partition_point(|upper| *upper < x) as u8 }
}

/// The distinct values with their counts, ascending, without NaN.
fn count_distinct(values: &[f32], run: &Run) -> Result<Vec<(f32, u32)>> {
    let mut parts = Vec::new();
    for chunk in values.chunks(SORT_CHUNK) {
        run.check()?;
        // Adding zero makes −0 and 0 one value.
        let mut sorted: Vec<f32> = chunk.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        parts.push(sorted.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u32)).collect::<Vec<_>>());
    }
    while parts.len() > 1 {
        let pairs = std::mem::take(&mut parts);
        for pair in pairs.chunks(2) {
            run.check()?;
            parts.push(if let [a, b] = pair { merge(a, b) } else { pair[0].clone() });
        }
    }
    Ok(parts.pop().unwrap_or_default())
}

/// Merges two ascending lists of distinct values.
fn merge(a: &[(f32, u32)], b: &[(f32, u32)]) -> Vec<(f32, u32)> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let ((x, n), (y, m)) = (a[i], b[j]);
        merged.push(if x < y {
            (x, n)
        } else if x > y {
            (y, m)
        } else {
            (x, n + m)
        });
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    merged.extend_from_slice(&a[i..]);
    merged.extend_from_slice(&b[j..]);
    merged
}

/// The smallest and largest value of each of [`MAX_BINS`] bins of about equally many rows.
fn equal_bins(distinct: &[(f32, u32)]) -> (Vec<f32>, Vec<f32>) {
    let (mut low, mut high) = (Vec::with_capacity(MAX_BINS), Vec::with_capacity(MAX_BINS));
    let mut rows_left: u64 = distinct.iter().map(|(_, n)| u64::from(*n)).sum();
    let (mut start, mut in_bin) = (0, 0);
    for (i, (value, count)) in distinct.iter().enumerate() {
        in_bin += u64::from(*count);
        let bins_left = (MAX_BINS - high.len()) as u64;
        let values_left = distinct.len() - i - 1;
        // A bin closes once it has its share of what is left; the last one takes the rest.
        if values_left == 0 || (bins_left > 1 && in_bin * bins_left >= rows_left) {
            low.push(distinct[start].0);
            high.push(*value);
            rows_left -= in_bin;
            (start, in_bin) = (i + 1, 0);
        }
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binned(values: Vec<f64>) -> Result<BinnedFeature> {
        bin(&Feature::new("x", values), &Run::new())
    }

    #[test]
    fn few_distinct_values_get_a_bin_each_and_missing_ones_the_last() {
        let feature = binned(vec![3.0, -0.0, f64::NAN, 0.0, 7.0, 3.0]).expect("finite");
        assert_eq!(feature.bins, [1, 0, MISSING_BIN, 0, 2, 1]);
        assert!(feature.is_exact);
        assert_eq!(feature.threshold(0, 1), 1.5);
        assert_eq!(feature.threshold(0, 2), 3.5);
    }

    #[test]
    fn many_distinct_values_fill_bins_of_equal_size_in_order() {
        let mut rng = Run::new().rng(0);
        let values: Vec<f64> = (0..100_000).map(|_| rng.f64()).collect();
        let feature = binned(values.clone()).expect("finite");
        assert_eq!((feature.high.len(), feature.is_exact), (MAX_BINS, false));
        let mut counts = [0_usize; MAX_BINS];
        for ((value, bin), rank) in values.iter().zip(&feature.bins).zip(&feature.ranks) {
            let (value, bin) = (*value as f32, usize::from(*bin));
            assert!(feature.low[bin] <= value && value <= feature.high[bin]);
            assert_eq!(feature.distinct[*rank as usize], value);
            counts[bin] += 1;
        }
        assert!(counts.iter().all(|n| (380..=404).contains(n)), "{counts:?}");
    }

    #[test]
    fn a_frequent_value_does_not_starve_the_others_of_bins() {
        let values = (0..10_000).map(|i| if i % 2 == 0 { 0.0 } else { f64::from(i) }).collect();
        let feature = binned(values).expect("finite");
        assert_eq!((feature.low[0], feature.high[0]), (0.0, 0.0));
        assert_eq!(feature.high.len(), MAX_BINS);
    }

    #[test]
    fn a_midpoint_separates_even_neighbouring_floats() {
        let next = 1.0_f32.next_up();
        assert_eq!(midpoint(1.0, next), 1.0);
        assert_eq!(midpoint(next, next.next_up()), next);
        assert_eq!(midpoint(f32::MIN, f32::MAX), 0.0);
    }

    #[test]
    fn infinite_and_too_large_values_are_refused_by_name() {
        for (bad, message) in [
            (f64::INFINITY, "feature \"x\" has the value inf, which is infinite"),
            (1e300, "feature \"x\" has the value 1e300, which exceeds a 32-bit float"),
        ] {
            assert_eq!(binned(vec![1.0, bad]).expect_err("no f32").message(), message);
        }
    }
}
