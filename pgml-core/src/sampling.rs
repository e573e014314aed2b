//! Which rows are learnt from and which are held out. The order in which a relation is scanned never matters, except
//! for [`Sampling::Last`], which is about that order.

use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::unknown_name;
use crate::{Error, ErrorKind, Result, Run, TableColumn, Values, bail};

/// How rows are chosen for the test part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sampling {
    /// By chance: in the order of a seeded hash of each row's content.
    Random,
    /// The last rows of the relation.
    Last,
    /// As [`Sampling::Random`], with each class's share in the test part equal to its share in the whole.
    #[default]
    Stratified,
}

impl Sampling {
    /// Every sampling.
    pub const ALL: [Self; 3] = [Self::Random, Self::Last, Self::Stratified];

    /// The SQL name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Last => "last",
            Self::Stratified => "stratified",
        }
    }
}

impl FromStr for Sampling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| {
            unknown_name(ErrorKind::InvalidParameter, "sampling", text, Self::ALL.iter().map(|s| s.name()))
        })
    }
}

/// How a relation is split into a training and a test part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The share of rows to hold out; a number of rows when greater than 1.
    pub test_size: f32,
    /// How they are chosen.
    pub sampling: Sampling,
}

impl Default for Split {
    /// A quarter, stratified.
    fn default() -> Self {
        Self { test_size: 0.25, sampling: Sampling::Stratified }
    }
}

/// Row numbers of both parts, each in the order in which they are used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// To learn from.
    pub train: Vec<u32>,
    /// Held out.
    pub test: Vec<u32>,
}

impl Split {
    /// How many of `n_rows` rows are held out: a share is rounded half away from zero, a number of rows truncated.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when that is no number, negative, or leaves no row to learn from.
    pub fn n_test(&self, n_rows: usize) -> Result<usize> {
        if self.test_size.is_nan() || self.test_size < 0.0 {
            bail!(
                InvalidParameter,
                "test_size is {}, but must be a share or a number of rows of at least 0",
                self.test_size
            );
        }
        if n_rows == 0 {
            bail!(InvalidData, "the relation has no rows to learn from");
        }
        // The decimal that the user wrote: 0.7 as `real` is a little less than 0.7, and 0.7 × 5 must round to 4.
        let size: f64 = self.test_size.to_string().parse().unwrap_or(f64::from(self.test_size));
        let n_test = if size > 1.0 { size.trunc() } else { (size * n_rows as f64).round() };
        if n_test >= n_rows as f64 {
            let message = format!("test_size = {} is too large. There are only {n_rows} samples.", self.test_size);
            return Err(Error::new(ErrorKind::InvalidParameter, message)
                .with_hint("at least one row must be left to learn from; test_size up to 1 is a share of the rows"));
        }
        Ok(n_test as usize)
    }

    /// Splits rows whose contents have the given hashes. `classes` holds each row's class when there are classes,
    /// `groups` each row's group when rows must stay together.
    ///
    /// # Errors
    /// As [`Split::n_test`], and when the run is cancelled.
    pub fn rows(&self, hashes: &[u64], classes: Option<&[u32]>, groups: Option<&[u32]>, run: &Run) -> Result<Rows> {
        let n_test = self.n_test(hashes.len())?;
        let Ok(n_rows) = u32::try_from(hashes.len()) else {
            bail!(NotSupported, "{} rows are more than the {} that can be learnt from", hashes.len(), u32::MAX);
        };
        let order = match self.sampling {
            Sampling::Last => (0..n_rows).collect(),
            Sampling::Random | Sampling::Stratified => hash_order(hashes, run)?,
        };
        match (groups, classes, self.sampling) {
            (Some(groups), _, _) => split_groups(&order, groups, n_test),
            (None, Some(classes), Sampling::Stratified) => Ok(split_classes(&order, classes, n_test)),
            _ => Ok(split_at(order, n_test)),
        }
    }
}

fn split_at(mut order: Vec<u32>, n_test: usize) -> Rows {
    let test = order.split_off(order.len() - n_test);
    Rows { train: order, test }
}

/// The last rows of each class are held out, as many as its share says.
fn split_classes(order: &[u32], classes: &[u32], n_test: usize) -> Rows {
    let n_classes = classes.iter().max().map_or(0, |c| *c as usize + 1);
    let mut counts = vec![0_usize; n_classes];
    classes.iter().for_each(|c| counts[*c as usize] += 1);
    let mut to_train = counts.clone();
    for (left, held_out) in to_train.iter_mut().zip(quotas(&counts, n_test)) {
        *left -= held_out;
    }
    let mut rows = Rows { train: Vec::with_capacity(order.len() - n_test), test: Vec::with_capacity(n_test) };
    for &row in order {
        let left = &mut to_train[classes[row as usize] as usize];
        if *left > 0 {
            *left -= 1;
            rows.train.push(row);
        } else {
            rows.test.push(row);
        }
    }
    rows
}

