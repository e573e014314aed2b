//! Anomaly detectors against scikit-learn 1.9.1 (`tests/golden/anomalies.py`).

mod golden_cases;

use golden_cases::answers::agree;
use golden_cases::{Case, cases, numbers};
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

/// Scores of all rows, with ten seeds.
fn scores_of_ten_seeds(case: &Case) -> Vec<Vec<f64>> {
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    let rows = case.data.to_rows();
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let score = |seed: u64| {
        let run = Run::new().with_seed(seed);
        let model = algorithm.fit(&case.params, &case.data, case.task, &run).expect("fits");
        let mut out = vec![0.0; rows.n_rows()];
        model.anomaly_detector().expect("scores").anomaly_score_into(rows, &mut out).expect("finite rows");
        out
    };
    (0..10).map(score).collect()
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn random_methods_score_as_scikit_learn_does_over_ten_seeds() {
    for case in cases("anomalies").into_iter().filter(|case| case.expected.contains_key("mean")) {
        let scores = scores_of_ten_seeds(&case);
        let means: Vec<f64> = scores.iter().map(|s| s.iter().sum::<f64>() / s.len() as f64).collect();
        let mut compared = vec![("mean", means)];
        if let Some(truth) = case.expected.get("truth").map(numbers) {
            compared.push(("auc", scores.iter().map(|s| metrics::roc_auc(&truth, s, 1.0)).collect()));
        }
        for (what, ours) in compared {
            let (ours, own_error) = mean_and_error(&ours);
            let (theirs, their_error) = mean_and_error(&numbers(&case.expected[what]));
            let most = 3.0 * own_error.hypot(their_error);
            assert!((ours - theirs).abs() <= most, "{}: {what} {ours} is not {theirs} ± {most}", case.name);
        }
    }
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
