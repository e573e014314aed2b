//! Non-negative matrix factorisation against scikit-learn 1.9.1 (`tests/golden/nmf.py`).

mod golden_cases;

use golden_cases::seeds::{Mean, own_metrics_agree};
use golden_cases::{Case, assert_close, cases, every, fit, numbers, sample};
use pgml_core::{MatrixRef, Run};
use serde_json::json;

#[test]
fn components_errors_and_coordinates_equal_scikit_learn() {
    for case in cases("nmf") {
        let model = fit(&case);
        let parts = model.encode().expect("encodes");
        let components = parts.array::<f64>("components").expect("stored");
        assert_close(&case.name, components, &numbers(&case.expected["components"]), 1e-6, 1e-3);
        assert_close(&case.name, &[model.own_metrics()[0].1], &numbers(&case.expected["error"]), 1e-6, 1e-9);
        let rows = sample(&case.data);
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let transform = model.transformer().expect("transforms");
        let mut out = vec![0.0; rows.n_rows() * transform.n_components()];
        transform.transform_into(rows, &mut out).expect("transforms");
        assert_close(&format!("{}: rows", case.name), &out, &numbers(&case.expected["transformed"]), 1e-6, 1e-3);
    }
}

#[test]
fn over_seeds_the_mean_error_equals_scikit_learns_within_its_error() {
    let drawn = |mut case: Case| {
        case.params.insert("init".to_owned(), json!("random"));
        case
    };
    let seeded = cases("nmf").into_iter().filter(|case| case.expected["seeded"] == true);
    every(seeded.map(drawn), |case| {
        own_metrics_agree(case, Mean::stored(&case.expected["seeded_mean"], &case.expected["seeded_error"]));
    });
}

#[test]
fn negative_numbers_are_refused() {
    let data = pgml_core::Dataset::from_rows(&[1.0, 2.0, 3.0, -5.0], 2).expect("two rows");
    let nmf = pgml_models::algorithm("nmf").expect("registered");
    let outcome = nmf.fit(&serde_json::Map::new(), &data, pgml_core::Task::Decomposition, &Run::new());
    assert_eq!(outcome.err().map(|e| e.kind()), Some(pgml_core::ErrorKind::InvalidData));
}
