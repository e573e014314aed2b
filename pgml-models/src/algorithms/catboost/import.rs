//! Models that CatBoost saved as JSON.
//!
//! Categories of the original are texts; of those that it was given as integers the hash is that of their digits, so such
//! models predict the same here from the same numbers.

use std::collections::HashMap;

use pgml_core::estimator::Imported;
use pgml_core::{Error, ErrorKind, Hyperparams, Result, Task, bail};
use serde_json::{Map, Value};

use super::columns::{Columns, CtrBins, FloatBins, OneHotBin, Part};
use super::ctr_info::CtrKind;
use super::forest::{Forest, MOST_LEVELS};
use super::model::CatboostModel;
use super::params::CatboostParams;
use super::projection::Numbering;
use super::table::{Reading, Table};
use crate::foreign::document::Document;

/// Losses whose scores are predictions as they are.
const REGRESSIONS: [&str; 8] = ["RMSE", "MAE", "Quantile", "MultiRMSE", "Huber", "Lq", "Expectile", "MAPE"];

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<Imported<CatboostModel>> {
    let file = Document::from_json(bytes)?;
    let Some(trees) = file.find("oblivious_trees") else {
        bail!(NotSupported, "the file has no symmetric trees; other CatBoost models are not supported");
    };
    let trees = items(trees);
    let features = Features::read(file.get("features_info")?)?;
    let (columns, places) = columns(file.get("features_info")?, &features, file.find("ctr_data"))?;
    let (scale, start) = scale_and_bias(&file)?;
    let forest = forest(trees, &places, scale, start)?;
    let params = file.get("model_info")?.find("params");
    let (task, n_classes) = task(params, forest.dims)?;
    let n_features = features.names.len();
    let model = CatboostModel { n_features, n_classes, columns, forest, best_iteration: None }.checked()?;
    Ok(Imported { model, task, n_classes, feature_names: features.names, hyperparams: hyperparams(params) })
}

/// Where the features of each kind are among all.
struct Features {
    names: Vec<String>,
    floats: Vec<u32>,
    nan_above: Vec<bool>,
    cats: Vec<u32>,
}

impl Features {
    fn read(info: &Document) -> Result<Self> {
        for kind in ["text_features", "embedding_features"] {
            if info.find(kind).is_some_and(|list| !items(list).is_empty()) {
                bail!(NotSupported, "CatBoost models with {kind} are not supported");
            }
        }
        let (mut named, mut floats, mut nan_above, mut cats) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        for (key, of_kind) in [("float_features", &mut floats), ("categorical_features", &mut cats)] {
            for feature in info.find(key).map(items).unwrap_or_default() {
                let flat = feature.count("flat_feature_index")?;
                let name = match feature.find("feature_id") {
                    Some(Document::Text(name)) if !name.is_empty() => name.clone(),
                    _ => flat.to_string(),
                };
                if named.insert(flat, name).is_some() || flat >= 1 << 24 {
                    bail!(Corrupted, "the model has feature {flat} twice or has too many");
                }
                of_kind.push(flat as u32);
                if key == "float_features" {
                    nan_above.push(feature.find("nan_value_treatment") == Some(&Document::Text("AsTrue".to_owned())));
                }
            }
        }
        let n_features = named.keys().max().map_or(0, |most| most + 1);
        let name = |at| named.remove(&at).unwrap_or_else(|| at.to_string());
        Ok(Self { names: (0..n_features).map(name).collect(), floats, nan_above, cats })
    }

    fn float(&self, at: usize) -> Result<(u32, bool)> {
        match (self.floats.get(at), self.nan_above.get(at)) {
            (Some(feature), Some(nan_above)) => Ok((*feature, *nan_above)),
            _ => bail!(Corrupted, "the model asks for numeric feature {at}, which it does not have"),
        }
    }

    fn cat(&self, at: usize) -> Result<u32> {
        let feature = self.cats.get(at).copied();
        feature
            .ok_or_else(|| corrupted(&format!("the model asks for categorical feature {at}, which it does not have")))
    }
}

