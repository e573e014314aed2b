//! Nearest neighbours and nearest centroids against scikit-learn 1.9.1 (`tests/golden/neighbours.py`).

mod golden_cases;

use golden_cases::answers::agree;
use pgml_core::{Dataset, MatrixRef, Run, Task};
use serde_json::json;

#[test]
fn nearest_neighbours_equal_scikit_learn() {
    agree("neighbours", 1e-9, |case| case.algorithm == "knn");
}

#[test]
fn nearest_centroids_equal_scikit_learn() {
    agree("neighbours", 1e-9, |case| case.algorithm == "nearest_centroid");
}

#[test]
fn of_rows_equally_far_the_first_ones_answer() {
    let data = Dataset::from_rows(&[1.0, -1.0, 1.0, -1.0], 1).and_then(|d| d.with_target(vec![1.0, 2.0, 4.0, 8.0]));
    let params = json!({"n_neighbors": 2}).as_object().expect("an object").clone();
    let knn = pgml_models::algorithm("knn").expect("registered");
    let model = knn.fit(&params, &data.expect("four rows"), Task::Regression, &Run::new()).expect("fits");
    let mut out = [0.0];
    model.predict_into(MatrixRef::new(&[0.0], 1).expect("a row"), &mut out).expect("predicts");
    assert_eq!(out, [1.5]);
}

#[test]
fn nearest_centroid_has_probabilities_only_where_they_agree_with_its_predictions() {
    let data =
        Dataset::from_rows(&[0.0, 1.0, 5.0, 6.0, 7.0], 1).and_then(|d| d.with_classes(vec![0., 0., 1., 1., 1.], 2));
    let data = data.expect("five rows");
    let algorithm = pgml_models::algorithm("nearest_centroid").expect("registered");
    for (priors, expected) in [("uniform", false), ("empirical", true)] {
        let params = json!({ "priors": priors }).as_object().expect("an object").clone();
        let model = algorithm.fit(&params, &data, Task::Classification, &Run::new()).expect("fits");
        assert_eq!(model.classifier().is_some(), expected, "{priors}");
    }
}
