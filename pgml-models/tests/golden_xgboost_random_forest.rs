//! Random forests by the XGBoost library against those of XGBoost 3.2.0 in Python (`tests/golden/xgboost_random_forest.py`).

mod golden_cases;

use golden_cases::{assert_close, cases, fit, numbers, predictions, probabilities};
use pgml_core::ErrorKind;
use pgml_models::algorithm;
use serde_json::json;

#[test]
fn training_gives_the_forest_that_python_gets() {
    for case in cases("xgboost_random_forest") {
        let model = fit(&case);
        let out = predictions(model.as_ref(), &case.data);
        assert_close(&case.name, &out, &numbers(&case.expected["predictions"]), 1e-6, 1e-3);
        if let Some(expected) = case.expected.get("probabilities") {
            let out = probabilities(model.as_ref(), &case.data);
            assert_close(&case.name, &out, &numbers(expected), 1e-6, 1.0);
        }
    }
}

#[test]
fn what_makes_no_sense_in_one_round_is_refused_and_defaults_are_the_forests_own() {
    let forest = algorithm("xgboost_random_forest").expect("registered");
    let resolve = |json: serde_json::Value| forest.resolve_params(json.as_object().expect("an object"));
    for name in ["num_parallel_tree", "early_stopping_rounds", "num_boost_round"] {
        let error = resolve(json!({name: 3})).expect_err("unknown");
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
    }
    let all = resolve(json!({"n_estimators": 7, "eta": 0.5})).expect("valid");
    assert_eq!((&all["n_estimators"], &all["learning_rate"]), (&json!(7), &json!(0.5)));
    assert_eq!((&all["subsample"], &all["reg_lambda"]), (&json!(0.8), &json!(1e-5)));
    for spec in forest.params() {
        assert_eq!((spec.default)(), resolve(json!({})).expect("valid")[spec.name], "{}", spec.name);
    }
}
