//! Multi-layer perceptrons against scikit-learn 1.9.1 (`tests/golden/mlp.py`).

mod golden_cases;

use golden_cases::seeds::scores_agree;
use golden_cases::{answers, assert_close, cases_with, every, numbers, predictions, probabilities};
use pgml_core::{Hyperparams, Run};
use pgml_models::algorithms::mlp::{MlpParams, fit_from};

#[test]
fn from_the_same_first_weights_every_step_equals_scikit_learn() {
    every(cases_with("mlp", "start"), |case| {
        let params = MlpParams::from_json("mlp", &case.params).expect("valid");
        let start = numbers(&case.expected["start"]);
        let model = fit_from(&params, &case.data, case.task, Some(&start), &Run::new()).expect("fits");
        let reference = |name: &str| numbers(&case.expected[name]);
        assert_close(&format!("{}: weights", case.name), model.params(), &reference("params"), 1e-8, 1e-2);
        let out = predictions(&model, &case.data);
        assert_close(&format!("{}: predictions", case.name), &out, &reference("predictions"), 1e-8, 1e-2);
        if case.expected.contains_key("probabilities") {
            let out = probabilities(&model, &case.data);
            assert_close(&format!("{}: probabilities", case.name), &out, &reference("probabilities"), 1e-8, 1.0);
        }
    });
}

#[test]
fn without_hidden_layers_the_one_optimum_is_found() {
    answers::agree("mlp", 1e-6, |case| {
        !case.expected.contains_key("start") && !case.expected.contains_key("ten_scores")
    });
}

#[test]
fn scores_of_ten_seeds_equal_scikit_learn() {
    every(cases_with("mlp", "ten_scores"), |case| scores_agree(case, "ten_scores"));
}
