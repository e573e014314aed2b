//! Reading a model that XGBoost saved, as JSON or UBJSON, versions 1.0 to 3.x.

use pgml_core::estimator::Imported;
use pgml_core::{Error, ErrorKind, Result, Task, bail};
use serde_json::{Map, Value};

use super::model::{Body, XgboostModel};
use super::objective;
use crate::foreign::document::Document;
use crate::foreign::ubjson;
use crate::trees::{FlatBuilder, FlatForest, MAX_OUTPUTS, SourceNode, SourceTree, Test};

/// Reads a model. `rounds` keeps only the first so many boosting rounds.
pub(super) fn read(bytes: &[u8], rounds: Option<usize>) -> Result<Imported<XgboostModel>> {
    let document = parse(bytes)?;
    // A serialised booster (pickle's content) wraps the model.
    let document = document.find("Model").unwrap_or(&document);
    let learner = document.get("learner")?;
    let name = objective_name(learner)?;
    let param = learner.get("learner_model_param")?;
    let (n_features, n_outputs) = (param.count("num_feature")?, n_outputs(param)?);
    let rounds = rounds.or_else(|| best_round(learner));
    let body = body(learner.get("gradient_booster")?, n_features, n_outputs, rounds)?;
    let mut base = base_margins(name, base_scores(param)?, n_outputs)?;
    if matches!(body, Body::Linear(_)) {
        // The linear booster of 3.2 starts every output from the first one's score, in training too.
        base = vec![base[0]; n_outputs];
    }
    let task = objective::task_of(name)?;
    let n_classes = if task == Task::Classification { n_outputs.max(2) } else { 0 };
    let model = XgboostModel {
        body,
        base,
        objective: name.to_owned(),
        link: objective::link_of(name)?,
        n_features,
        n_classes,
        missing: None,
    };
    let hyperparams = Map::from_iter([("objective".to_owned(), Value::from(name))]);
    Ok(Imported {
        model: model.checked()?,
        task,
        n_classes,
        feature_names: learner.texts("feature_names"),
        hyperparams,
    })
}

fn parse(bytes: &[u8]) -> Result<Document> {
    let start = bytes.trim_ascii_start();
    match start {
        [b'{', next, ..] if b"\"} \t\r\n".contains(next) => Document::from_json(bytes),
        [b'{', ..] => ubjson::read(bytes),
        _ => Err(Error::new(ErrorKind::Corrupted, "this is no XGBoost model in JSON or UBJSON")
            .with_hint("save it with booster.save_model(\"model.ubj\") or booster.save_raw(\"ubj\")")),
    }
}

fn objective_name(learner: &Document) -> Result<&str> {
    Ok(match learner.get("objective")?.text("name")? {
        "reg:linear" => "reg:squarederror",
        name => name,
    })
}

fn n_outputs(param: &Document) -> Result<usize> {
    let n_outputs = param.count("num_class")?.max(param.count("num_target")?).max(1);
    if n_outputs > MAX_OUTPUTS {
        bail!(Corrupted, "the model has {n_outputs} outputs, more than {MAX_OUTPUTS}");
    }
    Ok(n_outputs)
}

/// scikit-learn's interface predicts with the best round after early stopping; only it leaves this mark.
fn best_round(learner: &Document) -> Option<usize> {
    let attributes = learner.find("attributes")?;
    attributes.find("scikit_learn")?;
    attributes.text("best_iteration").ok()?.parse::<usize>().ok()?.checked_add(1)
}

/// One score until version 3.0, later one per output in brackets.
fn base_scores(param: &Document) -> Result<Vec<f32>> {
    let text = param.text("base_score")?;
    let scores = text.trim_matches(|c| c == '[' || c == ']').split(',').map(|score| score.trim().parse::<f32>());
    scores
        .collect::<Result<_, _>>()
        .map_err(|e| Error::new(ErrorKind::Corrupted, format!("base_score {text:?} of the model is no number: {e}")))
}

