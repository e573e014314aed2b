//! Reading a model that LightGBM saved as text, versions 2 to 4.

use std::collections::BTreeMap;
use std::str::FromStr;

use pgml_core::estimator::Imported;
use pgml_core::{Error, ErrorKind, Result, Task, bail};
use serde_json::{Map, Value};

use super::model::LightgbmModel;
use super::objective;
use crate::trees::{FlatBuilder, MAX_OUTPUTS, SourceNode, SourceTree, Test};

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<Imported<LightgbmModel>> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_a_model())?;
    if text.lines().next().map(str::trim) != Some("tree") {
        return Err(not_a_model());
    }
    let mut blocks = text.split("\nTree=");
    let header = Block::read(blocks.next().unwrap_or_default());
    let n_features = header.number::<usize>("max_feature_idx")?.saturating_add(1);
    let n_outputs = header.number::<usize>("num_tree_per_iteration")?;
    if n_outputs == 0 || n_outputs > MAX_OUTPUTS {
        bail!(Corrupted, "the model has {n_outputs} scores per row");
    }
    let mut builder = FlatBuilder::new(n_features, 1, n_outputs);
    let mut n_trees = 0_usize;
    for (t, block) in blocks.enumerate() {
        builder.push(&source_tree(&Block::read(block), t % n_outputs)?)?;
        n_trees += 1;
    }
    let (name, task, link) = objective::of_model(header.find("objective").unwrap_or_default())?;
    let averaged = header.find("average_output").is_some();
    let n_classes = if task == Task::Classification { n_outputs.max(2) } else { 0 };
    let model = LightgbmModel {
        forest: builder.finish()?,
        link,
        divisor: if averaged { (n_trees / n_outputs).max(1) as f64 } else { 1.0 },
        n_classes,
    };
    let names = header.find("feature_names").unwrap_or_default().split(' ').filter(|n| !n.is_empty());
    let hyperparams = Map::from_iter([("objective".to_owned(), Value::from(name))]);
    Ok(Imported {
        model: model.checked()?,
        task,
        n_classes,
        feature_names: names.map(str::to_owned).collect(),
        hyperparams,
    })
}

fn not_a_model() -> Error {
    Error::new(ErrorKind::Corrupted, "this is no LightGBM model as text")
        .with_hint("save it with booster.save_model(\"model.txt\") or booster.model_to_string()")
}

/// Lines `key=value` up to an empty one.
struct Block<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Block<'a> {
    fn read(text: &'a str) -> Self {
        let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("end of trees"));
        Self(lines.map(|line| line.split_once('=').unwrap_or((line, ""))).collect())
    }

    fn find(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.find(key).unwrap_or_default();
        text.parse().map_err(|_| Error::new(ErrorKind::Corrupted, format!("{key}={text:?} of the model is no number")))
    }

    fn numbers<T: FromStr>(&self, key: &str, len: usize) -> Result<Vec<T>> {
        let words = self.find(key).unwrap_or_default().split_whitespace();
        let numbers: Option<Vec<T>> = words.map(|word| word.parse().ok()).collect();
        match numbers {
            Some(numbers) if numbers.len() == len => Ok(numbers),
            Some(numbers) => bail!(Corrupted, "\"{key}\" of a tree has {} values, not {len}", numbers.len()),
            None => bail!(Corrupted, "\"{key}\" of a tree has a value that is no number"),
        }
    }
}

fn source_tree(block: &Block<'_>, output: usize) -> Result<SourceTree<f64, f64>> {
    if block.find("is_linear").is_some_and(|flag| flag != "0") {
        bail!(NotSupported, "LightGBM models with linear_tree cannot be read");
    }
    let n_leaves = block.number::<usize>("num_leaves")?;
    let values = block.numbers::<f64>("leaf_value", n_leaves)?;
    if n_leaves <= 1 {
        return Ok(SourceTree { nodes: vec![SourceNode::Leaf(0)], values, output, covers: vec![0.0] });
    }
    let splits = Splits::read(block, n_leaves - 1)?;
    let mut nodes = (0..n_leaves - 1).map(|node| splits.node(node)).collect::<Result<Vec<_>>>()?;
    nodes.extend((0..n_leaves as u32).map(SourceNode::Leaf));
    // Counts of rows, as LightGBM's own explanations take them; files of old versions may lack them.
    let inner = block.numbers::<f32>("internal_count", n_leaves - 1);
    let leaves = block.numbers::<f32>("leaf_count", n_leaves);
    let covers = inner.and_then(|inner| Ok([inner, leaves?].concat())).unwrap_or_default();
    Ok(SourceTree { nodes, values, output, covers })
}

/// The arrays of one tree's inner nodes.
struct Splits {
    features: Vec<u32>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    left: Vec<i32>,
    right: Vec<i32>,
    set_bounds: Vec<usize>,
    set_words: Vec<u32>,
}

/// Bits of a decision type.
const IS_CATEGORY: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

impl Splits {
    fn read(block: &Block<'_>, n: usize) -> Result<Self> {
        let n_sets = block.number::<usize>("num_cat").unwrap_or(0);
        let set_bounds =
            if n_sets > 0 { block.numbers("cat_boundaries", n_sets.saturating_add(1))? } else { Vec::new() };
        Ok(Self {
            features: block.numbers("split_feature", n)?,
            thresholds: block.numbers("threshold", n)?,
            decisions: block.numbers("decision_type", n)?,
            left: block.numbers("left_child", n)?,
            right: block.numbers("right_child", n)?,
            set_words: block.numbers("cat_threshold", set_bounds.last().copied().unwrap_or(0))?,
            set_bounds,
        })
    }

    fn node(&self, node: usize) -> Result<SourceNode<f64>> {
        let (decision, threshold) = (self.decisions[node], self.thresholds[node]);
        let default_left = decision & DEFAULT_LEFT != 0;
        let (test, missing_left) = if decision & IS_CATEGORY != 0 {
            (Test::LeftIfIn(self.set(threshold)?), false)
        } else {
            match decision >> 2 & 3 {
                // Missing values count as 0 where training saw none.
                0 => (Test::AtMost(threshold), threshold >= 0.0),
                1 => (Test::AtMostZeroMissing(threshold), default_left),
                2 => (Test::AtMost(threshold), default_left),
                kind => bail!(Corrupted, "unknown kind {kind} of missing values"),
            }
        };
        Ok(SourceNode::Split {
            feature: self.features[node],
            test,
            missing_left,
            left: self.child(self.left[node]),
            right: self.child(self.right[node]),
        })
    }

    /// Leaves are numbered from -1 downwards; here they follow the inner nodes.
    fn child(&self, child: i32) -> u32 {
        if child >= 0 { child as u32 } else { (self.left.len() as u32).saturating_add(!child as u32) }
    }

    fn set(&self, threshold: f64) -> Result<Vec<u32>> {
        let at = threshold as usize;
        let words =
            self.set_bounds.get(at).zip(self.set_bounds.get(at + 1)).and_then(|(a, b)| self.set_words.get(*a..*b));
        match words {
            Some(words) if threshold >= 0.0 => Ok(words.to_vec()),
            _ => bail!(Corrupted, "category set {threshold} of {}", self.set_bounds.len()),
        }
    }
}
