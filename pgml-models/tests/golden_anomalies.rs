//! Anomaly detectors against scikit-learn 1.9.1 (`tests/golden/anomalies.py`).

mod golden_cases;

use golden_cases::answers::agree;
use golden_cases::seeds::{Mean, assert_same_mean, fit_seeded};
use golden_cases::{cases_with, every, numbers};
use pgml_core::{Dataset, MatrixRef, Run, Task, metrics};
use serde_json::json;

#[test]
fn local_outlier_factors_equal_scikit_learn() {
    agree("anomalies", 1e-9, |case| case.algorithm == "local_outlier_factor");
}

#[test]
fn elliptic_envelopes_equal_scikit_learn_where_every_seed_finds_the_same() {
    agree("anomalies", 1e-6, |case| case.algorithm == "elliptic_envelope");
}

#[test]
fn random_methods_score_as_scikit_learn_does_over_as_many_seeds() {
    every(cases_with("anomalies", "mean"), |case| {
        let rows = case.data.to_rows();
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let seeds = numbers(&case.expected["mean"]).len() as u64;
        let score = |seed: u64| {
            let mut out = vec![0.0; rows.n_rows()];
            let model = fit_seeded(case, seed);
            model.anomaly_detector().expect("scores").anomaly_score_into(rows, &mut out).expect("finite rows");
            out
        };
        let scores: Vec<Vec<f64>> = (0..seeds).map(score).collect();
        let means: Vec<f64> = scores.iter().map(|s| s.iter().sum::<f64>() / s.len() as f64).collect();
        let mut compared = vec![("mean", means)];
        if let Some(truth) = case.expected.get("truth").map(numbers) {
            compared.push(("auc", scores.iter().map(|s| metrics::roc_auc(&truth, s, 1.0)).collect()));
        }
        for (what, ours) in compared {
            let reference = Mean::of(&numbers(&case.expected[what]));
            assert_same_mean(&format!("{}: {what}", case.name), &ours, reference);
        }
    });
}

#[test]
fn rows_of_training_have_the_factors_that_training_found() {
    let rows: Vec<f64> = (0..60).map(|i| f64::from(i * i % 37) + if i == 30 { 500.0 } else { 0.0 }).collect();
    let data = Dataset::from_rows(&rows, 2).expect("whole rows");
    let algorithm = pgml_models::algorithm("local_outlier_factor").expect("registered");
    let score = |novelty: bool| {
        let params = json!({"n_neighbors": 3, "novelty": novelty}).as_object().expect("an object").clone();
        let model = algorithm.fit(&params, &data, Task::AnomalyDetection, &Run::new()).expect("fits");
        let mut out = vec![0.0; 1];
        let row = MatrixRef::new(&rows[30..32], 2).expect("a row");
        model.anomaly_detector().expect("scores").anomaly_score_into(row, &mut out).expect("scores");
        out[0]
    };
    // As a new row it is its own neighbour, which makes it look less strange.
    assert!(score(false) > 1.0 && score(true) < score(false), "{} and {}", score(false), score(true));
}
