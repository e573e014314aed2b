//! Gaussian processes against scikit-learn 1.9.1 (`tests/golden/gaussian_processes.py`).

mod golden_cases;

use golden_cases::answers::agree;
use golden_cases::{assert_close, cases, fit};
use pgml_core::{Dataset, Feature, MatrixRef, Run, Task};

#[test]
fn regressions_equal_scikit_learn() {
    agree("gaussian_processes", 1e-6, |case| case.task == Task::Regression);
}

#[test]
fn classifications_equal_scikit_learn() {
    agree("gaussian_processes", 1e-6, |case| case.task == Task::Classification);
}

#[test]
fn likelihoods_are_as_high_as_those_of_scikit_learn() {
    for case in cases("gaussian_processes").into_iter().filter(|case| case.task == Task::Regression) {
        let ours: Vec<f64> = fit(&case).own_metrics().into_iter().map(|(_, value)| value).collect();
        let reference = case.expected["likelihood"].as_f64().expect("a number");
        assert_close(&case.name, &ours, &[reference], 1e-8, 1.0);
    }
}

/// The likelihood of data without noise grows until the covariances are nearly singular: the last ones evaluated are those
/// that are kept.
#[test]
fn data_without_noise_are_fitted_and_stored() {
    for left_out in 0..4 {
        let sizes: Vec<f32> = (1..=40_u8).filter(|x| x % 4 != left_out).map(f32::from).collect();
        let rooms: Vec<f32> = sizes.iter().map(|x| x % 7.0).collect();
        let price = sizes.iter().zip(&rooms).map(|(x, r)| f64::from(3.0 * x + 2.0 * r + 1.0)).collect();
        let data = Dataset::new(vec![Feature::new("size", sizes), Feature::new("rooms", rooms)])
            .and_then(|data| data.with_target(price))
            .expect("rows");
        let algorithm = pgml_models::algorithm("gaussian_process").expect("known");
        let model = algorithm.fit(&serde_json::Map::new(), &data, Task::Regression, &Run::new()).expect("fits");
        let stored = algorithm.decode(&model.encode().expect("encodes")).expect("decodes");
        let mut price = [0.0];
        stored.predict_into(MatrixRef::new(&[10.0, 3.0], 2).expect("a row"), &mut price).expect("predicts");
        assert!((price[0] - 37.0).abs() < 1e-3, "{price:?}");
    }
}
