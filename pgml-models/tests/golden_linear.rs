//! Linear models against scikit-learn 1.9.1 (`tests/golden/linear.py`).

mod golden_cases;

use golden_cases::{assert_close, cases, every, fit, numbers, predictions, probabilities};

fn agree(file: &str) {
    every(cases(file), |case| {
        let model = fit(case);
        let parts = model.encode().expect("encodes");
        let coef = parts.array::<f64>("coef").expect("stored");
        let reference = |name: &str| numbers(&case.expected[name]);
        // A coefficient below a thousandth of the largest is compared against that.
        assert_close(&format!("{}: coef", case.name), coef, &reference("coef"), 1e-6, 1e-3);
        let out = predictions(model.as_ref(), &case.data);
        assert_close(&format!("{}: predictions", case.name), &out, &reference("predictions"), 1e-6, 1e-3);
        if case.expected.contains_key("probabilities") {
            let out = probabilities(model.as_ref(), &case.data);
            assert_close(&format!("{}: probabilities", case.name), &out, &reference("probabilities"), 1e-6, 1.0);
        }
    });
}

#[test]
fn least_squares_equals_scikit_learn() {
    agree("linear_regression");
}

#[test]
fn logistic_regression_equals_scikit_learn() {
    agree("logistic_regression");
}

#[test]
fn ridge_equals_scikit_learn() {
    agree("ridge");
}

#[test]
fn lasso_and_elastic_net_equal_scikit_learn() {
    agree("elastic_net");
}
