//! Kernel principal components against scikit-learn 1.9.1 (`tests/golden/kernel_pca.py`).

mod golden_cases;

use golden_cases::{assert_close, cases, fit, numbers, sample};
use pgml_core::MatrixRef;

#[test]
fn eigenvalues_and_coordinates_equal_scikit_learn() {
    for case in cases("kernel_pca") {
        let model = fit(&case);
        let parts = model.encode().expect("encodes");
        let eigenvalues = parts.array::<f64>("eigenvalues").expect("stored");
        assert_close(&case.name, eigenvalues, &numbers(&case.expected["eigenvalues"]), 1e-6, 1e-6);
        // Not the training rows themselves, but near them.
        let rows: Vec<f64> = sample(&case.data).iter().map(|x| x * 1.01).collect();
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let transform = model.transformer().expect("transforms");
        let mut out = vec![0.0; rows.n_rows() * transform.n_components()];
        transform.transform_into(rows, &mut out).expect("transforms");
        assert_close(&case.name, &out, &numbers(&case.expected["transformed"]), 1e-6, 1e-3);
    }
}
