//! Spectral clusterings and biclusterings against scikit-learn 1.9.1 (`tests/golden/spectral.py`).

mod golden_cases;

use std::collections::BTreeMap;

use golden_cases::{cases, fit, numbers};
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
    for case in cases("spectral").into_iter().filter(|case| case.expected.contains_key("labels")) {
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
    for case in cases("spectral").iter().filter(|case| case.expected.contains_key("mean")) {
        let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
        let rows = case.data.to_rows();
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let score = |seed| {
            let run = Run::new().with_seed(seed);
            let model = algorithm.fit(&case.params, &case.data, case.task, &run).expect("fits");
            let mut labels = vec![0.0; rows.n_rows()];
            model.predict_into(rows, &mut labels).expect("predicts");
            metrics::silhouette(rows, &labels, &run).expect("not cancelled")
        };
        let scores: Vec<f64> = (0..10).map(score).collect();
        let mean = scores.iter().sum::<f64>() / 10.0;
        let variance = scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 9.0;
        let (reference, error) = (numbers(&case.expected["mean"])[0], numbers(&case.expected["error"])[0]);
        let bound = 3.0 * (variance / 10.0 + error * error).sqrt() + 1e-9;
        assert!((mean - reference).abs() <= bound, "{}: {mean} is not {reference} ± {bound}", case.name);
    }
}
