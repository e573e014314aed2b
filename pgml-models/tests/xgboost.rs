//! XGBoost: imported models and models trained through the library against XGBoost 3.2.0 in Python.

mod common;

use common::{dataset, mixed, numbers, predict, restored, ulps};
use pgml_core::{Dataset, ErrorKind, MatrixRef, Run, Task};
use pgml_models::algorithm;
use serde_json::{Value, json};

fn golden() -> Value {
    let text = include_str!("../../tests/golden/xgboost_models.json");
    serde_json::from_str(text).expect("tests/golden/xgboost_models.py writes JSON")
}

fn bytes_of(case: &Value) -> Vec<u8> {
    let text = case["model"].as_str().expect("a text");
    if case["format"] == "json" {
        return text.as_bytes().to_vec();
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

/// What our interface says for what the library's `predict` returned.
fn expected(case: &Value, n_classes: usize) -> Vec<f64> {
    let raw = numbers(case, "prediction");
    let name = case["name"].as_str().unwrap_or_default();
    if n_classes != 2 {
        return raw;
    }
    let probability = |p: f64| if name.contains("logitraw") { f64::from(1.0 / (1.0 + (-p as f32).exp())) } else { p };
    raw.iter().map(|p| probability(*p)).flat_map(|p| [f64::from(1.0 - p as f32), p]).collect()
}

#[test]
fn an_imported_model_predicts_the_librarys_numbers() {
    let xgboost = algorithm("xgboost").expect("registered");
    let golden = golden();
    for case in golden["imports"].as_array().expect("cases") {
        let imported = xgboost.import(&bytes_of(case)).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let rows = numbers(case, "rows");
        let expected = expected(case, imported.n_classes);
        let found = predict(&*imported.model, &rows);
        // Sums are equal bit for bit; exponentials are where the C libraries of two systems may differ.
        assert!(ulps(&found, &expected) <= 1, "{}: {found:?} instead of {expected:?}", case["name"]);
        assert_eq!(predict(&*restored(xgboost, &*imported.model), &rows), found, "{} decoded", case["name"]);
        let one_by_one: Vec<f64> =
            rows.chunks(imported.model.n_features()).flat_map(|row| predict(&*imported.model, row)).collect();
        assert_eq!(one_by_one, found, "{} row by row", case["name"]);
    }
}

#[test]
fn models_without_exponentials_are_equal_bit_for_bit() {
    let xgboost = algorithm("xgboost").expect("registered");
    let golden = golden();
    let mut compared = 0;
    for case in golden["imports"].as_array().expect("cases") {
        if case["margin"] != case["prediction"] || case["name"] == "binary:logitraw on two classes" {
            continue;
        }
        let model = xgboost.import(&bytes_of(case)).expect("valid").model;
        assert_eq!(predict(&*model, &numbers(case, "rows")), numbers(case, "prediction"), "{}", case["name"]);
        compared += 1;
    }
    assert!(compared >= 12, "{compared}");
}

#[test]
fn training_gives_the_model_that_python_gets() {
    let xgboost = algorithm("xgboost").expect("registered");
    let golden = golden();
    for case in golden["trainings"].as_array().expect("cases") {
        let flag = |key: &str| case[key].as_bool().unwrap_or(false);
        let data = dataset(case["data"].as_str().expect("a name"), flag("categorical"), flag("weight"));
        let task = if data.n_classes() > 0 { Task::Classification } else { Task::Regression };
        let params = case["params"].as_object().expect("an object");
        let model = xgboost.fit(params, &data, task, &Run::new()).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let mut rows = Vec::new();
        data.rows_into(0..24, &mut rows);
        let found = predict(&*model, &rows);
        let expected = numbers(case, "prediction");
        assert!(ulps(&found, &expected) <= 1, "{}: {found:?} instead of {expected:?}", case["name"]);
        let trees = model.encode().expect("parts").arrays.get("tree_roots").map_or(0, |a| a.data.len());
        assert_eq!(trees as u64, case["n_trees"].as_u64().expect("a count"), "{}", case["name"]);
    }
}

fn fit(params: Value, data: &Dataset, task: Task, run: &Run) -> pgml_core::Result<Box<dyn pgml_core::Model>> {
    algorithm("xgboost")?.fit(params.as_object().expect("an object"), data, task, run)
}

#[test]
fn equal_seeds_give_equal_bytes_on_any_number_of_threads() {
    let data = dataset("mixed", false, false);
    let params = json!({"n_estimators": 10, "subsample": 0.5, "colsample_bytree": 0.5});
    let trained = |seed, threads| {
        let run = Run::new().with_seed(seed).with_threads(threads);
        fit(params.clone(), &data, Task::Regression, &run).and_then(|m| m.encode()).expect("a model")
    };
    assert!(trained(3, 1) == trained(3, 1));
    assert!(trained(3, 1) == trained(3, 2));
    assert!(trained(3, 1) != trained(4, 1));
}

#[test]
fn two_classes_have_two_probabilities_and_several_targets_several_values() {
    let (x, y) = mixed(200);
    let classes = y.iter().map(|y| f64::from(*y > 2.0)).collect();
    let data = Dataset::from_rows(&x, 6).and_then(|d| d.with_classes(classes, 2)).expect("classes");
    for objective in
        ["binary:logistic", "binary:logitraw", "binary:hinge", "multi:softprob", "multi:softmax", "reg:logistic"]
    {
        let model = fit(json!({"n_estimators": 5, "objective": objective}), &data, Task::Classification, &Run::new())
            .expect(objective);
        let probabilities = predict(&*model, &x);
        assert_eq!(probabilities.len(), 400, "{objective}");
        assert!(probabilities.chunks(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-6), "{objective}");
        let mut found = vec![0.0; 200];
        model.predict_into(MatrixRef::new(&x, 6).expect("rows"), &mut found).expect("predictions");
        assert!(found.iter().zip(probabilities.chunks(2)).all(|(c, p)| *c == f64::from(p[1] > p[0])), "{objective}");
    }
    let joint = Dataset::from_rows(&x, 6).and_then(|d| d.with_target(y.clone())?.with_target(y)).expect("two targets");
    for strategy in ["one_output_per_tree", "multi_output_tree"] {
        let model = fit(json!({"n_estimators": 5, "multi_strategy": strategy}), &joint, Task::Regression, &Run::new())
            .expect(strategy);
        let values = predict(&*model, &x);
        assert_eq!((model.n_outputs(), values.len()), (2, 400));
        assert!(values.chunks(2).all(|v| (v[0] - v[1]).abs() < 1e-5), "{strategy}");
    }
}

#[test]
fn what_cannot_be_trained_is_refused_with_a_reason() {
    let (x, y) = mixed(50);
    let data = Dataset::from_rows(&x, 6).and_then(|d| d.with_target(y)).expect("a target");
    for (params, message) in [
        (json!({"max_deph": 3}), "did you mean \"max_depth\"?"),
        (json!({"subsample": 0}), "must be greater than 0 and at most 1"),
        (json!({"objective": "multi:softprob"}), "does not fit regression"),
        (json!({"early_stopping_rounds": 3}), "needs validation rows"),
        (json!({"eval_metric": 7}), "a text or an array of texts"),
        (json!({"updater": "grow_everything"}), "grow_everything"),
        (json!({"objective": "count:poisson"}), "XGBoost: "),
    ] {
        let error = fit(params.clone(), &data, Task::Regression, &Run::new()).map(drop).expect_err(message);
        assert!(error.message().contains(message), "{params}: {error}");
        assert!(!error.message().contains("Stack trace"), "{error}");
    }
    let infinite =
        Dataset::from_rows(&[1.0, f64::INFINITY, 2.0], 1).and_then(|d| d.with_target(vec![0.0; 3])).expect("rows");
    let error = fit(json!({}), &infinite, Task::Regression, &Run::new()).map(drop).expect_err("infinity");
    assert_eq!((error.kind(), error.message().contains("\"x0\"")), (ErrorKind::InvalidData, true), "{error}");
    let limited = Run::new().with_memory_limit(1000);
    let error = fit(json!({}), &data, Task::Regression, &limited).map(drop).expect_err("1000 bytes");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}

#[test]
fn a_cancelled_training_stops_between_rounds() {
    let run = Run::new();
    let data = dataset("digits", false, false);
    let stop = run.clone();
    let timer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(150));
        stop.cancel();
    });
    let error =
        fit(json!({"n_estimators": 100_000}), &data, Task::Classification, &run).map(drop).expect_err("cancelled");
    timer.join().expect("a timer");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn mutated_model_files_never_panic_and_stay_within_memory() {
    let xgboost = algorithm("xgboost").expect("registered");
    let golden = golden();
    let mut rng = fastrand::Rng::with_seed(11);
    let (mut refused, mut read) = (0, 0);
    for case in golden["imports"].as_array().expect("cases") {
        let valid = bytes_of(case);
        let rows = numbers(case, "rows");
        for _ in 0..300 {
            let mut bytes = valid.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                match rng.u8(..4) {
                    0 => bytes[at] = rng.u8(..),
                    1 => bytes[at] ^= 1 << rng.u8(..8),
                    2 => drop(bytes.drain(at..(at + rng.usize(1..9)).min(bytes.len()))),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            match xgboost.import(&bytes) {
                Err(error) => {
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::Corrupted | ErrorKind::NotSupported | ErrorKind::InvalidParameter
                        ),
                        "{error}"
                    );
                    refused += 1;
                }
                Ok(imported) => {
                    if imported.model.n_features() == case["n_features"].as_u64().map_or(0, |n| n as usize) {
                        predict(&*imported.model, &rows);
                    }
                    read += 1;
                }
            }
        }
    }
    assert!(refused > 1000 && read > 100, "{refused} refused, {read} read");
}
