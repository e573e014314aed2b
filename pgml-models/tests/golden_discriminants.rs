//! Discriminant analysis against scikit-learn 1.9.1 (`tests/golden/discriminants.py`).

mod golden_cases;

use golden_cases::answers::agree;
use golden_cases::cases;
use pgml_core::Run;

#[test]
fn linear_discriminants_equal_scikit_learn() {
    agree("discriminants", 1e-7, |case| case.algorithm == "linear_discriminant");
}

#[test]
fn quadratic_discriminants_equal_scikit_learn() {
    agree("discriminants", 1e-7, |case| case.algorithm == "quadratic_discriminant");
}

#[test]
fn singular_covariances_are_refused_where_the_solver_needs_their_inverse() {
    let case = cases("discriminants").into_iter().find(|case| case.data.n_features() > case.data.n_rows());
    let case = case.expect("a case of fewer rows than features");
    let params = serde_json::json!({"solver": "eigen"}).as_object().expect("an object").clone();
    let algorithm = pgml_models::algorithm("linear_discriminant").expect("registered");
    let wide = case.data.select(&(0..6).collect::<Vec<u32>>());
    let refused = algorithm.fit(&params, &wide, case.task, &Run::new()).err().map(|e| e.message().to_owned());
    assert!(refused.is_some_and(|message| message.contains("singular")));
}
