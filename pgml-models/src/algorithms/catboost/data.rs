//! Training rows as bins and category indices.

use std::collections::HashMap;

use pgml_core::{Dataset, Error, ErrorKind, Feature, Result, Run, bail};

use super::hash;
use super::settings::{NanMode, Settings};

/// A numeric feature in bins.
#[derive(Debug, Clone)]
pub(super) struct FloatColumn {
    /// Which feature it is.
    pub feature: u32,
    /// Ascending borders; bin `b` holds values above `b` of them.
    pub borders: Vec<f32>,
    /// Whether missing values are above all borders, else below.
    pub nan_above: bool,
    /// The bin of each row.
    pub bins: Vec<u8>,
}

/// A categorical feature.
#[derive(Debug, Clone)]
pub(super) struct CatColumn {
    /// Which feature it is.
    pub feature: u32,
    /// The index of each row's category, by first appearance.
    pub indices: Vec<u32>,
    /// The hash of each category.
    pub hashes: Vec<u32>,
}

/// Rows in the form that training uses. Targets and weights are in single precision, as CatBoost keeps them.
#[derive(Debug)]
pub(super) struct TrainData {
    pub n_rows: usize,
    pub n_features: usize,
    pub n_classes: usize,
    pub floats: Vec<FloatColumn>,
    pub cats: Vec<CatColumn>,
    pub targets: Vec<Vec<f32>>,
    pub weight: Option<Vec<f32>>,
}

/// Most rows that borders are chosen by.
const BORDER_ROWS: usize = 200_000;

impl TrainData {
    pub(super) fn new(data: &Dataset, weight: Option<Vec<f32>>, settings: &Settings, run: &Run) -> Result<Self> {
        let n_rows = data.n_rows();
        let is_category = |feature: &&(usize, &Feature)| feature.1.categories.is_some();
        let (cats, floats): (Vec<_>, Vec<_>) = data.features().iter().enumerate().partition(|f| is_category(&f));
        let sample = (n_rows > BORDER_ROWS).then(|| {
            let mut rows: Vec<u32> = (0..n_rows as u32).collect();
            run.rng(u64::MAX).shuffle(&mut rows);
            rows.truncate(BORDER_ROWS);
            rows
        });
        let float = |at: usize| float_column(floats[at].0, floats[at].1, sample.as_deref(), settings, run);
        let mut targets = Vec::with_capacity(data.targets().len());
        for target in data.targets() {
            targets.push(target.iter().map(|y| *y as f32).collect::<Vec<f32>>());
        }
        if let Some(bad) = targets.iter().flatten().find(|y| !y.is_finite()) {
            bail!(InvalidData, "a target is {bad} in single precision, in which CatBoost computes");
        }
        Ok(Self {
            n_rows,
            n_features: data.n_features(),
            n_classes: data.n_classes(),
            floats: crate::solvers::parallel::map(floats.len(), run, float)?,
            cats: cats.into_iter().map(|(at, feature)| cat_column(at, feature)).collect(),
            targets,
            weight,
        })
    }

    /// The weight of a row.
    #[inline]
    pub(super) fn weight_of(&self, row: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |w| f64::from(w[row]))
    }
}

/// In single precision, where infinities and what it cannot hold become its greatest numbers.
pub(super) fn single(x: f64) -> f32 {
    (x as f32).clamp(f32::MIN, f32::MAX)
}

fn float_column(
    at: usize,
    feature: &Feature,
    sample: Option<&[u32]>,
    settings: &Settings,
    run: &Run,
) -> Result<FloatColumn> {
    run.check()?;
    let values: Vec<f32> = feature.values.iter().map(single).collect();
    let has_nan = values.iter().any(|x| x.is_nan());
    if has_nan && settings.nan_mode == NanMode::Forbidden {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("feature \"{}\" has a missing value, which nan_mode Forbidden of catboost refuses", feature.name),
        ));
    }
    let mut sorted: Vec<f32> = match sample {
        Some(rows) => rows.iter().map(|row| values[*row as usize]).collect(),
        None => values.clone(),
    };
    sorted.retain(|x| !x.is_nan());
    sorted.sort_unstable_by(f32::total_cmp);
    run.check()?;
    let nan_above = settings.nan_mode == NanMode::Max;
    let mut borders = settings.border_type.choose(&sorted, settings.border_count - usize::from(has_nan));
    if has_nan && nan_above {
        borders.push(f32::MAX);
    } else if has_nan {
        borders.insert(0, f32::MIN);
    }
    run.check()?;
    let bins = values.iter().map(|x| bin_of(*x, &borders, nan_above)).collect();
    Ok(FloatColumn { feature: at as u32, borders, nan_above, bins })
}

/// How many borders a value is above.
#[inline]
pub(super) fn bin_of(x: f32, borders: &[f32], nan_above: bool) -> u8 {
    if x.is_nan() {
        return if nan_above { borders.len() as u8 } else { 0 };
    }
    borders.partition_point(|border| x > *border) as u8
}

fn cat_column(at: usize, feature: &Feature) -> CatColumn {
    let mut known: HashMap<u32, u32> = HashMap::new();
    let mut hashes = Vec::new();
    let mut index = |code: f64| {
        let hash = hash::category(code);
        *known.entry(hash).or_insert_with(|| {
            hashes.push(hash);
            hashes.len() as u32 - 1
        })
    };
    let indices = feature.values.iter().map(&mut index).collect();
    CatColumn { feature: at as u32, indices, hashes }
}
