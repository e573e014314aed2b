//! LightGBM: imported models and models trained through the library against LightGBM 4.7.0 in Python.

mod common;

use common::{dataset, mixed, numbers, predict, restored, ulps_f64};
use pgml_core::{Dataset, ErrorKind, Run, Task};
use pgml_models::algorithm;
use serde_json::{Value, json};

fn golden() -> Value {
    let text = include_str!("../../tests/golden/lightgbm_models.json");
    serde_json::from_str(text).expect("tests/golden/lightgbm_models.py writes JSON")
}

fn bytes_of(case: &Value) -> &[u8] {
    case["model"].as_str().expect("a text").as_bytes()
}

/// Both classes' probabilities where the library's `predict` gives one.
fn expected(case: &Value, n_classes: usize) -> Vec<f64> {
    let raw = numbers(case, "prediction");
    if n_classes == 2 { raw.iter().flat_map(|p| [1.0 - *p, *p]).collect() } else { raw }
}

#[test]
fn an_imported_model_predicts_the_librarys_numbers() {
    let lightgbm = algorithm("lightgbm").expect("registered");
    let golden = golden();
    for case in golden["imports"].as_array().expect("cases") {
        let imported = lightgbm.import(bytes_of(case)).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let rows = numbers(case, "rows");
        let expected = expected(case, imported.n_classes);
        let found = predict(&*imported.model, &rows);
        // Sums are equal bit for bit; exponentials are where the C libraries of two systems may differ.
        assert!(ulps_f64(&found, &expected) <= 1, "{}: {found:?} instead of {expected:?}", case["name"]);
        assert_eq!(predict(&*restored(lightgbm, &*imported.model), &rows), found, "{} decoded", case["name"]);
        let one_by_one: Vec<f64> =
            rows.chunks(imported.model.n_features()).flat_map(|row| predict(&*imported.model, row)).collect();
        assert_eq!(one_by_one, found, "{} row by row", case["name"]);
    }
}

#[test]
fn training_gives_the_model_that_python_gets() {
    let lightgbm = algorithm("lightgbm").expect("registered");
    let golden = golden();
    for case in golden["trainings"].as_array().expect("cases") {
        let flag = |key: &str| case[key].as_bool().unwrap_or(false);
        let data = dataset(case["data"].as_str().expect("a name"), flag("categorical"), flag("weight"));
        let task = if data.n_classes() > 0 { Task::Classification } else { Task::Regression };
        let params = case["params"].as_object().expect("an object");
        let model = lightgbm.fit(params, &data, task, &Run::new()).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let mut rows = Vec::new();
        data.rows_into(0..24, &mut rows);
        let found = predict(&*model, &rows);
        let expected = numbers(case, "prediction");
        assert!(ulps_f64(&found, &expected) <= 1, "{}: {found:?} instead of {expected:?}", case["name"]);
        let trees = model.encode().expect("parts").arrays.get("tree_roots").map_or(0, |a| a.data.len());
        assert_eq!(trees as u64, case["n_trees"].as_u64().expect("a count"), "{}", case["name"]);
    }
}

fn fit(params: Value, data: &Dataset, task: Task, run: &Run) -> pgml_core::Result<Box<dyn pgml_core::Model>> {
    algorithm("lightgbm")?.fit(params.as_object().expect("an object"), data, task, run)
}

#[test]
fn every_alias_of_the_rounds_is_honoured_exactly() {
    let (x, y) = mixed(200);
    let data = Dataset::from_rows(&x, 6).and_then(|d| d.with_target(y)).expect("a target");
    for alias in ["n_estimators", "num_iterations", "num_boost_round", "num_round"] {
        let model = fit(json!({alias: 7}), &data, Task::Regression, &Run::new()).expect(alias);
        assert_eq!(model.encode().expect("parts").arrays["tree_roots"].data.len(), 7, "{alias}");
    }
}

#[test]
fn equal_seeds_give_equal_bytes_on_any_number_of_threads() {
    let data = dataset("mixed", false, false);
    let params = json!({"n_estimators": 10, "subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5});
    let trained = |seed, threads| {
        let run = Run::new().with_seed(seed).with_threads(threads);
        fit(params.clone(), &data, Task::Regression, &run).and_then(|m| m.encode()).expect("a model")
    };
    assert!(trained(3, 1) == trained(3, 1));
    assert!(trained(3, 1) == trained(3, 2));
    assert!(trained(3, 1) != trained(4, 1));
}

#[test]
fn probabilities_sum_to_one_for_every_objective() {
    let (x, y) = mixed(300);
    for (n_classes, objectives) in
        [(2, &["binary", "multiclass", "multiclassova"][..]), (3, &["multiclass", "softmax", "ova"][..])]
    {
        let classes = y.iter().map(|y| (y.abs() as usize % n_classes) as f64).collect();
        let data = Dataset::from_rows(&x, 6).and_then(|d| d.with_classes(classes, n_classes)).expect("classes");
        for objective in objectives {
            let params = json!({"n_estimators": 3, "objective": objective});
            let model = fit(params, &data, Task::Classification, &Run::new()).expect(objective);
            let probabilities = predict(&*model, &x);
            assert_eq!(probabilities.len(), 300 * n_classes, "{objective}");
            assert!(
                probabilities.chunks(n_classes).all(|p| (p.iter().sum::<f64>() - 1.0).abs() < 1e-12),
                "{objective}"
            );
        }
    }
}

#[test]
fn what_cannot_be_trained_is_refused_with_a_reason() {
    let (x, y) = mixed(50);
    let data = Dataset::from_rows(&x, 6).and_then(|d| d.with_target(y)).expect("a target");
    for (params, message) in [
        (json!({"num_leafs": 3}), "did you mean \"num_leaves\"?"),
        (json!({"subsample": 0}), "must be greater than 0 and at most 1"),
        (json!({"objective": "multiclass"}), "does not fit regression"),
        (json!({"early_stopping_round": 3}), "needs validation rows"),
        (json!({"linear_tree": true}), "linear_tree is not supported"),
        (json!({"objective": "poisson"}), "LightGBM: "),
    ] {
        let error = fit(params.clone(), &data, Task::Regression, &Run::new()).map(drop).expect_err(message);
        assert!(error.message().contains(message), "{params}: {error}");
    }
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
fn mutated_model_files_never_panic() {
    let lightgbm = algorithm("lightgbm").expect("registered");
    let golden = golden();
    let mut rng = fastrand::Rng::with_seed(12);
    let (mut refused, mut read) = (0, 0);
    for case in golden["imports"].as_array().expect("cases") {
        let valid = bytes_of(case);
        let rows = numbers(case, "rows");
        for _ in 0..300 {
            let mut bytes = valid.to_vec();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                match rng.u8(..4) {
                    0 => bytes[at] = rng.u8(..128),
                    1 => bytes[at] = b"0123456789-. \n="[rng.usize(..15)],
                    2 => drop(bytes.drain(at..(at + rng.usize(1..9)).min(bytes.len()))),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            match lightgbm.import(&bytes) {
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::NotSupported), "{error}");
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