fn base_margins(objective: &str, scores: Vec<f32>, n_outputs: usize) -> Result<Vec<f32>> {
    let scores = match scores.as_slice() {
        [one] => vec![*one; n_outputs],
        several if several.len() == n_outputs => scores,
        _ => bail!(Corrupted, "the model has {} base scores for {n_outputs} outputs", scores.len()),
    };
    scores.into_iter().map(|score| objective::base_margin(objective, score)).collect()
}

fn body(booster: &Document, n_features: usize, n_outputs: usize, rounds: Option<usize>) -> Result<Body> {
    match booster.text("name")? {
        "gbtree" => forest(booster.get("model")?, None, n_features, n_outputs, rounds).map(Body::Trees),
        "dart" => {
            let weights = Some(booster.numbers("weight_drop")?);
            forest(booster.get("gbtree")?.get("model")?, weights, n_features, n_outputs, rounds).map(Body::Trees)
        }
        "gblinear" => {
            let weights = booster.get("model")?.numbers("weights")?;
            Ok(Body::Linear(weights.iter().map(|w| *w as f32).collect()))
        }
        other => bail!(NotSupported, "the booster \"{other}\" of the model is not known"),
    }
}

fn forest(
    model: &Document,
    weights: Option<&[f64]>,
    n_features: usize,
    n_outputs: usize,
    rounds: Option<usize>,
) -> Result<FlatForest<f32, f32>> {
    let trees = model.list("trees")?;
    let outputs = model.numbers("tree_info")?;
    if outputs.len() != trees.len() || weights.is_some_and(|w| w.len() != trees.len()) {
        bail!(Corrupted, "the model has {} trees, but {} entries of tree_info", trees.len(), outputs.len());
    }
    let width = trees.first().map_or(Ok(1), leaf_width)?;
    let mut builder = FlatBuilder::new(n_features, width, n_outputs);
    for (t, tree) in trees.iter().enumerate().take(n_trees(model, rounds, trees.len(), n_outputs / width.max(1))?) {
        if leaf_width(tree)? != width {
            bail!(Corrupted, "tree {t} has leaves of another size");
        }
        let weight = weights.map_or(1.0, |w| w[t] as f32);
        builder.push(&source_tree(tree, width, outputs[t] as usize, weight)?)?;
    }
    builder.finish()
}

fn leaf_width(tree: &Document) -> Result<usize> {
    Ok(tree.get("tree_param")?.count("size_leaf_vector")?.max(1))
}

/// How many trees the first `rounds` rounds made.
fn n_trees(model: &Document, rounds: Option<usize>, all: usize, per_round: usize) -> Result<usize> {
    let Some(rounds) = rounds else { return Ok(all) };
    if let Ok(ends) = model.numbers("iteration_indptr") {
        return Ok(ends.get(rounds).map_or(all, |end| *end as usize));
    }
    // Versions before 2.0 have no such array.
    let parallel = model.get("gbtree_model_param")?.count("num_parallel_tree")?.max(1);
    Ok(rounds.saturating_mul(per_round).saturating_mul(parallel).min(all))
}

/// The arrays of one tree, of equal length.
struct Arrays<'a> {
    left: &'a [f64],
    right: &'a [f64],
    features: &'a [f64],
    conditions: &'a [f64],
    default_left: &'a [f64],
    /// Empty before version 1.5.
    kinds: &'a [f64],
    sets: Vec<Vec<u32>>,
    /// The set of each node that has one.
    set_of: std::collections::BTreeMap<usize, usize>,
}

