//! The stored form of a model: lists of lists are flat arrays with bounds.

use pgml_core::{Error, ErrorKind, Parts, Result, bail};

use super::columns::{Columns, CtrBins, FloatBins, OneHotBin, Part};
use super::ctr_info::CtrKind;
use super::forest::Forest;
use super::model::CatboostModel;
use super::projection::Numbering;
use super::table::{Reading, Table};

pub(super) fn encode(model: &CatboostModel) -> Result<Parts> {
    let Columns { floats, one_hots, ctrs, projections, tables } = &model.columns;
    let forest = &model.forest;
    let (float_bounds, float_borders) = flat(floats.iter().map(|column| column.borders.as_slice()));
    let (ctr_bounds, ctr_borders) = flat(ctrs.iter().map(|column| column.borders.as_slice()));
    let parts: Vec<Vec<[u32; 3]>> =
        projections.iter().map(|parts| parts.iter().map(|part| part.words()).collect()).collect();
    let (part_bounds, part_words) = flat(parts.iter().map(|parts| parts.as_flattened()));
    let (hash_bounds, hashes) = flat(tables.iter().map(|table| table.numbering.hashes()));
    let numbers: Vec<f32> = tables.iter().flat_map(|table| table.numbers.iter().copied()).collect();
    let readings = ctrs.iter().flat_map(|ctr| {
        let reading = ctr.reading;
        [reading.prior, reading.prior_denominator, reading.shift, reading.scale]
    });
    let parts = Parts::new()
        .with_meta("n_features", &model.n_features)?
        .with_meta("n_classes", &model.n_classes)?
        .with_meta("dims", &forest.dims)?
        .with_meta("scale", &forest.scale)?
        .with_meta("best_iteration", &model.best_iteration)?
        .with("float_features", floats.iter().map(|column| column.feature).collect())
        .with("float_nan_above", floats.iter().map(|column| u8::from(column.nan_above)).collect())
        .with("float_bounds", float_bounds)
        .with("float_borders", float_borders)
        .with("one_hot_features", one_hots.iter().map(|column| column.feature).collect())
        .with("one_hot_hashes", one_hots.iter().map(|column| column.hash).collect())
        .with("ctr_projections", ctrs.iter().map(|ctr| ctr.projection).collect())
        .with("ctr_tables", ctrs.iter().map(|ctr| ctr.table).collect())
        .with("ctr_targets", ctrs.iter().map(|ctr| ctr.reading.target).collect())
        .with("ctr_readings", readings.collect::<Vec<f32>>())
        .with("ctr_bounds", ctr_bounds)
        .with("ctr_borders", ctr_borders)
        .with("part_bounds", part_bounds)
        .with("part_words", part_words)
        .with("table_kinds", tables.iter().map(|table| kind_number(table.kind)).collect())
        .with("table_widths", tables.iter().map(|table| table.width as u32).collect())
        .with("table_denominators", tables.iter().map(|table| table.denominator).collect())
        .with("table_bounds", hash_bounds)
        .with("table_hashes", hashes)
        .with("table_numbers", numbers)
        .with("tree_depths", forest.depths.clone())
        .with("split_columns", forest.split_columns.clone())
        .with("split_bins", forest.split_bins.clone())
        .with("leaf_values", forest.leaf_values.clone())
        .with("leaf_covers", forest.leaf_covers.clone())
        .with("start", forest.start.clone());
    Ok(parts)
}

