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

#[test]
fn few_components_of_many_equal_the_first_of_all() {
    for (n, d) in [(300, 120), (120, 300)] {
        let mut rng = fastrand::Rng::with_seed(2);
        let rows: Vec<f64> = (0..n * d).map(|i| (rng.f64() - 0.3) / (1.0 + (i % d) as f64)).collect();
        let data = pgml_core::Dataset::from_rows(&rows, d).expect("whole rows");
        let by = |solver: &str| {
            let params = serde_json::json!({"n_components": 3, "svd_solver": solver});
            let pca = pgml_models::algorithm("pca").expect("registered");
            let params = params.as_object().expect("an object");
            let model = pca.fit(params, &data, pgml_core::Task::Decomposition, &pgml_core::Run::new()).expect("fits");
            model.encode().expect("encodes")
        };
        let (all, few) = (by("full"), by("arpack"));
        for name in ["components", "explained_variance", "explained_variance_ratio", "mean"] {
            let of = |parts: &pgml_core::Parts| parts.array::<f64>(name).expect("stored").to_vec();
            assert_close(&format!("{n} × {d}: {name}"), &of(&few), &of(&all), 1e-9, 1e-3);
        }
    }
}
