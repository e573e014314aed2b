//! Reads the cases that `tests/golden/cases.py` writes, and fits them.

#![allow(dead_code)] // each test program uses its part

pub mod answers;
pub mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pgml_core::{Dataset, Feature, MatrixRef, Model, Run, Task, Values, datasets};
use serde_json::{Map, Value};

/// One comparison with the reference.
pub struct Case {
    /// What is compared.
    pub name: String,
    /// The SQL name.
    pub algorithm: String,
    /// The task.
    pub task: Task,
    /// The hyperparameters.
    pub params: Map<String, Value>,
    /// The rows.
    pub data: Dataset,
    /// What the reference found.
    pub expected: Map<String, Value>,
}

/// The cases of `tests/golden/{file}.json`.
pub fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/../tests/golden/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the golden file is in the repository");
    let list: Vec<Value> = serde_json::from_str(&text).expect("the golden file is JSON");
    list.iter().map(case).collect()
}

/// The cases of a file that are of one algorithm.
pub fn cases_of(file: &str, algorithm: &str) -> Vec<Case> {
    cases(file).into_iter().filter(|case| case.algorithm == algorithm).collect()
}

/// The cases of a file of which the reference tells `key`.
pub fn cases_with(file: &str, key: &str) -> Vec<Case> {
    cases(file).into_iter().filter(|case| case.expected.contains_key(key)).collect()
}

/// Checks every case, and fails with all that differ.
pub fn every(cases: impl IntoIterator<Item = Case>, check: impl Fn(&Case)) {
    let mut failures = Vec::new();
    for case in cases {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&case))) {
            let text = panic.downcast_ref::<String>().cloned();
            failures.push(text.unwrap_or_else(|| format!("{}: panicked", case.name)));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn case(json: &Value) -> Case {
    case_with(json, |_| None)
}

/// The case with the rows that `make` makes of its data, if any.
pub fn case_with(json: &Value, make: impl Fn(&Value) -> Option<Dataset>) -> Case {
    let text = |key: &str| json[key].as_str().expect("a text").to_owned();
    let task: Task = text("task").parse().expect("a task");
    Case {
        name: text("name"),
        algorithm: text("algorithm"),
        task,
        params: json["params"].as_object().expect("an object").clone(),
        data: make(&json["data"]).unwrap_or_else(|| data(&json["data"], task)),
        expected: json["expected"].as_object().expect("an object").clone(),
    }
}

/// The numbers of a (nested) JSON array, flattened; null is NaN.
pub fn numbers(json: &Value) -> Vec<f64> {
    match json {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        Value::Null => vec![f64::NAN],
        other => vec![other.as_f64().expect("a number")],
    }
}

fn data(json: &Value, task: Task) -> Dataset {
    let (mut columns, targets) = if let Some(rows) = json.get("inline") { inline(rows, json) } else { built_in(json) };
    if let Some(shift) = json.get("shift") {
        for (column, shift) in columns.iter_mut().zip(numbers(shift)) {
            column.iter_mut().for_each(|x| *x -= shift);
        }
    }
    if let Some(wanted) = json.get("columns") {
        columns = numbers(wanted).iter().map(|j| columns[*j as usize].clone()).collect();
    }
    if let Some(scale) = json.get("scale") {
        for (column, scale) in columns.iter_mut().zip(numbers(scale)) {
            column.iter_mut().for_each(|x| *x *= scale);
        }
    }
    let n_rows = columns[0].len();
    let features = columns.into_iter().enumerate().map(|(j, c)| Feature::new(format!("x{j}"), c)).collect();
    let mut data = Dataset::new(features).expect("columns of one length");
    match task {
        Task::Regression => {
            for target in targets {
                data = data.with_target(target).expect("a value per row");
            }
        }
        Task::Classification => {
            let n_classes = targets[0].iter().fold(0.0_f64, |a, b| a.max(*b)) as usize + 1;
            data = data.with_classes(targets[0].clone(), n_classes).expect("classes from 0");
        }
        _ => {}
    }
    if let Some(cycle) = json.get("weight_cycle").and_then(Value::as_u64) {
        data = data.with_weight((0..n_rows as u64).map(|i| (1 + i % cycle) as f64).collect()).expect("weights");
    }
    data
}

fn inline(rows: &Value, json: &Value) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let rows: Vec<Vec<f64>> = rows.as_array().expect("rows").iter().map(numbers).collect();
    let columns = (0..rows[0].len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect();
    let targets =
        json.get("targets").map_or_else(Vec::new, |t| t.as_array().expect("targets").iter().map(numbers).collect());
    (columns, targets)
}

fn built_in(json: &Value) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let set = datasets::find(json["builtin"].as_str().expect("a name")).expect("a built-in data set");
    let table = set.table().expect("embedded");
    let n_rows = json.get("rows").and_then(Value::as_u64).map_or(table.n_rows, |n| n as usize);
    let (mut columns, mut targets) = (Vec::new(), Vec::new());
    for column in &table.columns {
        let into = if set.labels.contains(&column.name.as_str()) { &mut targets } else { &mut columns };
        match &column.values {
            Values::Number(values) => into.push(values.iter().take(n_rows).collect()),
            Values::Array(elements) => into.extend(elements.iter().map(|e| e.iter().take(n_rows).collect())),
            Values::Text { .. } => panic!("no text expected in {}", column.name),
        }
    }
    (columns, targets)
}