/// How many rows of each class are held out: largest remainders, so that they add up to `n_test` exactly. No class
/// loses its last row while another class can spare one.
fn quotas(counts: &[usize], n_test: usize) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    let exact = |count: usize| count as u128 * n_test as u128;
    let mut quotas: Vec<usize> = counts.iter().map(|&c| (exact(c) / total.max(1) as u128) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|&c| (std::cmp::Reverse(exact(counts[c]) % total.max(1) as u128), c));
    let mut missing = n_test - quotas.iter().sum::<usize>();
    // The first round keeps a row of every class; the second takes what is still missing.
    for keep in [1, 0] {
        for &c in &by_remainder {
            if missing > 0 && quotas[c] + keep < counts[c] {
                quotas[c] += 1;
                missing -= 1;
            }
        }
    }
    quotas
}

/// Whole groups are held out until there are enough rows, but never the last group.
fn split_groups(order: &[u32], groups: &[u32], n_test: usize) -> Result<Rows> {
    // Groups in the order of their first row; within them, rows keep their order.
    let n_groups = groups.iter().max().map_or(0, |g| *g as usize + 1);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); n_groups];
    let mut group_order = Vec::with_capacity(n_groups);
    for &row in order {
        let group = groups[row as usize] as usize;
        if members[group].is_empty() {
            group_order.push(group);
        }
        members[group].push(row);
    }
    let mut n_train_groups = group_order.len();
    let mut held_out = 0;
    while held_out < n_test {
        n_train_groups -= 1;
        if n_train_groups == 0 {
            bail!(InvalidParameter, "holding out {n_test} rows in whole groups leaves no group to learn from");
        }
        held_out += members[group_order[n_train_groups]].len();
    }
    let (train, test) = group_order.split_at(n_train_groups);
    let gather = |part: &[usize]| part.iter().flat_map(|g| members[*g].iter().copied()).collect();
    Ok(Rows { train: gather(train), test: gather(test) })
}

/// A hash of each row's content, the same for any order of rows and of columns.
///
/// Numbers count by value, whatever their type; every NaN is the same, and so are -0 and 0. Texts count by their
/// characters, never by their codes.
///
/// # Errors
/// When the run is cancelled.
pub fn content_hashes<'a>(
    columns: impl IntoIterator<Item = &'a TableColumn>,
    n_rows: usize,
    run: &Run,
) -> Result<Vec<u64>> {
    let mut hashes = vec![0_u64; n_rows];
    for column in columns {
        let seed = xxh3_64_with_seed(column.name.as_bytes(), run.seed());
        match &column.values {
            Values::Number(values) => add_numbers(&mut hashes, values, seed, run)?,
            Values::Array(elements) => {
                for (element, values) in elements.iter().enumerate() {
                    add_numbers(&mut hashes, values, seed.wrapping_add(element as u64 + 1), run)?;
                }
            }
            Values::Text { codes, dictionary } => {
                // NULL differs from every text, the empty one included.
                let null = xxh3_64_with_seed(&[0xff], !seed);
                let texts = dictionary.iter().skip(1).map(|text| xxh3_64_with_seed(text.as_bytes(), seed));
                let of_code: Vec<u64> = std::iter::once(null).chain(texts).collect();
                run.check()?;
                for (hash, code) in hashes.iter_mut().zip(codes) {
                    *hash = hash.wrapping_add(of_code.get(*code as usize).copied().unwrap_or(null));
                }
            }
        }
    }
    Ok(hashes)
}

fn add_numbers(hashes: &mut [u64], values: &crate::Floats, seed: u64, run: &Run) -> Result<()> {
    const BLOCK: usize = 1 << 16;
    for (block, part) in hashes.chunks_mut(BLOCK).enumerate() {
        run.check()?;
        for (row, hash) in (block * BLOCK..).zip(part) {
            let x = values.get(row);
            let bits = if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() };
            *hash = hash.wrapping_add(xxh3_64_with_seed(&bits.to_le_bytes(), seed));
        }
    }
    Ok(())
}

/// Row numbers in ascending order of their hashes. Rows of equal hash have equal content, so which comes first does not
/// matter; but they must not lie side by side, else a class or category of few distinct rows is held out as a whole.
fn hash_order(hashes: &[u64], run: &Run) -> Result<Vec<u32>> {
    let order = ascending(hashes, run)?;
    if order.windows(2).all(|pair| hashes[pair[0] as usize] != hashes[pair[1] as usize]) {
        return Ok(order);
    }
    let mut spread = hashes.to_vec();
    for equal in order.chunk_by(|a, b| hashes[*a as usize] == hashes[*b as usize]) {
        for (copy, row) in (1_u64..).zip(&equal[1..]) {
            spread[*row as usize] = xxh3_64_with_seed(&copy.to_le_bytes(), hashes[*row as usize]);
        }
    }
    run.check()?;
    ascending(&spread, run)
}