/// The columns, and for each split by its number the column and the bin that it asks for.
fn columns(info: &Document, features: &Features, data: Option<&Document>) -> Result<(Columns, Vec<(u32, u8)>)> {
    let (mut columns, mut places) = (Columns::default(), Vec::new());
    for (at, feature) in info.find("float_features").map(items).unwrap_or_default().iter().enumerate() {
        let (feature_at, nan_above) = features.float(at)?;
        let borders: Vec<f32> = feature.numbers("borders")?.iter().map(|x| *x as f32).collect();
        if borders.len() > 255 {
            bail!(NotSupported, "a feature has {} borders; at most 255 are supported", borders.len());
        }
        let column = columns.floats.len() as u32;
        places.extend((0..borders.len()).map(|bin| (column, bin as u8)));
        columns.floats.push(FloatBins { feature: feature_at, nan_above, borders });
    }
    for (at, feature) in info.find("categorical_features").map(items).unwrap_or_default().iter().enumerate() {
        let Some(values) = feature.find("values") else { continue };
        for value in numbers(values)? {
            places.push(((columns.floats.len() + columns.one_hots.len()) as u32, 0));
            columns.one_hots.push(OneHotBin { feature: features.cat(at)?, hash: *value as i64 as u32 });
        }
    }
    let mut tables = HashMap::new();
    for ctr in info.find("ctrs").map(items).unwrap_or_default() {
        let column = columns.len() as u32;
        let borders: Vec<f32> = ctr.numbers("borders")?.iter().map(|x| *x as f32).collect();
        places.extend((0..borders.len().min(255)).map(|bin| (column, bin as u8)));
        let identifier = ctr.text("identifier")?;
        let table = match tables.get(identifier) {
            Some(table) => *table,
            None => {
                let table = data
                    .and_then(|data| data.find(identifier))
                    .ok_or_else(|| corrupted("the model has no counts for one of its target statistics"))?;
                columns.tables.push(read_table(table, ctr.text("ctr_type")?)?);
                columns.projections.push(projection(ctr, features)?);
                tables.insert(identifier.to_owned(), columns.tables.len() as u32 - 1);
                columns.tables.len() as u32 - 1
            }
        };
        let number = |key: &str| single(ctr, key);
        let reading = Reading {
            target: ctr.count("target_border_idx")? as u32,
            prior: number("prior_numerator")?,
            prior_denominator: number("prior_denomerator")?,
            shift: number("shift")?,
            scale: number("scale")?,
        };
        columns.ctrs.push(CtrBins { projection: table, table, reading, borders });
    }
    Ok((columns, places))
}

/// What is combined: first categories, then splits by numbers, then by categories, the order of the hash.
fn projection(ctr: &Document, features: &Features) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for element in ctr.list("elements")? {
        parts.push(match element.text("combination_element")? {
            "cat_feature_value" => (0, Part::Category { feature: features.cat(element.count("cat_feature_index")?)? }),
            "float_feature" => {
                let (feature, nan_above) = features.float(element.count("float_feature_index")?)?;
                (1, Part::Above { feature, border: single(element, "border")?, nan_above })
            }
            "cat_feature_exact_value" => {
                let feature = features.cat(element.count("cat_feature_index")?)?;
                let Document::Number(value) = element.get("value")? else {
                    bail!(Corrupted, "a category of the model is no number");
                };
                (2, Part::Is { feature, hash: *value as i64 as u32 })
            }
            other => bail!(NotSupported, "target statistics of CatBoost with \"{other}\" are not supported"),
        });
    }
    parts.sort_by_key(|(kind, _)| *kind);
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

/// Counts: rows of a hash as text and its numbers. A place without a hash holds the greatest number.
fn read_table(table: &Document, kind: &str) -> Result<Table> {
    let Some(kind) = CtrKind::named(kind) else {
        bail!(NotSupported, "target statistics of type {kind} are not supported");
    };
    let (stride, cells) = (table.count("hash_stride")?, items(table.get("hash_map")?));
    if stride < 2 || cells.len() % stride != 0 {
        bail!(Corrupted, "a table of target statistics does not end with its last row");
    }
    let mut numbering = Numbering::with_capacity(cells.len() / stride);
    let mut numbers = Vec::with_capacity(cells.len());
    for row in cells.chunks_exact(stride) {
        let hash: Option<u64> = if let Document::Text(text) = &row[0] { text.parse().ok() } else { None };
        let hash = hash.ok_or_else(|| corrupted("a table of target statistics has a key that is no hash"))?;
        if hash == u64::MAX {
            continue;
        }
        if numbering.number(hash) as usize * (stride - 1) != numbers.len() {
            bail!(Corrupted, "a table of target statistics repeats a hash");
        }
        for cell in &row[1..] {
            let Document::Number(x) = cell else { bail!(Corrupted, "a count of a target statistic is no number") };
            numbers.push(*x as f32);
        }
    }
    let denominator = table.count("counter_denominator")? as f32;
    Ok(Table { kind, numbering, width: stride - 1, numbers, denominator })
}