/// Rows to predict, row-major: about thirty, evenly spread, as `cases.sample` picks them.
pub fn sample(data: &Dataset) -> Vec<f64> {
    let step = (data.n_rows() / 30).max(1);
    let all = data.to_rows();
    all.chunks_exact(data.n_features()).step_by(step).flatten().copied().collect()
}

/// Fits the case.
pub fn fit(case: &Case) -> Box<dyn Model> {
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    algorithm.fit(&case.params, &case.data, case.task, &Run::new()).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

/// The model's predictions of all rows.
pub fn all_predictions(model: &dyn Model, data: &Dataset) -> Vec<f64> {
    let rows = data.to_rows();
    let rows = MatrixRef::new(&rows, data.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * model.n_outputs()];
    model.predict_into(rows, &mut out).expect("predicts");
    out
}

/// The model's predictions of the sampled rows.
pub fn predictions(model: &dyn Model, data: &Dataset) -> Vec<f64> {
    let rows = sample(data);
    let rows = MatrixRef::new(&rows, data.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * model.n_outputs()];
    model.predict_into(rows, &mut out).expect("predicts");
    out
}

/// The model's class probabilities of the sampled rows.
pub fn probabilities(model: &dyn Model, data: &Dataset) -> Vec<f64> {
    let rows = sample(data);
    let rows = MatrixRef::new(&rows, data.n_features()).expect("whole rows");
    let classifier = model.classifier().expect("has probabilities");
    let mut out = vec![0.0; rows.n_rows() * classifier.n_classes()];
    classifier.predict_proba_into(rows, &mut out).expect("predicts");
    out
}

/// Fails when a value differs from the reference by more than `relative` of it, where `floor` times the largest
/// reference value stands in for values near zero.
pub fn assert_close(what: &str, ours: &[f64], reference: &[f64], relative: f64, floor: f64) {
    assert_eq!(ours.len(), reference.len(), "{what}");
    let largest = reference.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    let worst = ours
        .iter()
        .zip(reference)
        .map(|(a, b)| ((a - b).abs() / (b.abs().max(floor * largest)).max(f64::MIN_POSITIVE), *a, *b))
        .max_by(|p, q| p.0.total_cmp(&q.0));
    if let Some((difference, a, b)) = worst {
        assert!(difference <= relative, "{what}: {a} is not {b} (relative difference {difference:e})");
    }
}

/// Fails when what is to be small is above the reference by more than `slack` of it.
pub fn assert_no_worse(what: &str, ours: f64, reference: f64, slack: f64) {
    let excess = (ours - reference) / reference.abs().max(f64::MIN_POSITIVE);
    println!("{what}: {ours} beside {reference}, by {excess:e}");
    assert!(excess <= slack, "{what}: {ours} is above {reference}, by {excess:e}");
}
