//! Kernel ridge regression, ν- and one-class support vector machines against scikit-learn 1.9.1
//! (`tests/golden/kernel_machines.py`).

mod golden_cases;

use golden_cases::answers::agree;
use golden_cases::{assert_close, cases, fit, numbers, sample};
use pgml_core::{Dataset, Estimator, MatrixRef, Run, Task};
use pgml_models::algorithms::nu_svm::NuSvm;
use serde_json::json;

#[test]
fn kernel_ridge_equals_scikit_learn() {
    agree("kernel_machines", 1e-7, |case| case.algorithm == "kernel_ridge");
}

#[test]
fn one_class_machines_are_those_of_the_optimum() {
    agree("kernel_machines", 1e-6, |case| case.algorithm == "one_class_svm");
}

#[test]
fn nu_regressions_are_those_of_the_optimum() {
    agree("kernel_machines", 1e-6, |case| case.algorithm == "nu_svm" && case.task == Task::Regression);
}

#[test]
fn nu_classifications_are_those_of_the_optimum() {
    let is_one = |case: &golden_cases::Case| case.algorithm == "nu_svm" && case.task == Task::Classification;
    agree("kernel_machines", 1e-9, is_one);
    for case in cases("kernel_machines").into_iter().filter(is_one) {
        let model = NuSvm::decode(&fit(&case).encode().expect("encodes")).expect("decodes");
        let rows = sample(&case.data);
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let mut out = vec![0.0; rows.n_rows() * model.n_machines()];
        model.decisions_into(rows, &mut out).expect("finite rows");
        assert_close(&case.name, &out, &numbers(&case.expected["decisions"]), 1e-6, 1.0);
    }
}

#[test]
fn a_nu_that_no_border_can_have_is_refused() {
    let data = Dataset::from_rows(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 1);
    let classes = vec![0., 1., 1., 1., 1., 1., 1., 1., 1., 1.];
    let data = data.and_then(|d| d.with_classes(classes, 2)).expect("ten rows");
    let algorithm = pgml_models::algorithm("nu_svm").expect("registered");
    for (nu, fits) in [(0.15, true), (0.25, false)] {
        let params = json!({ "nu": nu }).as_object().expect("an object").clone();
        let fitted = algorithm.fit(&params, &data, Task::Classification, &Run::new());
        assert_eq!(fitted.is_ok(), fits, "{nu}");
    }
}
