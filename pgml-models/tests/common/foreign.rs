//! What holds for every library whose models are imported and which trains for us.

use std::time::Duration;

use pgml_core::{Dataset, ErrorKind, Model, Run, Task};
use pgml_models::algorithm;
use serde_json::Value;

use super::{dataset, mixed, numbers, predict, restored};

/// Trains with an algorithm by name.
pub fn fit(name: &str, params: &Value, data: &Dataset, task: Task, run: &Run) -> pgml_core::Result<Box<dyn Model>> {
    algorithm(name)?.fit(params.as_object().expect("an object"), data, task, run)
}

/// Whether predictions are equal: sums bit for bit; exponentials are where the C libraries of two systems may differ.
pub type Equal = fn(&[f64], &[f64]) -> bool;

/// Each case `imports` of the golden file predicts what the library did: at once, decoded, and row by row.
pub fn imported_models_predict_the_librarys_numbers(
    name: &str,
    golden: &Value,
    bytes_of: impl Fn(&Value) -> Vec<u8>,
    expected: impl Fn(&Value, usize) -> Vec<f64>,
    equal: Equal,
) {
    let algorithm = algorithm(name).expect("registered");
    for case in golden["imports"].as_array().expect("cases") {
        let imported = algorithm.import(&bytes_of(case)).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let rows = numbers(case, "rows");
        let expected = expected(case, imported.n_classes);
        let found = predict(&*imported.model, &rows);
        assert!(equal(&found, &expected), "{}: {found:?} instead of {expected:?}", case["name"]);
        assert_eq!(predict(&*restored(algorithm, &*imported.model), &rows), found, "{} decoded", case["name"]);
        let one_by_one: Vec<f64> =
            rows.chunks(imported.model.n_features()).flat_map(|row| predict(&*imported.model, row)).collect();
        assert_eq!(one_by_one, found, "{} row by row", case["name"]);
    }
}

/// Each case `trainings` of the golden file gives the predictions and the number of trees that Python got.
pub fn training_gives_the_model_that_python_gets(name: &str, golden: &Value, equal: Equal) {
    for case in golden["trainings"].as_array().expect("cases") {
        let flag = |key: &str| case[key].as_bool().unwrap_or(false);
        let data = dataset(case["data"].as_str().expect("a name"), flag("categorical"), flag("weight"));
        let task = if data.n_classes() > 0 { Task::Classification } else { Task::Regression };
        let model = fit(name, &case["params"], &data, task, &Run::new());
        let model = model.unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let mut rows = Vec::new();
        data.rows_into(0..24, &mut rows);
        let found = predict(&*model, &rows);
        let expected = numbers(case, "prediction");
        assert!(equal(&found, &expected), "{}: {found:?} instead of {expected:?}", case["name"]);
        let trees = model.encode().expect("parts").arrays.get("tree_roots").map_or(0, |a| a.data.len());
        assert_eq!(trees as u64, case["n_trees"].as_u64().expect("a count"), "{}", case["name"]);
    }
}

/// `params` must draw at random.
pub fn equal_seeds_give_equal_bytes_on_any_number_of_threads(name: &str, params: &Value) {
    let data = dataset("mixed", false, false);
    let trained = |seed, threads| {
        let run = Run::new().with_seed(seed).with_threads(threads);
        fit(name, params, &data, Task::Regression, &run).and_then(|m| m.encode()).expect("a model")
    };
    assert!(trained(3, 1) == trained(3, 1));
    assert!(trained(3, 1) == trained(3, 2));
    assert!(trained(3, 1) != trained(4, 1));
}

/// Parameters that cannot be trained with, each with a part of the reason; and too little memory.
pub fn what_cannot_be_trained_is_refused_with_a_reason(name: &str, cases: &[(Value, &str)]) {
    let (x, y) = mixed(50);
    let data = Dataset::from_rows(&x, 6).and_then(|d| d.with_target(y)).expect("a target");
    for (params, message) in cases {
        let error = fit(name, params, &data, Task::Regression, &Run::new()).map(drop).expect_err(message);
        assert!(error.message().contains(message), "{params}: {error}");
        assert!(!error.message().contains("Stack trace"), "{error}");
    }
    let limited = Run::new().with_memory_limit(1000);
    let error = fit(name, &serde_json::json!({}), &data, Task::Regression, &limited).map(drop).expect_err("1000 bytes");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}

/// A training of 100,000 rounds ends soon after it was cancelled.
pub fn a_cancelled_training_stops_between_rounds(name: &str) {
    let run = Run::new();
    let data = dataset("digits", false, false);
    let stop = run.clone();
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        stop.cancel();
    });
    let endless = serde_json::json!({"n_estimators": 100_000});
    let error = fit(name, &endless, &data, Task::Classification, &run).map(drop).expect_err("cancelled");
    timer.join().expect("a timer");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// Damages each imported model file 300 times by `damage`, and predicts with what can still be read.
pub fn mutated_model_files_never_panic(
    name: &str,
    golden: &Value,
    bytes_of: impl Fn(&Value) -> Vec<u8>,
    damage: impl Fn(&mut Vec<u8>, usize, &mut fastrand::Rng),
    refusals: &[ErrorKind],
) {
    let algorithm = algorithm(name).expect("registered");
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
                    2 => drop(bytes.drain(at..(at + rng.usize(1..9)).min(bytes.len()))),
                    3 => bytes.truncate(at.max(1)),
                    _ => damage(&mut bytes, at, &mut rng),
                }
            }
            match algorithm.import(&bytes) {
                Err(error) => {
                    assert!(refusals.contains(&error.kind()), "{error}");
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
