//! XGBoost: imported models and models trained through the library against XGBoost 3.2.0 in Python.

mod common;

use common::{foreign, mixed, numbers, predict, ulps};
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

fn equal(a: &[f64], b: &[f64]) -> bool {
    ulps(a, b) <= 1
}

#[test]
fn an_imported_model_predicts_the_librarys_numbers() {
    foreign::imported_models_predict_the_librarys_numbers("xgboost", &golden(), bytes_of, expected, equal);
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
    foreign::training_gives_the_model_that_python_gets("xgboost", &golden(), equal);
}

fn fit(params: Value, data: &Dataset, task: Task, run: &Run) -> pgml_core::Result<Box<dyn pgml_core::Model>> {
    foreign::fit("xgboost", &params, data, task, run)
}

#[test]
fn equal_seeds_give_equal_bytes_on_any_number_of_threads() {
    let params = json!({"n_estimators": 10, "subsample": 0.5, "colsample_bytree": 0.5});
    foreign::equal_seeds_give_equal_bytes_on_any_number_of_threads("xgboost", &params);
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
    let cases = [
        (json!({"max_deph": 3}), "did you mean \"max_depth\"?"),
        (json!({"max_depth": -3}), "is -3, but must be at least 0 and at most 1000"),
        (json!({"subsample": 0}), "must be greater than 0 and at most 1"),
        (json!({"objective": "multi:softprob"}), "does not fit regression"),
        (json!({"early_stopping_rounds": 3}), "needs validation rows"),
        (json!({"eval_metric": 7}), "a text or an array of texts"),
        (json!({"updater": "grow_everything"}), "grow_everything"),
        (json!({"objective": "count:poisson"}), "XGBoost: "),
    ];
    foreign::what_cannot_be_trained_is_refused_with_a_reason("xgboost", &cases);
    let infinite =
        Dataset::from_rows(&[1.0, f64::INFINITY, 2.0], 1).and_then(|d| d.with_target(vec![0.0; 3])).expect("rows");
    let error = fit(json!({}), &infinite, Task::Regression, &Run::new()).map(drop).expect_err("infinity");
    assert_eq!((error.kind(), error.message().contains("\"x0\"")), (ErrorKind::InvalidData, true), "{error}");
}

#[test]
fn a_cancelled_training_stops_between_rounds() {
    foreign::a_cancelled_training_stops_between_rounds("xgboost");
}

#[test]
fn mutated_model_files_never_panic_and_stay_within_memory() {
    let damage = |bytes: &mut Vec<u8>, at: usize, rng: &mut fastrand::Rng| {
        bytes[at] = if rng.bool() { rng.u8(..) } else { bytes[at] ^ (1 << rng.u8(..8)) };
    };
    let refusals = [ErrorKind::Corrupted, ErrorKind::NotSupported, ErrorKind::InvalidParameter];
    foreign::mutated_model_files_never_panic("xgboost", &golden(), bytes_of, damage, &refusals);
}
