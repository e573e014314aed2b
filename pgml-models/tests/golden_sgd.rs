//! Learning row by row against scikit-learn 1.9.1 (`tests/golden/sgd.py`).

mod golden_cases;

use golden_cases::seeds::scores_agree;
use golden_cases::{Case, assert_close, cases_with, every, fit, numbers, predictions, probabilities};

/// The stored array, of all targets where there are several.
fn stored(parts: &pgml_core::Parts, name: &str) -> Vec<f64> {
    let ends_in = |key: &str| key == name || key.rsplit(['.', '/']).next() == Some(name);
    let keys: Vec<&String> = parts.arrays.keys().filter(|key| ends_in(key)).collect();
    assert!(!keys.is_empty(), "no {name} in {:?}", parts.arrays.keys());
    keys.iter().flat_map(|key| parts.array::<f64>(key).expect("numbers").to_vec()).collect()
}

fn agrees(case: &Case) {
    let model = fit(case);
    let parts = model.encode().expect("encodes");
    let reference = |name: &str| numbers(&case.expected[name]);
    for name in ["coef", "intercept"] {
        assert_close(&format!("{}: {name}", case.name), &stored(&parts, name), &reference(name), 1e-7, 1e-3);
    }
    let out = predictions(model.as_ref(), &case.data);
    assert_close(&format!("{}: predictions", case.name), &out, &reference("predictions"), 1e-7, 1e-3);
    if case.expected.contains_key("probabilities") {
        let out = probabilities(model.as_ref(), &case.data);
        assert_close(&format!("{}: probabilities", case.name), &out, &reference("probabilities"), 1e-7, 1.0);
    }
}

#[test]
fn in_the_same_order_of_rows_coefficients_equal_scikit_learn() {
    every(cases_with("sgd", "coef"), agrees);
}

#[test]
fn scores_of_ten_seeds_equal_scikit_learn() {
    every(cases_with("sgd", "scores"), |case| scores_agree(case, "scores"));
}
