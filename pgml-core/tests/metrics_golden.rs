//! Every metric equals scikit-learn 1.9.1's on the cases of `tests/golden/metrics.py`.

use pgml_core::metrics::{self, sklearn};
use pgml_core::{MatrixRef, Run};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const GOLDEN: &str = include_str!("../../tests/golden/metrics.json");

#[derive(Deserialize)]
struct Regression {
    name: String,
    y: Vec<Vec<f64>>,
    yhat: Vec<f64>,
    metrics: Map<String, Value>,
}

#[derive(Deserialize)]
struct Classification {
    name: String,
    n_classes: usize,
    y: Vec<f64>,
    yhat: Vec<f64>,
    #[serde(default)]
    proba: Option<Vec<f64>>,
    metrics: Map<String, Value>,
}

#[derive(Deserialize)]
struct Silhouette {
    name: String,
    width: usize,
    rows: Vec<f64>,
    labels: Vec<f64>,
    silhouette: Value,
}

fn cases<T: DeserializeOwned>(section: &str) -> Vec<T> {
    let golden: Map<String, Value> = serde_json::from_str(GOLDEN).expect("JSON");
    serde_json::from_value(golden[section].clone()).expect("cases of this form")
}

/// Equal to 1e-12 relative; null is NaN.
fn assert_close(name: &str, metric: &str, given: f64, golden: &Value) {
    match golden.as_f64() {
        None => assert!(given.is_nan(), "{name}: {metric} is {given}, not NaN"),
        Some(golden) => {
            let off = (given - golden).abs();
            assert!(
                off <= 1e-12 * golden.abs().max(1e-3),
                "{name}: {metric} is {given}, not {golden} (off by {off:e})"
            );
        }
    }
}

fn assert_all_close(name: &str, given: &[(&'static str, f64)], golden: &Map<String, Value>) {
    for (metric, value) in given {
        let golden = golden.get(*metric).unwrap_or_else(|| panic!("{name}: {metric} is one too many"));
        assert_close(name, metric, *value, golden);
    }
    assert_eq!(given.len(), golden.len(), "{name}: as many metrics");
}

#[test]
fn regression_metrics_equal_scikit_learns() {
    for case in cases::<Regression>("regression") {
        let targets: Vec<&[f64]> = case.y.iter().map(Vec::as_slice).collect();
        let given = metrics::regression(&targets, &case.yhat);
        assert_all_close(&case.name, &given, &case.metrics);
        let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["r2", "mean_absolute_error", "mean_squared_error"]);
    }
}

#[test]
fn classification_metrics_equal_scikit_learns() {
    for case in cases::<Classification>("classification") {
        let given = metrics::classification(&case.y, &case.yhat, case.proba.as_deref(), case.n_classes);
        assert_all_close(&case.name, &given, &case.metrics);
        let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
        assert!(keys.ends_with(&["f1", "precision", "recall", "accuracy", "mcc"]), "{keys:?}");
    }
}

#[test]
fn silhouettes_equal_scikit_learns() {
    for case in cases::<Silhouette>("silhouette") {
        let rows = MatrixRef::new(&case.rows, case.width).expect("whole rows");
        let given = metrics::silhouette(rows, &case.labels, &Run::new()).expect("one label per row");
        assert_close(&case.name, "silhouette", given, &case.silhouette);
    }
}

#[test]
fn helpers_for_sql_equal_scikit_learns() {
    for case in cases::<Classification>("sklearn") {
        let narrow = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        let (y, yhat) = (narrow(&case.y), narrow(&case.yhat));
        let given = sklearn::classification_metrics(&y, &yhat, case.n_classes as i64).expect("labels");
        assert_all_close(&case.name, &given, &case.metrics);
        match sklearn::f1_score(&y, &yhat) {
            Ok(f1) => assert_close(&case.name, "f1_score", f1, &case.metrics["f1"]),
            Err(_) => assert!(case.n_classes > 2, "{}: two labels have a binary score", case.name),
        }
    }
    for case in cases::<Regression>("regression").into_iter().filter(|case| case.y.len() == 1) {
        // Halves survive the way through single precision.
        let halves = |values: &[f64]| values.iter().map(|x| (x * 2.0).round() as f32 / 2.0).collect::<Vec<f32>>();
        let (y, yhat) = (halves(&case.y[0]), halves(&case.yhat));
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let golden = metrics::regression(&[&wide(&y)], &wide(&yhat));
        let given = sklearn::regression_metrics(&y, &yhat).expect("numbers");
        let keyed = |i: usize| (given[i].0, given[i].1.to_bits());
        assert_eq!(keyed(0), ("r2", golden[0].1.to_bits()), "{}", case.name);
        assert_eq!(keyed(1), ("mse", golden[2].1.to_bits()), "{}", case.name);
        assert_eq!(keyed(2), ("mae", golden[1].1.to_bits()), "{}", case.name);
    }
}
