//! k-means, whole and by batches, against scikit-learn 1.9.1 (`tests/golden/kmeans.py`, `mini_batch_kmeans.py`).

mod golden_cases;

use golden_cases::seeds::{Mean, own_metrics_agree};
use golden_cases::{Case, assert_close, cases, every, fit, numbers, predictions};
use pgml_core::{Run, Task};
use serde_json::Value;

#[test]
fn from_given_centres_the_clusters_equal_scikit_learns() {
    for case in cases("kmeans") {
        let model = fit(&case);
        let parts = model.encode().expect("encodes");
        let reference = |name: &str| numbers(&case.expected[name]);
        let centres = parts.array::<f64>("centers").expect("stored");
        assert_close(&format!("{}: centres", case.name), centres, &reference("centers"), 1e-9, 1e-3);
        assert_close(&case.name, &[model.own_metrics()[0].1], &reference("inertia"), 1e-9, 1.0);
        assert_eq!(predictions(model.as_ref(), &case.data), reference("predictions"), "{}", case.name);
    }
}

#[test]
fn over_seeds_the_mean_inertia_equals_scikit_learns_within_its_error() {
    let without_given_centres = |mut case: Case| {
        if case.params.get("init").is_some_and(Value::is_array) {
            case.params.remove("init");
        }
        case
    };
    let all = cases("kmeans").into_iter().chain(cases("mini_batch_kmeans"));
    every(all.map(without_given_centres), |case| {
        own_metrics_agree(case, Mean::stored(&case.expected["seeded_mean"], &case.expected["seeded_error"]));
    });
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let case = cases("kmeans").pop().expect("digits");
    let kmeans = pgml_models::algorithm("kmeans").expect("registered");
    let fit = |threads| {
        let run = Run::new().with_threads(threads);
        kmeans.fit(&case.params, &case.data, Task::Clustering, &run).and_then(|m| m.encode()).expect("fits")
    };
    assert_eq!(fit(1), fit(3));
}
