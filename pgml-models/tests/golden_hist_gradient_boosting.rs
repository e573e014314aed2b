//! Boosting on histograms against scikit-learn 1.9.1 (`tests/golden/hist_gradient_boosting.py`).

mod golden_cases;

use golden_cases::{Case, assert_close, cases, fit, numbers, predictions, probabilities};
use pgml_core::{Dataset, MatrixRef, Run, Task, metrics};

const SEEDS: u64 = 10;

/// Runs a check on every case of a file and lists all that fail.
fn for_each(file: &str, check: impl Fn(&Case)) {
    let mut failures = Vec::new();
    for case in cases(file) {
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&case))) {
            failures.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn predictions_equal_scikit_learns() {
    for_each("hist_gradient_boosting", |case| {
        let model = fit(case);
        let out = predictions(model.as_ref(), &case.data);
        assert_close(&case.name, &out, &numbers(&case.expected["predictions"]), 1e-6, 1e-3);
        if let Some(expected) = case.expected.get("probabilities") {
            assert_close(&case.name, &probabilities(model.as_ref(), &case.data), &numbers(expected), 1e-6, 1e-3);
        }
    });
}

#[test]
fn scores_and_rounds_over_seeds_are_those_of_scikit_learn() {
    for_each("hist_gradient_boosting_seeds", |case| {
        let (scores, rounds): (Vec<f64>, Vec<f64>) = (0..SEEDS).map(|seed| score(case, seed)).unzip();
        for (what, ours) in [("score", scores), ("rounds", rounds)] {
            let (mean, error) = spread(&ours);
            let expected = numbers(&case.expected[what]);
            let allowed = 3.0 * (error * error + expected[1] * expected[1]).sqrt() + 1e-9;
            let difference = (mean - expected[0]).abs();
            assert!(difference <= allowed, "{}: {what} {mean} is not {} ± {allowed}", case.name, expected[0]);
        }
    });
}

/// The score of odd rows and the number of rounds after learning from even ones.
fn score(case: &Case, seed: u64) -> (f64, f64) {
    let every_other = |first: u32| (first..case.data.n_rows() as u32).step_by(2).collect::<Vec<u32>>();
    let (train, test) = (case.data.select(&every_other(0)), case.data.select(&every_other(1)));
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    let model = algorithm.fit(&case.params, &train, case.task, &Run::new().with_seed(seed)).expect("fits");
    let rounds = model.own_metrics().iter().find(|(name, _)| *name == "n_iter").expect("counts its rounds").1;
    let rows = test.to_rows();
    let rows = MatrixRef::new(&rows, test.n_features()).expect("whole rows");
    let y = test.target().expect("a target");
    if case.task == Task::Regression {
        let mut out = vec![0.0; test.n_rows()];
        model.predict_into(rows, &mut out).expect("predicts");
        return (metrics::mean_squared_error(y, &out), rounds);
    }
    let classifier = model.classifier().expect("has probabilities");
    let n = classifier.n_classes();
    let mut out = vec![0.0; test.n_rows() * n];
    classifier.predict_proba_into(rows, &mut out).expect("predicts");
    let loss = y.iter().zip(out.chunks(n)).map(|(class, p)| -p[*class as usize].max(f64::EPSILON).ln()).sum::<f64>();
    (loss / y.len() as f64, rounds)
}

fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Categories that a column declares are the same as ones that are named.
#[test]
fn declared_categories_are_named_ones() {
    let cases = cases("hist_gradient_boosting");
    let named = cases.iter().find(|case| case.params.contains_key("categorical_features")).expect("such a case");
    let mut features = named.data.features().to_vec();
    for column in numbers(&named.params["categorical_features"]) {
        features[column as usize].categories = Some(100);
    }
    let data = Dataset::new(features).and_then(|d| d.with_target(named.data.targets()[0].clone())).expect("same rows");
    let algorithm = pgml_models::algorithm(&named.algorithm).expect("registered");
    let declared = algorithm.fit(&serde_json::Map::new(), &data, named.task, &Run::new()).expect("fits");
    assert_eq!(fit(named).encode(), declared.encode());
}
