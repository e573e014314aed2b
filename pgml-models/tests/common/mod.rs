//! Data that the golden scripts make too, and what is compared.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod foreign;

use pgml_core::{Algorithm, Dataset, Feature, Floats, MatrixRef, Values};
use serde_json::Value;

/// `mixed(n_rows)` of the golden scripts: six columns with missing values and a number to predict.
pub fn mixed(n_rows: usize) -> (Vec<f64>, Vec<f64>) {
    let cell = |i: u64, j: u64| {
        let h = (i * 2_654_435_761 + j * 40_503 + 12_345) % (1 << 32) * 2_246_822_519 % (1 << 32);
        let h = (h ^ (h >> 15)) * 3_266_489_917 % (1 << 32);
        match j {
            _ if h.is_multiple_of(11) => f64::NAN,
            3 => ((h >> 8) % 12) as f64,
            _ => ((h >> 8) % 1000) as f64 / 100.0 - 5.0,
        }
    };
    let x: Vec<f64> = (0..n_rows as u64).flat_map(|i| (0..6).map(move |j| cell(i, j))).collect();
    let filled = |v: f64| if v.is_nan() { 0.0 } else { v };
    let target = |r: &[f64]| filled(r[0]) + filled(r[1]) * filled(r[2]) / 4.0 + filled(r[3]) % 3.0 * 2.0;
    let y = x.chunks(6).map(target).collect();
    (x, y)
}

/// A data set of the golden scripts by name, with class indices if it is for classification.
pub fn dataset(name: &str, categorical: bool, weight: bool) -> Dataset {
    let data = match name {
        "mixed" => mixed_rows(400, 0..400, categorical),
        "mixed halves" => mixed_rows(400, 0..200, categorical).with_validation(mixed_rows(400, 200..400, categorical)),
        built_in => built_in_rows(built_in),
    };
    let weights = (0..data.n_rows()).map(|i| 1.0 + (i % 3) as f64).collect();
    if weight { data.with_weight(weights).expect("one per row") } else { data }
}

fn mixed_rows(n_rows: usize, part: std::ops::Range<u32>, categorical: bool) -> Dataset {
    let (x, y) = mixed(n_rows);
    let data = Dataset::from_rows(&x, 6).expect("six columns");
    let mut features = data.features().to_vec();
    features[3].categories = categorical.then_some(12);
    let part: Vec<u32> = part.collect();
    Dataset::new(features).and_then(|d| d.with_target(y)).expect("as many rows").select(&part)
}

fn built_in_rows(name: &str) -> Dataset {
    let set = pgml_core::datasets::find(name).expect("a built-in set");
    let table = set.table().expect("its rows");
    let mut features = Vec::new();
    let mut target = Vec::new();
    for column in &table.columns {
        let columns: Vec<Floats> = match &column.values {
            Values::Number(values) => vec![values.clone()],
            Values::Array(elements) => elements.clone(),
            Values::Text { .. } => panic!("no text in {name}"),
        };
        if set.labels.contains(&column.name.as_str()) {
            // scikit-learn calls malignant 0, the table's column is true.
            let flipped = |y: f64| if column.name == "malignant" { 1.0 - y } else { y };
            target = columns[0].iter().map(flipped).collect();
        } else {
            features.extend(columns.into_iter().map(|values| Feature {
                name: column.name.clone(),
                values,
                categories: None,
            }));
        }
    }
    let n_classes = if name == "diabetes" { 0 } else { target.iter().fold(0.0, |a: f64, b| a.max(*b)) as usize + 1 };
    let data = Dataset::new(features).expect("columns");
    if n_classes > 0 { data.with_classes(target, n_classes) } else { data.with_target(target) }.expect("labels")
}

/// The numbers under `key`, `null` being NaN.
pub fn numbers(case: &Value, key: &str) -> Vec<f64> {
    let items = case[key].as_array().unwrap_or_else(|| panic!("{key} of {}", case["name"]));
    let number = |x: &Value| if x == "inf" { f64::INFINITY } else { x.as_f64().unwrap_or(f64::NAN) };
    items.iter().map(number).collect()
}

/// Class probabilities if the model has them, else predictions.
pub fn predict(model: &dyn pgml_core::Model, rows: &[f64]) -> Vec<f64> {
    let matrix = MatrixRef::new(rows, model.n_features()).expect("whole rows");
    let per_row = model.classifier().map_or(model.n_outputs(), pgml_core::Classifier::n_classes);
    let mut out = vec![0.0; matrix.n_rows() * per_row];
    match model.classifier() {
        Some(classifier) => classifier.predict_proba_into(matrix, &mut out),
        None => model.predict_into(matrix, &mut out),
    }
    .expect("the right shape");
    out
}

/// Encodes and decodes a model.
pub fn restored(algorithm: &dyn Algorithm, model: &dyn pgml_core::Model) -> Box<dyn pgml_core::Model> {
    algorithm.decode(&model.encode().expect("a stored form")).expect("the same model")
}

/// The largest distance in units of the last place of an `f32`; NaN equals NaN.
pub fn ulps(a: &[f64], b: &[f64]) -> u32 {
    assert_eq!(a.len(), b.len());
    let key = |x: f64| {
        let bits = (x as f32).to_bits() as i32;
        i64::from(if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits })
    };
    a.iter()
        .zip(b)
        .filter(|(a, b)| !(a.is_nan() && b.is_nan()))
        .map(|(a, b)| key(*a).abs_diff(key(*b)) as u32)
        .max()
        .unwrap_or(0)
}

/// The largest distance in units of the last place of an `f64`; NaN equals NaN.
pub fn ulps_f64(a: &[f64], b: &[f64]) -> u64 {
    assert_eq!(a.len(), b.len());
    let key = |x: f64| {
        let bits = x.to_bits() as i64;
        i128::from(if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits })
    };
    let pairs = a.iter().zip(b).filter(|(a, b)| !(a.is_nan() && b.is_nan()));
    pairs.map(|(a, b)| key(*a).abs_diff(key(*b)) as u64).max().unwrap_or(0)
}
