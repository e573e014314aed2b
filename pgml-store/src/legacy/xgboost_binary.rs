//! XGBoost's old binary model format, as its JSON format.
//!
//! PostgresML stored what XGBoost 1.6 to 2.0 wrote to a file without a known ending: the format that begins with `binf`
//! and that XGBoost 3.1 stopped reading. It is a dump of C structures, little-endian (`src/learner.cc`,
//! `src/gbm/gbtree_model.h` and `include/xgboost/tree_model.h` of XGBoost 2.0):
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `binf` |
//! | 136 | base score (f32), features, classes, whether attributes follow, whether metrics follow, version (2), targets, … |
//! | 8 + n, 8 + n | name of the objective, name of the booster |
//! | 160 | number of trees, trees per round, …; then the trees |
//! | 148 | per tree: …, number of nodes, number of deleted nodes, …; then the nodes |
//! | 20 | per node: parent, left, right, feature with the default direction in the highest bit, threshold or leaf |
//! | 16 | per node, after all nodes: gain, hessian, weight, … |
//! | 4 | per tree, after all trees: the class it votes for |
//! | 8 + 4 n | dart only: the weight of each tree |
//! | 8 + … | attributes as pairs of texts; the objective's parameters are one |

use pgml_core::{Error, ErrorKind, Result, bail};
use serde_json::{Value, json};

const MAGIC: &[u8] = b"binf";
const LEARNER_BYTES: usize = 136;
const MODEL_BYTES: usize = 160;
const TREE_BYTES: usize = 148;
const DEFAULT_LEFT: u32 = 1 << 31;

/// Whether `bytes` are in this format.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The model in XGBoost's JSON format.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the bytes break off or make no sense; [`ErrorKind::NotSupported`] for linear boosters.
pub(crate) fn to_json(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader { bytes, at: MAGIC.len() };
    let learner = Learner::read(&mut reader)?;
    let (objective, booster) = (reader.text()?, reader.text()?);
    if !matches!(booster.as_str(), "gbtree" | "dart") {
        bail!(
            NotSupported,
            "the stored XGBoost model has the booster \"{booster}\", but only tree boosters can be read"
        );
    }
    let trees = trees(&mut reader, learner.n_features)?;
    let weights = if booster == "dart" { Some(reader.floats()?) } else { None };
    let attributes = if learner.has_attributes { reader.pairs()? } else { Vec::new() };
    Ok(json!({
        "version": learner.version,
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "learner_model_param": learner.json(),
            "objective": objective_json(&objective, &attributes),
            "gradient_booster": booster_json(trees, weights),
        },
    }))
}

struct Learner {
    base_score: f32,
    n_features: u32,
    n_classes: u32,
    has_attributes: bool,
    version: [u32; 3],
}

impl Learner {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut header = Reader { bytes: reader.take(LEARNER_BYTES)?, at: 0 };
        let (base_score, n_features, n_classes) = (header.f32()?, header.u32()?, header.u32()?);
        let (attributes, _metrics) = (header.u32()?, header.u32()?);
        let (major, minor, targets) = (header.u32()?, header.u32()?, header.u32()?);
        if targets > 1 {
            bail!(
                NotSupported,
                "the stored XGBoost model has {targets} targets, which its binary format does not tell apart"
            );
        }
        Ok(Self { base_score, n_features, n_classes, has_attributes: attributes != 0, version: [major, minor, 0] })
    }

    fn json(&self) -> Value {
        json!({
            "base_score": exact(self.base_score).to_string(),
            "boost_from_average": "0",
            "num_class": self.n_classes.to_string(),
            "num_feature": self.n_features.to_string(),
            "num_target": "1",
        })
    }
}

struct Trees {
    per_round: u32,
    trees: Vec<Value>,
    classes: Vec<u32>,
}

fn trees(reader: &mut Reader<'_>, n_features: u32) -> Result<Trees> {
    let mut header = Reader { bytes: reader.take(MODEL_BYTES)?, at: 0 };
    let (n_trees, per_round) = (header.u32()?, header.u32()?.max(1));
    let mut trees = Vec::new();
    for id in 0..n_trees {
        trees.push(tree(reader, id, n_features)?);
    }
    let classes = (0..n_trees).map(|_| reader.u32()).collect::<Result<_>>()?;
    Ok(Trees { per_round, trees, classes })
}

#[derive(Default)]
struct Nodes {
    parents: Vec<i32>,
    left: Vec<i32>,
    right: Vec<i32>,
    features: Vec<u32>,
    default_left: Vec<u8>,
    values: Vec<Value>,
}

