//! Sparse, Bayesian, robust and generalised linear regressions against scikit-learn 1.9.1
//! (`tests/golden/regressions.py`).

mod golden_cases;

use golden_cases::{assert_close, assert_no_worse, cases, every, fit, numbers, predictions};

/// Every case of the file within `relative`; a value below a thousandth of the largest is compared against that.
fn agree(file: &str, relative: f64) {
    every(cases(file), |case| {
        let model = fit(case);
        let out = predictions(model.as_ref(), &case.data);
        let reference = |name: &str| numbers(&case.expected[name]);
        assert_close(&format!("{}: predictions", case.name), &out, &reference("predictions"), relative, 1e-3);
        if case.expected.contains_key("coef") {
            let parts = model.encode().expect("encodes");
            let coef = parts.array::<f64>("coef").expect("stored");
            assert_close(&format!("{}: coef", case.name), coef, &reference("coef"), relative, 1e-3);
        }
    });
}

#[test]
fn least_angles_and_matching_pursuit_equal_scikit_learn() {
    agree("least_angle", 1e-6);
}

#[test]
fn bayesian_regressions_equal_scikit_learn() {
    agree("bayesian", 1e-6);
}

#[test]
fn generalised_linear_models_equal_scikit_learn() {
    agree("generalised", 1e-6);
}

#[test]
fn huber_equals_scikit_learn() {
    agree("huber", 1e-6);
}

/// The optimum need not be unique: either the coefficients are the reference's, or the value is.
#[test]
fn quantiles_equal_scikit_learn() {
    every(cases("quantile"), |case| {
        let model = fit(case);
        let parts = model.encode().expect("encodes");
        let coef = parts.array::<f64>("coef").expect("stored");
        let out = golden_cases::all_predictions(model.as_ref(), &case.data);
        let parameter = |name: &str, default: f64| case.params.get(name).and_then(|p| p.as_f64()).unwrap_or(default);
        let (quantile, alpha) = (parameter("quantile", 0.5), parameter("alpha", 1.0));
        let target = case.data.target().expect("one target");
        let weight = |row: usize| case.data.weight().map_or(1.0, |w| w[row]);
        let (mut loss, mut total) = (0.0, 0.0);
        for (row, (y, p)) in target.iter().zip(&out).enumerate() {
            loss += weight(row) * if y > p { quantile * (y - p) } else { (quantile - 1.0) * (y - p) };
            total += weight(row);
        }
        let ours = loss / total + alpha * coef.iter().map(|w| w.abs()).sum::<f64>();
        let theirs = numbers(&case.expected["objective"])[0];
        assert_no_worse(&case.name, ours, theirs, 1e-9);
        let reference = numbers(&case.expected["coef"]);
        let same = coef.iter().zip(&reference).filter(|(a, b)| (*a - *b).abs() <= 1e-6 * b.abs().max(1e-3)).count();
        println!("{}: {same} of {} coefficients are the same", case.name, coef.len());
    });
}

#[test]
fn consensus_and_medians_of_lines_equal_scikit_learn() {
    agree("consensus", 1e-6);
}

#[test]
fn isotonic_curves_equal_scikit_learn() {
    agree("isotonic", 1e-9);
}

#[test]
fn partial_least_squares_equals_scikit_learn() {
    agree("pls", 1e-6);
}
