//! Learning row by row against scikit-learn 1.9.1 (`tests/golden/sgd.py`).

mod golden_cases;

use golden_cases::{Case, assert_close, cases, fit, numbers, predictions, probabilities, scores_agree};

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
    let mut failures = Vec::new();
    for case in cases("sgd").into_iter().filter(|case| case.expected.contains_key("coef")) {
        if let Err(panic) = std::panic::catch_unwind(|| agrees(&case)) {
            failures.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn scores_of_ten_seeds_equal_scikit_learn() {
    for case in cases("sgd").into_iter().filter(|case| case.expected.contains_key("scores")) {
        scores_agree(&case, "scores");
    }
}