fn tree(reader: &mut Reader<'_>, id: u32, n_features: u32) -> Result<Value> {
    let mut header = Reader { bytes: reader.take(TREE_BYTES)?, at: 0 };
    let (_roots, n_nodes, n_deleted) = (header.u32()?, header.u32()?, header.u32()?);
    let mut nodes = Nodes::default();
    for _ in 0..n_nodes {
        nodes.push(reader)?;
    }
    let (mut gains, mut hessians, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n_nodes {
        gains.push(finite(reader.f32()?));
        hessians.push(finite(reader.f32()?));
        weights.push(finite(reader.f32()?));
        reader.u32()?;
    }
    let count = n_nodes as usize;
    Ok(json!({
        "id": id,
        "base_weights": weights,
        "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
        "default_left": nodes.default_left,
        "left_children": nodes.left,
        "loss_changes": gains,
        "parents": nodes.parents,
        "right_children": nodes.right,
        "split_conditions": nodes.values,
        "split_indices": nodes.features,
        "split_type": vec![0; count],
        "sum_hessian": hessians,
        "tree_param": {
            "num_deleted": n_deleted.to_string(),
            "num_feature": n_features.to_string(),
            "num_nodes": n_nodes.to_string(),
            "size_leaf_vector": "1",
        },
    }))
}

impl Nodes {
    fn push(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        // The highest bit tells which child of its parent this is; the root's parent is -1, in JSON 2147483647.
        self.parents.push((reader.u32()? & !DEFAULT_LEFT) as i32);
        self.left.push(reader.u32()? as i32);
        self.right.push(reader.u32()? as i32);
        let feature = reader.u32()?;
        self.features.push(feature & !DEFAULT_LEFT);
        self.default_left.push(u8::from(feature & DEFAULT_LEFT != 0));
        self.values.push(finite(reader.f32()?));
        Ok(())
    }
}

fn booster_json(trees: Trees, weights: Option<Vec<Value>>) -> Value {
    let model = json!({
        "gbtree_model_param": {
            "num_parallel_tree": trees.per_round.to_string(),
            "num_trees": trees.trees.len().to_string(),
        },
        "trees": trees.trees,
        "tree_info": trees.classes,
    });
    match weights {
        None => json!({"name": "gbtree", "model": model}),
        Some(weights) => {
            json!({"name": "dart", "gbtree": {"name": "gbtree", "model": model}, "weight_drop": weights})
        }
    }
}

/// The objective as the attributes tell it, under its present name, or else by the name it was asked for with.
fn objective_json(name: &str, attributes: &[(String, String)]) -> Value {
    let stored = attributes.iter().find(|(key, _)| key == "objective");
    let parsed = stored.and_then(|(_, text)| serde_json::from_str::<Value>(text).ok());
    let name = name.trim_start_matches("gpu:");
    let name = if name == "reg:linear" { "reg:squarederror" } else { name };
    parsed.filter(Value::is_object).unwrap_or_else(|| json!({"name": name}))
}

/// Every f32 is an f64, whose shortest text reads back as the same f32.
fn exact(value: f32) -> f64 {
    f64::from(value)
}

fn finite(value: f32) -> Value {
    json!(exact(value))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..n)).ok_or_else(|| self.truncated())?;
        self.at += n;
        Ok(taken)
    }

    fn truncated(&self) -> Error {
        Error::new(ErrorKind::Corrupted, format!("the stored XGBoost model breaks off at byte {}", self.at))
    }

    fn word<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.truncated())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.word()?))
    }

    fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_le_bytes(self.word()?))
    }

    fn length(&mut self) -> Result<usize> {
        usize::try_from(u64::from_le_bytes(self.word()?)).map_err(|_| self.truncated())
    }

    fn text(&mut self) -> Result<String> {
        let length = self.length()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn floats(&mut self) -> Result<Vec<Value>> {
        let length = self.length()?;
        let mut bytes = Reader { bytes: self.take(length.saturating_mul(4))?, at: 0 };
        (0..length).map(|_| bytes.f32().map(finite)).collect()
    }

    fn pairs(&mut self) -> Result<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for _ in 0..self.length()? {
            pairs.push((self.text()?, self.text()?));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Models that XGBoost 2.1.4 saved in both formats (tests/golden/legacy_xgboost.py).
    fn golden() -> serde_json::Map<String, Value> {
        let text = include_str!("../../../tests/golden/legacy_xgboost.json");
        serde_json::from_str(text).expect("JSON")
    }

    fn binary(case: &Value) -> Vec<u8> {
        let hex = case["binary"].as_str().expect("a text");
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    /// Numbers as the f32 that they stand for, so that both ways of writing them are equal.
    fn normal(value: &Value) -> Value {
        match value {
            Value::Number(x) => json!((x.as_f64().expect("a number") as f32).to_bits()),
            Value::Array(items) => items.iter().map(normal).collect(),
            Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn the_binary_format_says_what_xgboosts_json_says() {
        for (name, case) in golden() {
            let read = to_json(&binary(&case)).expect(&name);
            let (ours, theirs) = (&read["learner"], &case["json"]["learner"]);
            let model = |learner: &Value| {
                let booster = &learner["gradient_booster"];
                let model = if booster["name"] == "dart" { &booster["gbtree"]["model"] } else { &booster["model"] };
                normal(&json!([
                    booster["name"],
                    booster["weight_drop"],
                    model["trees"],
                    model["tree_info"],
                    model["gbtree_model_param"]
                ]))
            };
            assert_eq!(model(ours), model(theirs), "{name}");
            assert_eq!(ours["objective"]["name"], theirs["objective"]["name"], "{name}");
            let param = |learner: &Value, key: &str| learner["learner_model_param"][key].clone();
            for key in ["num_class", "num_feature", "num_target"] {
                assert_eq!(param(ours, key), param(theirs, key), "{name}: {key}");
            }
            let base = |learner: &Value| param(learner, "base_score").as_str().and_then(|x| x.parse::<f32>().ok());
            assert_eq!(base(ours), base(theirs), "{name}");
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = binary(&golden()["dart"]);
        for length in MAGIC.len()..bytes.len() {
            assert!(to_json(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_makes_the_reader_panic(at in 0_usize..100_000, byte in any::<u8>()) {
            let mut bytes = binary(&golden()["regression"]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = to_json(&bytes);
        }
    }
}
