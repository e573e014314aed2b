//! Spectral clusterings and biclusterings against scikit-learn 1.9.1 (`tests/golden/spectral.py`).

mod golden_cases;

use std::collections::BTreeMap;

use golden_cases::seeds::{Mean, assert_same_mean, fit_seeded, over_seeds};
use golden_cases::{cases_with, every, fit, numbers};
use pgml_core::{MatrixRef, Run, metrics};

/// Clusters numbered by their first row.
fn partition(labels: &[f64]) -> Vec<f64> {
    let mut seen = BTreeMap::new();
    labels
        .iter()
        .map(|label| {
            let next = seen.len();
            *seen.entry(*label as i64).or_insert(next) as f64
        })
        .collect()
}

#[test]
fn training_rows_are_clustered_as_by_scikit_learn() {
    let mut wrong = Vec::new();
    for case in cases_with("spectral", "labels") {
        let model = fit(&case);
        let rows = case.data.to_rows();
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let mut labels = vec![0.0; rows.n_rows()];
        model.predict_into(rows, &mut labels).expect("predicts");
        let reference = numbers(&case.expected["labels"]);
        let differ = partition(&labels).iter().zip(&reference).filter(|(a, b)| a != b).count();
        if differ > 0 {
            wrong.push(format!("{}: {differ} rows differ", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn over_seeds_the_mean_silhouette_equals_scikit_learns_within_its_error() {
    every(cases_with("spectral", "mean"), |case| {
        let rows = case.data.to_rows();
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let score = |seed| {
            let mut labels = vec![0.0; rows.n_rows()];
            fit_seeded(case, seed).predict_into(rows, &mut labels).expect("predicts");
            metrics::silhouette(rows, &labels, &Run::new().with_seed(seed)).expect("not cancelled")
        };
        let reference = Mean::stored(&case.expected["mean"], &case.expected["error"]);
        assert_same_mean(&case.name, &over_seeds(score), reference);
    });
}
