//! Gaussian mixtures against scikit-learn 1.9.1 (`tests/golden/gaussian_mixture.py`).

mod golden_cases;

use golden_cases::seeds::{Mean, own_metrics_agree};
use golden_cases::{Case, assert_close, cases, every, fit, numbers, predictions};

fn cases_that_are(seeded: bool) -> Vec<Case> {
    cases("gaussian_mixture").into_iter().filter(|case| case.expected["seeded"] == seeded).collect()
}

#[test]
fn from_given_distributions_the_mixture_equals_scikit_learns() {
    every(cases_that_are(false), |case| {
        let model = fit(case);
        let parts = model.encode().expect("encodes");
        for name in ["weights", "means", "covariances", "lower_bound"] {
            let ours = parts.array::<f64>(name).expect("stored");
            assert_close(&format!("{}: {name}", case.name), ours, &numbers(&case.expected[name]), 1e-6, 1e-6);
        }
        assert_eq!(predictions(model.as_ref(), &case.data), numbers(&case.expected["predictions"]), "{}", case.name);
    });
}

#[test]
fn over_seeds_the_mean_likelihood_equals_scikit_learns_within_its_error() {
    every(cases_that_are(true), |case| {
        own_metrics_agree(case, Mean::stored(&case.expected["seeded_mean"], &case.expected["seeded_error"]));
    });
}
