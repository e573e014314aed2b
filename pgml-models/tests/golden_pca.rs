//! Principal components against scikit-learn 1.9.1 (`tests/golden/pca.py`).

mod golden_cases;

use golden_cases::{assert_close, cases, fit, numbers, sample};
use pgml_core::MatrixRef;

#[test]
fn components_variances_and_coordinates_equal_scikit_learn() {
    for case in cases("pca") {
        let model = fit(&case);
        let parts = model.encode().expect("encodes");
        let reference = |name: &str| numbers(&case.expected[name]);
        let components = parts.array::<f64>("components").expect("stored");
        assert_close(&format!("{}: components", case.name), components, &reference("components"), 1e-6, 1e-3);
        let ratios = parts.array::<f64>("explained_variance_ratio").expect("stored");
        assert_close(&format!("{}: ratios", case.name), ratios, &reference("ratios"), 1e-6, 1e-9);
        let rows = sample(&case.data);
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let transform = model.transformer().expect("transforms");
        let mut out = vec![0.0; rows.n_rows() * transform.n_components()];
        transform.transform_into(rows, &mut out).expect("transforms");
        assert_close(&format!("{}: coordinates", case.name), &out, &reference("transformed"), 1e-6, 1e-3);
        let explained: f64 = reference("ratios").iter().sum();
        let (name, value) = model.own_metrics()[0];
        assert_eq!(name, "cumulative_explained_variance");
        assert!((value - explained).abs() < 1e-9, "{}: {value} is not {explained}", case.name);
    }
}

#[test]
fn more_components_than_rows_or_features_are_refused() {
    let data = pgml_core::Dataset::from_rows(&[1.0, 2.0, 3.0, 5.0, 8.0, 13.0], 2).expect("three rows");
    let pca = pgml_models::algorithm("pca").expect("registered");
    for bad in [serde_json::json!(3), serde_json::json!(0), serde_json::json!(-0.5), serde_json::json!("many")] {
        let params = [("n_components".to_owned(), bad)].into_iter().collect();
        let outcome = pca.fit(&params, &data, pgml_core::Task::Decomposition, &pgml_core::Run::new());
        assert_eq!(outcome.err().map(|e| e.kind()), Some(pgml_core::ErrorKind::InvalidParameter));
    }
}
