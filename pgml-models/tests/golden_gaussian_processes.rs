//! Gaussian processes against scikit-learn 1.9.1 (`tests/golden/gaussian_processes.py`).

mod golden_cases;

use golden_cases::answers::agree;
use golden_cases::{assert_close, cases, fit};
use pgml_core::Task;

#[test]
fn regressions_equal_scikit_learn() {
    agree("gaussian_processes", 1e-6, |case| case.task == Task::Regression);
}

#[test]
fn classifications_equal_scikit_learn() {
    agree("gaussian_processes", 1e-6, |case| case.task == Task::Classification);
}

#[test]
fn likelihoods_are_as_high_as_those_of_scikit_learn() {
    for case in cases("gaussian_processes").into_iter().filter(|case| case.task == Task::Regression) {
        let ours: Vec<f64> = fit(&case).own_metrics().into_iter().map(|(_, value)| value).collect();
        let reference = case.expected["likelihood"].as_f64().expect("a number");
        assert_close(&case.name, &ours, &[reference], 1e-8, 1.0);
    }
}
