//! Rows as bins: one byte per value, four columns to a word.

use pgml_core::{Dataset, Feature, Result, Run, bail};
use rayon::prelude::*;

use super::quantiles;

/// The bin of a missing value.
pub const MISSING_BIN: u8 = 255;
/// Most bins of a column, without that of missing values.
pub const MAX_BINS: usize = 255;
/// Columns that stand side by side.
pub const LANES: usize = 4;
/// Rows that quantiles are taken of at most.
const SAMPLED_ROWS: usize = 200_000;
/// The greatest code of a category, bounding the sets that splits keep.
const GREATEST_CODE: f64 = 65_535.0;
/// How many values are binned between two looks at the cancel flag.
const ROWS_AT_A_TIME: usize = 1 << 16;

/// How a column's values become bins.
#[derive(Debug, Clone, PartialEq)]
pub enum BinMap {
    /// Bin `i` ends with the value `i` of these; the last bin has no end.
    Numbers(Vec<f64>),
    /// Bin `i` is the category whose code is `i` of these, ascending.
    Categories(Vec<u32>),
}

impl BinMap {
    /// How many bins there are, without that of missing values.
    #[must_use]
    pub fn n_bins(&self) -> usize {
        match self {
            Self::Numbers(ends) => ends.len() + 1,
            Self::Categories(codes) => codes.len(),
        }
    }

    /// The categories of a feature.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](pgml_core::ErrorKind::InvalidData) when a value is no code, or there are more
    /// categories than bins.
    pub fn of_categories(feature: &Feature, max_bins: usize) -> Result<Self> {
        let mut codes = Vec::new();
        for value in feature.values.iter().filter(|x| !x.is_nan()) {
            if value.fract() != 0.0 || !(0.0..=GREATEST_CODE).contains(&value) {
                bail!(
                    InvalidData,
                    "feature \"{}\" has the value {value}, but codes of categories are whole numbers from 0 to {}",
                    feature.name,
                    GREATEST_CODE
                );
            }
            if let Err(position) = codes.binary_search(&(value as u32)) {
                codes.insert(position, value as u32);
            }
        }
        if codes.len() > max_bins {
            bail!(
                InvalidData,
                "categorical feature \"{}\" has {} categories, but at most {max_bins} fit its bins; encode it otherwise \
                 or leave it out of categorical_features",
                feature.name,
                codes.len()
            );
        }
        Ok(Self::Categories(codes))
    }

    /// The quantiles of a feature, by weight where rows are weighted; of a sample where there are many rows.
    fn of_numbers(feature: &Feature, weight: Option<&[f64]>, max_bins: usize, sample: Option<&[u32]>) -> Self {
        let value = |row: usize| feature.values.get(row);
        if let Some(sample) = sample {
            // Rows were drawn by their weight.
            let values = sample.iter().map(|row| value(*row as usize)).filter(|x| !x.is_nan()).collect();
            return Self::Numbers(quantiles::thresholds(&sorted(values), max_bins));
        }
        let Some(weight) = weight else {
            let values = feature.values.iter().filter(|x| !x.is_nan()).collect();
            return Self::Numbers(quantiles::thresholds(&sorted(values), max_bins));
        };
        let mut pairs: Vec<(f64, f64)> =
            feature.values.iter().zip(weight).map(|(x, w)| (x, *w)).filter(|(x, w)| !x.is_nan() && *w > 0.0).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (values, weights): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        Self::Numbers(quantiles::weighted_thresholds(&values, &weights, max_bins))
    }

    /// Writes the bin of each value.
    fn bin(&self, values: impl Iterator<Item = f64>, mut put: impl FnMut(u8)) {
        match self {
            Self::Numbers(ends) => {
                // With 255 ends every search takes the same eight steps, without a branch to mispredict.
                let mut padded = [f64::INFINITY; MAX_BINS];
                padded[..ends.len()].copy_from_slice(ends);
                values.for_each(|x| {
                    put(if x.is_nan() { MISSING_BIN } else { ends_below(&padded, x).min(ends.len() as u8) })
                });
            }
            Self::Categories(codes) => values.for_each(|x| {
                let code = codes.binary_search(&(x as u32)).ok().filter(|_| !x.is_nan());
                put(code.map_or(MISSING_BIN, |bin| bin as u8));
            }),
        }
    }
}

/// How many of the ascending `ends` are less than `x`.
#[inline]
fn ends_below(ends: &[f64; MAX_BINS], x: f64) -> u8 {
    let mut below = 0;
    for step in [128, 64, 32, 16, 8, 4, 2, 1] {
        below += if ends[(below + step - 1).min(MAX_BINS - 1)] < x { step } else { 0 };
    }
    below as u8
}

/// Values in ascending order.
fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    // Adding zero makes −0 and 0 one value.
    values.iter_mut().for_each(|x| *x += 0.0);
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Rows as bins.
#[derive(Debug, Clone)]
pub struct BinnedRows {
    n_rows: usize,
    maps: Vec<BinMap>,
    has_missing: Vec<bool>,
    /// Column `4 q + lane` of row `r` is `words[q * n_rows + r][lane]`.
    words: Vec<[u8; LANES]>,
}

impl BinnedRows {
    /// The maps of all columns: `features` in the order of columns, those without categories binned by quantiles.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
    pub fn maps(
        features: &[(&Feature, Option<BinMap>)],
        weight: Option<&[f64]>,
        max_bins: usize,
        run: &Run,
    ) -> Result<Vec<BinMap>> {
        let n_rows = features.first().map_or(0, |(feature, _)| feature.values.len());
        let sample = (n_rows > SAMPLED_ROWS).then(|| sample(n_rows, weight, run));
        features
            .par_iter()
            .map(|(feature, categories)| {
                run.check()?;
                Ok(match categories {
                    Some(map) => map.clone(),
                    None => BinMap::of_numbers(feature, weight, max_bins, sample.as_deref()),
                })
            })
            .collect()
    }