fn source_tree(tree: &Document, width: usize, output: usize, weight: f32) -> Result<SourceTree<f32, f32>> {
    let arrays = Arrays::read(tree)?;
    let mut values = Vec::new();
    // With several values per leaf, version 3.2 has an array of leaves, earlier ones values for every node.
    let vectors =
        if width == 1 { None } else { tree.numbers("leaf_weights").or_else(|_| tree.numbers("base_weights")).ok() };
    let dense_leaves = tree.find("leaf_weights").is_some_and(|w| *w != Document::Numbers(Vec::new()));
    let mut nodes = Vec::with_capacity(arrays.left.len());
    for node in 0..arrays.left.len() {
        if arrays.left[node] >= 0.0 {
            nodes.push(arrays.split(node)?);
            continue;
        }
        nodes.push(SourceNode::Leaf((values.len() / width) as u32));
        match vectors {
            None => values.push(arrays.conditions[node] as f32 * weight),
            Some(vectors) => {
                let leaf = if dense_leaves { arrays.right[node].max(0.0) as usize } else { node };
                let Some(vector) = leaf.checked_mul(width).and_then(|at| vectors.get(at..)?.get(..width)) else {
                    bail!(Corrupted, "leaf {leaf} of the model has no values");
                };
                values.extend(vector.iter().map(|v| *v as f32 * weight));
            }
        }
    }
    let covers = tree.numbers("sum_hessian").unwrap_or_default();
    let covers = if covers.len() == nodes.len() { covers.iter().map(|h| *h as f32).collect() } else { Vec::new() };
    Ok(SourceTree { nodes, values, output, covers })
}

impl<'a> Arrays<'a> {
    fn read(tree: &'a Document) -> Result<Self> {
        let left = tree.numbers("left_children")?;
        let of_nodes = |key: &str| {
            let numbers = tree.numbers(key)?;
            if numbers.len() != left.len() {
                bail!(Corrupted, "a tree has {} nodes, but {} values of \"{key}\"", left.len(), numbers.len());
            }
            Ok(numbers)
        };
        let (sets, set_of) = category_sets(tree)?;
        Ok(Self {
            left,
            right: of_nodes("right_children")?,
            features: of_nodes("split_indices")?,
            conditions: of_nodes("split_conditions")?,
            default_left: of_nodes("default_left")?,
            kinds: if tree.find("split_type").is_some() { of_nodes("split_type")? } else { &[] },
            sets,
            set_of,
        })
    }

    fn split(&self, node: usize) -> Result<SourceNode<f32>> {
        let test = if self.kinds.get(node).is_some_and(|kind| *kind == 1.0) {
            let Some(set) = self.set_of.get(&node) else {
                bail!(Corrupted, "node {node} splits categories but has none");
            };
            Test::RightIfIn(self.sets[*set].clone())
        } else {
            Test::LessThan(self.conditions[node] as f32)
        };
        Ok(SourceNode::Split {
            // Casts saturate; what is out of range is found when the forest is built.
            feature: (self.features[node] as i64 & 0x7fff_ffff) as u32,
            test,
            missing_left: self.default_left[node] != 0.0,
            left: self.left[node] as u32,
            right: self.right[node] as u32,
        })
    }
}

type CategorySets = (Vec<Vec<u32>>, std::collections::BTreeMap<usize, usize>);

fn category_sets(tree: &Document) -> Result<CategorySets> {
    if tree.find("categories_nodes").is_none() {
        return Ok(CategorySets::default());
    }
    let categories = tree.numbers("categories")?;
    let starts = tree.numbers("categories_segments")?.iter().zip(tree.numbers("categories_sizes")?);
    let mut sets = Vec::new();
    for (start, size) in starts {
        let Some(members) = categories.get(*start as usize..).and_then(|rest| rest.get(..*size as usize)) else {
            bail!(Corrupted, "a category set from {start}, size {size}, of {} categories", categories.len());
        };
        sets.push(bitset(members)?);
    }
    let nodes = tree.numbers("categories_nodes")?.iter().map(|node| *node as usize);
    let set_of = nodes.zip(0..sets.len()).collect();
    Ok((sets, set_of))
}

/// 32 categories per word. The library knows none from 2²⁴ on.
fn bitset(members: &[f64]) -> Result<Vec<u32>> {
    let mut words = Vec::new();
    for &category in members {
        if !(0.0..16_777_216.0).contains(&category) {
            bail!(Corrupted, "{category} is no category");
        }
        let category = category as usize;
        if words.len() <= category / 32 {
            words.resize(category / 32 + 1, 0);
        }
        words[category / 32] |= 1_u32 << (category % 32);
    }
    Ok(words)
}