pub(super) fn decode(parts: &Parts) -> Result<CatboostModel> {
    let float_features = parts.array::<u32>("float_features")?;
    let float_nan_above = parts.array_of::<u8>("float_nan_above", float_features.len())?;
    let borders = unflat::<f32>(parts, "float_bounds", "float_borders", float_features.len())?;
    let floats = float_features.iter().zip(float_nan_above).zip(borders).map(|((feature, nan_above), borders)| {
        FloatBins { feature: *feature, nan_above: *nan_above != 0, borders: borders.to_vec() }
    });
    let one_hot_features = parts.array::<u32>("one_hot_features")?;
    let one_hot_hashes = parts.array_of::<u32>("one_hot_hashes", one_hot_features.len())?;
    let one_hots = one_hot_features.iter().zip(one_hot_hashes);
    let columns = Columns {
        floats: floats.collect(),
        one_hots: one_hots.map(|(feature, hash)| OneHotBin { feature: *feature, hash: *hash }).collect(),
        ctrs: decode_ctrs(parts)?,
        projections: decode_projections(parts)?,
        tables: decode_tables(parts)?,
    };
    let forest = Forest {
        dims: parts.meta("dims")?,
        depths: parts.array::<u8>("tree_depths")?.to_vec(),
        split_columns: parts.array::<u32>("split_columns")?.to_vec(),
        split_bins: parts.array::<u8>("split_bins")?.to_vec(),
        leaf_values: parts.array::<f64>("leaf_values")?.to_vec(),
        leaf_covers: parts.array::<f64>("leaf_covers")?.to_vec(),
        scale: parts.meta("scale")?,
        start: parts.array::<f64>("start")?.to_vec(),
    };
    CatboostModel {
        n_features: parts.meta("n_features")?,
        n_classes: parts.meta("n_classes")?,
        columns,
        forest,
        best_iteration: parts.meta("best_iteration")?,
    }
    .checked()
}

fn decode_ctrs(parts: &Parts) -> Result<Vec<CtrBins>> {
    let projections = parts.array::<u32>("ctr_projections")?;
    let n = projections.len();
    let tables = parts.array_of::<u32>("ctr_tables", n)?;
    let targets = parts.array_of::<u32>("ctr_targets", n)?;
    let (readings, _) = parts.array_of::<f32>("ctr_readings", 4 * n)?.as_chunks::<4>();
    let borders = unflat::<f32>(parts, "ctr_bounds", "ctr_borders", n)?;
    let ctr = |at: usize| {
        let [prior, prior_denominator, shift, scale] = readings[at];
        let reading = Reading { target: targets[at], prior, prior_denominator, shift, scale };
        CtrBins { projection: projections[at], table: tables[at], reading, borders: borders[at].to_vec() }
    };
    Ok((0..n).map(ctr).collect())
}

fn decode_projections(parts: &Parts) -> Result<Vec<Vec<Part>>> {
    let n = parts.array::<u32>("part_bounds")?.len().saturating_sub(1);
    let projection = |words: &[u32]| -> Result<Vec<Part>> {
        let (words, rest) = words.as_chunks::<3>();
        if !rest.is_empty() {
            bail!(Corrupted, "a stored combination of features ends early");
        }
        words.iter().map(Part::of_words).collect()
    };
    unflat::<u32>(parts, "part_bounds", "part_words", n)?.into_iter().map(projection).collect()
}

fn decode_tables(parts: &Parts) -> Result<Vec<Table>> {
    let kinds = parts.array::<u8>("table_kinds")?;
    let widths = parts.array_of::<u32>("table_widths", kinds.len())?;
    let denominators = parts.array_of::<f32>("table_denominators", kinds.len())?;
    let hashes = unflat::<u64>(parts, "table_bounds", "table_hashes", kinds.len())?;
    let mut numbers = parts.array::<f32>("table_numbers")?;
    let mut tables = Vec::with_capacity(kinds.len());
    for (at, hashes) in hashes.into_iter().enumerate() {
        let Some((kind, _)) = CtrKind::ALL.get(usize::from(kinds[at])) else {
            bail!(Corrupted, "a stored target statistic is of kind {}", kinds[at]);
        };
        let Some((of_table, rest)) =
            hashes.len().checked_mul(widths[at] as usize).and_then(|n| numbers.split_at_checked(n))
        else {
            bail!(Corrupted, "a stored table of target statistics has too few numbers");
        };
        numbers = rest;
        let mut numbering = Numbering::with_capacity(hashes.len());
        if hashes.iter().enumerate().any(|(at, hash)| numbering.number(*hash) as usize != at) {
            bail!(Corrupted, "a stored table of target statistics repeats a hash");
        }
        tables.push(Table {
            kind: *kind,
            numbering,
            width: widths[at] as usize,
            numbers: of_table.to_vec(),
            denominator: denominators[at],
        });
    }
    if !numbers.is_empty() {
        bail!(Corrupted, "stored target statistics have numbers of no table");
    }
    Ok(tables)
}

