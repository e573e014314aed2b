//! Naive Bayes against scikit-learn 1.9.1 (`tests/golden/naive_bayes.py`).

mod golden_cases;

use golden_cases::{answers, cases, fit, numbers, probabilities};

#[test]
fn predictions_equal_scikit_learn() {
    answers::agree("naive_bayes", 1e-9, |_| true);
}

#[test]
fn probabilities_equal_scikit_learn_however_small() {
    for case in cases("naive_bayes") {
        let ours = probabilities(fit(&case).as_ref(), &case.data);
        for (p, log) in ours.iter().zip(numbers(&case.expected["log_probabilities"])) {
            assert!((p - log.exp()).abs() <= 1e-9, "{}: {p} is not e^{log}", case.name);
            // Beyond, probabilities are too small for all their digits.
            if log > -700.0 {
                assert!((p.ln() - log).abs() <= 1e-9 * log.abs().max(1.0), "{}: {} is not {log}", case.name, p.ln());
            }
        }
    }
}