fn forest(trees: &[Document], places: &[(u32, u8)], scale: f64, start: Vec<f64>) -> Result<Forest> {
    let dims = match trees.first() {
        Some(tree) => tree.numbers("leaf_values")?.len() >> splits(tree).len().min(MOST_LEVELS),
        None => start.len(),
    };
    // One start serves all dimensions where the file tells only one.
    let start = if start.len() == dims { start } else { vec![start.first().copied().unwrap_or(0.0); dims] };
    let mut forest = Forest { dims, scale, start, ..Forest::default() };
    for tree in trees {
        let splits = splits(tree);
        if splits.len() > MOST_LEVELS {
            bail!(NotSupported, "a tree has {} levels; at most {MOST_LEVELS} are supported", splits.len());
        }
        forest.depths.push(splits.len() as u8);
        for split in splits {
            let Some((column, bin)) = places.get(split.count("split_index")?) else {
                bail!(Corrupted, "a split of the model is by a border that it does not have");
            };
            forest.split_columns.push(*column);
            forest.split_bins.push(*bin);
        }
        forest.leaf_values.extend_from_slice(tree.numbers("leaf_values")?);
        match tree.find("leaf_weights") {
            Some(weights) => forest.leaf_covers.extend_from_slice(numbers(weights)?),
            None => forest.leaf_covers.resize(forest.leaf_covers.len() + (1 << splits.len()), 0.0),
        }
    }
    Ok(forest)
}

fn splits(tree: &Document) -> &[Document] {
    tree.find("splits").map(items).unwrap_or_default()
}

/// A factor and what is added: a number, or one per dimension.
fn scale_and_bias(file: &Document) -> Result<(f64, Vec<f64>)> {
    match file.find("scale_and_bias") {
        None => Ok((1.0, vec![0.0])),
        Some(Document::Numbers(pair)) if pair.len() == 2 => Ok((pair[0], vec![pair[1]])),
        Some(Document::List(pair)) => match pair.as_slice() {
            [Document::Number(scale), Document::Numbers(bias)] => Ok((*scale, bias.clone())),
            _ => bail!(Corrupted, "the model's scale and bias are malformed"),
        },
        Some(_) => bail!(Corrupted, "the model's scale and bias are malformed"),
    }
}

fn task(params: Option<&Document>, dims: usize) -> Result<(Task, usize)> {
    let loss = params.and_then(|params| params.find("loss_function")).map(|loss| loss.text("type")).transpose()?;
    match loss {
        Some("Logloss" | "CrossEntropy") => Ok((Task::Classification, 2)),
        Some("MultiClass") => Ok((Task::Classification, dims)),
        Some(name) if REGRESSIONS.contains(&name) => Ok((Task::Regression, 0)),
        Some(name) => bail!(NotSupported, "CatBoost models for {name} are not supported"),
        None => bail!(Corrupted, "the model does not tell what it was trained for"),
    }
}

/// The parameters that were given to the original and are known here.
fn hyperparams(params: Option<&Document>) -> Map<String, Value> {
    let Some(Document::Object(given)) = params.and_then(|params| params.find("flat_params")) else { return Map::new() };
    let known = |(name, value): &(String, Document)| {
        let spec = CatboostParams::specs().iter().find(|s| s.name == name || s.aliases.contains(&name.as_str()))?;
        let value = match value {
            Document::Number(x) => Value::from(*x),
            Document::Text(text) => Value::from(text.as_str()),
            _ => return None,
        };
        let given = Map::from_iter([(spec.name.to_owned(), value)]);
        let read = CatboostParams::from_json("catboost", &given).ok()?.to_json();
        Some((spec.name.to_owned(), read.get(spec.name)?.clone()))
    };
    given.iter().filter_map(known).collect()
}

fn items(list: &Document) -> &[Document] {
    if let Document::List(items) = list { items } else { &[] }
}

fn numbers(list: &Document) -> Result<&[f64]> {
    if let Document::Numbers(numbers) = list {
        Ok(numbers)
    } else {
        bail!(Corrupted, "a list of the model holds no numbers")
    }
}

fn single(of: &Document, key: &str) -> Result<f32> {
    match of.get(key)? {
        Document::Number(x) => Ok(*x as f32),
        _ => bail!(Corrupted, "\"{key}\" of the model is no number"),
    }
}

fn corrupted(message: &str) -> Error {
    Error::new(ErrorKind::Corrupted, message.to_owned())
}