fn ascending(hashes: &[u64], run: &Run) -> Result<Vec<u32>> {
    // Hashes are uniform: 256 buckets by their first byte, each sorted on its own, leave room to poll the run.
    let bucket = |hash: u64| (hash >> 56) as usize;
    let mut ends = [0_usize; 256];
    hashes.iter().for_each(|&h| ends[bucket(h)] += 1);
    let mut next = 0;
    for end in &mut ends {
        next += std::mem::replace(end, next);
    }
    let mut order = vec![0_u32; hashes.len()];
    for (row, &hash) in hashes.iter().enumerate() {
        let place = &mut ends[bucket(hash)];
        order[*place] = row as u32;
        *place += 1;
    }
    let mut start = 0;
    for end in ends {
        run.check()?;
        order[start..end].sort_unstable_by_key(|&row| hashes[row as usize]);
        start = end;
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(test_size: f32) -> Split {
        Split { test_size, sampling: Sampling::Random }
    }

    #[test]
    fn shares_round_half_away_from_zero_and_sizes_truncate() {
        for (test_size, n_rows, n_test) in [
            (0.25, 1797, 449),
            (0.25, 442, 111),
            (0.25, 569, 142),
            (0.25, 150, 38),
            (0.25, 20, 5),
            (0.25, 178, 45),
            (0.25, 1, 0),
            (0.7, 5, 4),
            (0.0, 10, 0),
            (2.9, 10, 2),
        ] {
            assert_eq!(split(test_size).n_test(n_rows), Ok(n_test), "{test_size} of {n_rows}");
        }
    }

    #[test]
    fn a_test_size_that_leaves_nothing_is_refused() {
        for (test_size, n_rows) in [(1.0, 10), (10.0, 10), (1e30, 10), (f32::INFINITY, 10), (0.99, 2)] {
            let error = split(test_size).n_test(n_rows).expect_err("no training row");
            assert!(error.message().ends_with(&format!("is too large. There are only {n_rows} samples.")), "{error}");
        }
        for test_size in [-0.1, f32::NAN] {
            assert_eq!(split(test_size).n_test(10).map_err(|e| e.kind()), Err(ErrorKind::InvalidParameter));
        }
        assert_eq!(split(0.25).n_test(0).map_err(|e| e.kind()), Err(ErrorKind::InvalidData));
    }

    #[test]
    fn stratified_parts_have_the_shares_of_the_whole_and_the_exact_size() {
        // iris: 50 of each class, 38 held out.
        assert_eq!(quotas(&[50, 50, 50], 38), [13, 13, 12]);
        assert_eq!(quotas(&[357, 212], 142), [89, 53]);
        assert_eq!(quotas(&[1, 1, 8], 3), [0, 0, 3], "single rows are learnt from");
        assert_eq!(quotas(&[1, 1, 1], 2).iter().sum::<usize>(), 2, "the size is kept even so");
    }

    #[test]
    fn every_row_is_in_one_part_and_both_parts_mix_classes() {
        let hashes: Vec<u64> = (0..1000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let classes: Vec<u32> = (0..1000).map(|i| u32::from(i >= 900)).collect();
        let stratified = Split { test_size: 0.2, sampling: Sampling::Stratified };
        let rows = stratified.rows(&hashes, Some(&classes), None, &Run::new()).expect("200 of 1000");
        let mut all = [rows.train.clone(), rows.test.clone()].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..1000));
        assert_eq!(rows.test.iter().filter(|r| **r >= 900).count(), 20);
        assert!(rows.train.is_sorted_by_key(|r| hashes[*r as usize]));
    }

    #[test]
    fn rows_of_equal_content_are_spread_over_both_parts_in_any_order() {
        let hashes: Vec<u64> = (0..400_u64).map(|i| (i % 4).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let counts = |hashes: &[u64]| {
            let rows = split(0.25).rows(hashes, None, None, &Run::new()).expect("100 of 400");
            let held_out = |content: u64| rows.test.iter().filter(|r| hashes[**r as usize] == content).count();
            [held_out(hashes[0]), held_out(hashes[1]), held_out(hashes[2]), held_out(hashes[3])]
        };
        let mut sorted = hashes.clone();
        sorted.sort_by_key(|h| hashes.iter().position(|other| other == h));
        let spread = counts(&hashes);
        assert!(spread.iter().all(|n| (10..=40).contains(n)), "{spread:?}");
        sorted.swap(1, 100);
        sorted.swap(2, 200);
        sorted.swap(3, 300);
        assert_eq!(counts(&sorted), spread);
    }

    #[test]
    fn groups_are_never_split() {
        let groups: Vec<u32> = (0..100).map(|i| i / 10).collect();
        let hashes: Vec<u64> = (0..100_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let rows = split(0.25).rows(&hashes, None, Some(&groups), &Run::new()).expect("three of ten groups");
        assert_eq!((rows.train.len(), rows.test.len()), (70, 30));
        let train: std::collections::BTreeSet<u32> = rows.train.iter().map(|r| groups[*r as usize]).collect();
        assert!(rows.test.iter().all(|r| !train.contains(&groups[*r as usize])));
        assert_eq!(rows.train.chunk_by(|a, b| groups[*a as usize] == groups[*b as usize]).count(), 7);
    }
}
