//! Gaussian mixtures against scikit-learn 1.9.1 (`tests/golden/gaussian_mixture.py`).

mod golden_cases;

use golden_cases::{Case, assert_close, cases, fit, numbers, predictions};
use pgml_core::Run;

fn cases_with(seeded: bool) -> Vec<Case> {
    cases("gaussian_mixture").into_iter().filter(|case| case.expected["seeded"] == seeded).collect()
}

#[test]
fn from_given_distributions_the_mixture_equals_scikit_learns() {
    for case in cases_with(false) {
        let model = fit(&case);
        let parts = model.encode().expect("encodes");
        for name in ["weights", "means", "covariances", "lower_bound"] {
            let ours = parts.array::<f64>(name).expect("stored");
            assert_close(&format!("{}: {name}", case.name), ours, &numbers(&case.expected[name]), 1e-6, 1e-6);
        }
        assert_eq!(predictions(model.as_ref(), &case.data), numbers(&case.expected["predictions"]), "{}", case.name);
    }
}

#[test]
fn over_seeds_the_mean_likelihood_equals_scikit_learns_within_its_error() {
    for case in cases_with(true) {
        let mixture = pgml_models::algorithm("gaussian_mixture").expect("registered");
        let bound_from = |seed| {
            let model = mixture.fit(&case.params, &case.data, case.task, &Run::new().with_seed(seed)).expect("fits");
            model.own_metrics()[0].1
        };
        let bounds: Vec<f64> = (0..10).map(bound_from).collect();
        let mean = bounds.iter().sum::<f64>() / 10.0;
        let variance = bounds.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 9.0;
        let (reference, error) =
            (numbers(&case.expected["seeded_mean"])[0], numbers(&case.expected["seeded_error"])[0]);
        let bound = 3.0 * (variance / 10.0 + error * error).sqrt() + 1e-9 * reference.abs();
        assert!((mean - reference).abs() <= bound, "{}: {mean} is not {reference} ± {bound}", case.name);
    }
}