    /// Bins the rows of `features`, which stand in the order of `maps`.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
    pub fn new(features: &[&Feature], maps: Vec<BinMap>, run: &Run) -> Result<Self> {
        let n_rows = features.first().map_or(0, |feature| feature.values.len());
        let mut words = vec![[0; LANES]; n_rows * features.len().div_ceil(LANES)];
        let has_missing: Vec<Vec<bool>> = words
            .par_chunks_mut(n_rows.max(1))
            .zip(features.par_chunks(LANES).zip(maps.par_chunks(LANES)))
            .map(|(words, (features, maps))| {
                let lanes = features.iter().zip(maps).enumerate();
                lanes.map(|(lane, (feature, map))| bin_lane(words, lane, feature, map, run)).collect()
            })
            .collect::<Result<_>>()?;
        Ok(Self { n_rows, maps, has_missing: has_missing.concat(), words })
    }

    /// Bytes that the bins of so much data take.
    #[must_use]
    pub fn bytes_for(data: &Dataset) -> u64 {
        (data.n_rows() * data.n_features().div_ceil(LANES) * LANES) as u64
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many columns there are.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.maps.len()
    }

    /// How a column was binned.
    #[must_use]
    pub fn map(&self, column: usize) -> &BinMap {
        &self.maps[column]
    }

    /// All maps, in the order of columns.
    #[must_use]
    pub fn all_maps(&self) -> &[BinMap] {
        &self.maps
    }

    /// Whether a column has missing values.
    #[must_use]
    pub fn has_missing(&self, column: usize) -> bool {
        self.has_missing[column]
    }

    /// The words of all rows in which the column stands, at the place `column % 4`.
    #[must_use]
    pub fn words(&self, column: usize) -> &[[u8; LANES]] {
        &self.words[column / LANES * self.n_rows..][..self.n_rows]
    }

    /// The bin of one value.
    #[must_use]
    pub fn bin(&self, column: usize, row: usize) -> u8 {
        self.words(column)[row][column % LANES]
    }
}

/// Bins one column into its place in the words; tells whether a value is missing.
fn bin_lane(words: &mut [[u8; LANES]], lane: usize, feature: &Feature, map: &BinMap, run: &Run) -> Result<bool> {
    let mut missing = false;
    let mut values = feature.values.iter();
    for words in words.chunks_mut(ROWS_AT_A_TIME) {
        run.check()?;
        let mut cells = words.iter_mut().map(|word| &mut word[lane]);
        map.bin(values.by_ref().take(cells.len()), |bin| {
            missing |= bin == MISSING_BIN;
            if let Some(cell) = cells.next() {
                *cell = bin;
            }
        });
    }
    Ok(missing)
}

/// Rows drawn with replacement, by weight where there are weights, for quantiles of many rows.
fn sample(n_rows: usize, weight: Option<&[f64]>, run: &Run) -> Vec<u32> {
    let mut rng = run.rng(SAMPLED_ROWS as u64);
    let cumulative = weight.map(quantiles::cumulative);
    let mut draw = || match &cumulative {
        None => rng.usize(..n_rows) as u32,
        Some(sums) => {
            let mark = rng.f64() * sums[n_rows - 1];
            sums.partition_point(|sum| *sum <= mark).min(n_rows - 1) as u32
        }
    };
    (0..SAMPLED_ROWS).map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_the_end_of_a_bin_is_in_it() {
        let feature = Feature::new("x", vec![1.0, 1.5, 2.0, f64::NAN, -7.0, f64::INFINITY]);
        let binned =
            BinnedRows::new(&[&feature], vec![BinMap::Numbers(vec![1.5])], &Run::new()).expect("not cancelled");
        let bins: Vec<u8> = (0..6).map(|row| binned.bin(0, row)).collect();
        assert_eq!(bins, [0, 0, 1, MISSING_BIN, 0, 1]);
        assert!(binned.has_missing(0));
    }

    #[test]
    fn every_number_of_ends_is_searched_alike() {
        for n_ends in [0_usize, 1, 2, 100, 253, 254] {
            let ends: Vec<f64> = (0..n_ends).map(|i| i as f64 + 0.5).collect();
            let values: Vec<f64> = (0..=n_ends).map(|i| i as f64).collect();
            let mut bins = Vec::new();
            BinMap::Numbers(ends).bin(values.into_iter(), |bin| bins.push(usize::from(bin)));
            assert!(bins.into_iter().eq(0..=n_ends), "{n_ends} ends");
        }
    }

    #[test]
    fn categories_are_the_codes_that_occur() {
        let feature = Feature::new("c", vec![7.0, 2.0, f64::NAN, 7.0, 900.0]);
        let map = BinMap::of_categories(&feature, 255).expect("codes");
        assert_eq!(map, BinMap::Categories(vec![2, 7, 900]));
        let binned = BinnedRows::new(&[&feature], vec![map], &Run::new()).expect("not cancelled");
        assert_eq!((0..5).map(|row| binned.bin(0, row)).collect::<Vec<u8>>(), [1, 0, MISSING_BIN, 1, 2]);
        assert!(BinMap::of_categories(&feature, 2).is_err());
        assert!(BinMap::of_categories(&Feature::new("c", vec![0.5]), 255).is_err());
    }
}
