//! Truncated SVD, incremental PCA, factor analysis and FastICA against scikit-learn 1.9.1
//! (`tests/golden/decompositions.py`).

mod golden_cases;

use golden_cases::{Case, assert_close, cases, fit, numbers, sample};
use pgml_core::{MatrixRef, Model};

fn cases_of(algorithm: &str) -> Vec<Case> {
    cases("decompositions").into_iter().filter(|case| case.algorithm == algorithm).collect()
}

/// Compares components and coordinates, column by column up to a sign where the reference fixes none.
fn equals_the_reference(case: &Case, model: &dyn Model) {
    let parts = model.encode().expect("encodes");
    let d = case.data.n_features();
    let reference = numbers(&case.expected["components"]);
    let components = parts.array::<f64>("components").expect("stored");
    let signs: Vec<f64> = components
        .chunks_exact(d)
        .zip(reference.chunks_exact(d))
        .map(|(ours, theirs)| ours.iter().zip(theirs).map(|(a, b)| a * b).sum::<f64>().signum())
        .map(|sign| if case.expected["any_sign"] == true { sign } else { 1.0 })
        .collect();
    let signed: Vec<f64> =
        components.chunks_exact(d).zip(&signs).flat_map(|(row, sign)| row.iter().map(move |x| x * sign)).collect();
    // Where the iteration stops, a direction is known to the root of the tolerance: relative to its longest part.
    let floor = if case.algorithm == "fast_ica" { 1.0 } else { 1e-3 };
    assert_close(&format!("{}: components", case.name), &signed, &reference, 1e-6, floor);
    let rows = sample(&case.data);
    let rows = MatrixRef::new(&rows, d).expect("whole rows");
    let transform = model.transformer().expect("transforms");
    let k = transform.n_components();
    let mut out = vec![0.0; rows.n_rows() * k];
    transform.transform_into(rows, &mut out).expect("transforms");
    out.iter_mut().zip(signs.iter().cycle()).for_each(|(x, sign)| *x *= sign);
    assert_close(&format!("{}: coordinates", case.name), &out, &numbers(&case.expected["transformed"]), 1e-6, floor);
    let mut first = vec![0.0; rows.n_rows()];
    model.predict_into(rows, &mut first).expect("predicts");
    let column: Vec<f64> = out.chunks_exact(k).map(|row| row[0] * signs[0]).collect();
    assert_eq!(first, column, "{}: the prediction is the first coordinate", case.name);
}

fn stored_equals(case: &Case, model: &dyn Model, names: &[&str]) {
    let parts = model.encode().expect("encodes");
    for name in names {
        let ours = parts.array::<f64>(name).expect("stored");
        assert_close(&format!("{}: {name}", case.name), ours, &numbers(&case.expected[*name]), 1e-6, 1e-6);
    }
}

#[test]
fn truncated_svd_equals_scikit_learn() {
    for case in cases_of("truncated_svd") {
        let model = fit(&case);
        equals_the_reference(&case, &*model);
        stored_equals(&case, &*model, &["explained_variance_ratio"]);
    }
}

#[test]
fn incremental_pca_equals_scikit_learn_batch_by_batch() {
    for case in cases_of("incremental_pca") {
        let model = fit(&case);
        equals_the_reference(&case, &*model);
        stored_equals(&case, &*model, &["explained_variance_ratio"]);
    }
}

#[test]
fn factor_analysis_equals_scikit_learn_up_to_signs() {
    for case in cases_of("factor_analysis") {
        let model = fit(&case);
        equals_the_reference(&case, &*model);
        stored_equals(&case, &*model, &["noise_variance"]);
    }
}

#[test]
fn fast_ica_equals_scikit_learn_from_the_same_start() {
    for case in cases_of("fast_ica") {
        let model = fit(&case);
        equals_the_reference(&case, &*model);
        stored_equals(&case, &*model, &["mean"]);
    }
}