impl CatboostModel {
    /// Checks that all parts fit together.
    pub(super) fn checked(self) -> Result<Self> {
        let Columns { floats, one_hots, ctrs, projections, tables } = &self.columns;
        let feature = |feature: u32| (feature as usize) < self.n_features;
        let ascending = |borders: &[f32]| borders.len() <= 255 && borders.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = |ctr: &CtrBins| {
            let table = tables.get(ctr.table as usize);
            (ctr.projection as usize) < projections.len()
                && table.is_some_and(|table| table.has_target(ctr.reading.target))
                && ascending(&ctr.borders)
        };
        let dims_fit = match self.n_classes {
            0 => true,
            2 => matches!(self.forest.dims, 1 | 2),
            n => self.forest.dims == n,
        };
        let fault = match self.forest.fault(&self.columns) {
            Some(fault) => Some(fault),
            None if !dims_fit || self.n_features == 0 => Some("scores do not fit the classes"),
            None if !floats.iter().all(|column| feature(column.feature) && ascending(&column.borders)) => {
                Some("a numeric column is not sound")
            }
            None if !one_hots.iter().all(|column| feature(column.feature)) => Some("a category column is not sound"),
            None if !projections.iter().flatten().all(|part| feature(part.feature())) => {
                Some("a combination of features is not sound")
            }
            None if !tables.iter().all(Table::is_sound) => Some("a table of target statistics is not sound"),
            None if !ctrs.iter().all(fits) => Some("a target statistic is not sound"),
            None => None,
        };
        match fault {
            Some(fault) => {
                Err(Error::new(ErrorKind::Corrupted, format!("the stored CatBoost model is damaged: {fault}")))
            }
            None => Ok(self),
        }
    }
}

impl Part {
    /// The feature it asks.
    pub(super) fn feature(&self) -> u32 {
        match *self {
            Self::Category { feature } | Self::Above { feature, .. } | Self::Is { feature, .. } => feature,
        }
    }

    /// What it is, the feature, and the border's bits or the hash.
    fn words(self) -> [u32; 3] {
        match self {
            Self::Category { feature } => [0, feature, 0],
            Self::Is { feature, hash } => [1, feature, hash],
            Self::Above { feature, border, nan_above } => [2 + u32::from(nan_above), feature, border.to_bits()],
        }
    }

    fn of_words(words: &[u32; 3]) -> Result<Self> {
        let [kind, feature, rest] = *words;
        Ok(match kind {
            0 => Self::Category { feature },
            1 => Self::Is { feature, hash: rest },
            2 | 3 => Self::Above { feature, border: f32::from_bits(rest), nan_above: kind == 3 },
            _ => bail!(Corrupted, "a stored combination of features has a part of kind {kind}"),
        })
    }
}

fn kind_number(kind: CtrKind) -> u8 {
    CtrKind::ALL.iter().position(|(known, _)| *known == kind).unwrap_or(0) as u8
}

/// Lists one after another, and where each begins and ends.
fn flat<'a, T: Copy + 'a>(lists: impl Iterator<Item = &'a [T]>) -> (Vec<u32>, Vec<T>) {
    let (mut bounds, mut all) = (vec![0], Vec::new());
    for list in lists {
        all.extend_from_slice(list);
        bounds.push(all.len() as u32);
    }
    (bounds, all)
}

/// The `n` lists again.
fn unflat<'a, T: pgml_core::parts::Element>(
    parts: &'a Parts,
    bounds: &str,
    values: &str,
    n: usize,
) -> Result<Vec<&'a [T]>> {
    let bounds = parts.array_of::<u32>(bounds, n + 1)?;
    let values_of = parts.array::<T>(values)?;
    if bounds[0] != 0 || bounds[n] as usize != values_of.len() {
        bail!(Corrupted, "stored lists \"{values}\" are not as long as their bounds say");
    }
    let list = |pair: &[u32]| {
        let slice = values_of.get(pair[0] as usize..pair[1] as usize);
        slice.ok_or_else(|| Error::new(ErrorKind::Corrupted, format!("stored lists \"{values}\" overlap")))
    };
    bounds.windows(2).map(list).collect()
}
