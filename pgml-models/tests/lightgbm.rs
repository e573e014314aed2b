//! LightGBM: imported models and models trained through the library against LightGBM 4.7.0 in Python.

mod common;

use common::{foreign, mixed, numbers, predict, ulps_f64};
use pgml_core::{Dataset, ErrorKind, Run, Task};
use serde_json::{Value, json};

fn golden() -> Value {
    let text = include_str!("../../tests/golden/lightgbm_models.json");
    serde_json::from_str(text).expect("tests/golden/lightgbm_models.py writes JSON")
}

fn bytes_of(case: &Value) -> Vec<u8> {
    case["model"].as_str().expect("a text").as_bytes().to_vec()
}

/// Both classes' probabilities where the library's `predict` gives one.
fn expected(case: &Value, n_classes: usize) -> Vec<f64> {
    let raw = numbers(case, "prediction");
    if n_classes == 2 { raw.iter().flat_map(|p| [1.0 - *p, *p]).collect() } else { raw }
}

fn equal(a: &[f64], b: &[f64]) -> bool {
    ulps_f64(a, b) <= 1
}

#[test]
fn an_imported_model_predicts_the_librarys_numbers() {
    foreign::imported_models_predict_the_librarys_numbers("lightgbm", &golden(), bytes_of, expected, equal);
}

#[test]
fn training_gives_the_model_that_python_gets() {
    foreign::training_gives_the_model_that_python_gets("lightgbm", &golden(), equal);
}

fn fit(params: Value, data: &Dataset, task: Task, run: &Run) -> pgml_core::Result<Box<dyn pgml_core::Model>> {
    foreign::fit("lightgbm", &params, data, task, run)
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
    let params = json!({"n_estimators": 10, "subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5});
    foreign::equal_seeds_give_equal_bytes_on_any_number_of_threads("lightgbm", &params);
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
    let cases = [
        (json!({"num_leafs": 3}), "did you mean \"num_leaves\"?"),
        (json!({"num_leaves": -3}), "is -3, but must be at least 2 and at most 131072"),
        (json!({"subsample": 0}), "must be greater than 0 and at most 1"),
        (json!({"objective": "multiclass"}), "does not fit regression"),
        (json!({"early_stopping_round": 3}), "needs validation rows"),
        (json!({"linear_tree": true}), "linear_tree is not supported"),
        (json!({"objective": "poisson"}), "LightGBM: "),
    ];
    foreign::what_cannot_be_trained_is_refused_with_a_reason("lightgbm", &cases);
}

#[test]
fn a_cancelled_training_stops_between_rounds() {
    foreign::a_cancelled_training_stops_between_rounds("lightgbm");
}

#[test]
fn mutated_model_files_never_panic() {
    let damage = |bytes: &mut Vec<u8>, at: usize, rng: &mut fastrand::Rng| {
        bytes[at] = if rng.bool() { rng.u8(..128) } else { b"0123456789-. \n="[rng.usize(..15)] };
    };
    let refusals = [ErrorKind::Corrupted, ErrorKind::NotSupported];
    foreign::mutated_model_files_never_panic("lightgbm", &golden(), bytes_of, damage, &refusals);
}
