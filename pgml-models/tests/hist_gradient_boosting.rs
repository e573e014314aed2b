//! What boosting on histograms promises beside scikit-learn's numbers.

use pgml_core::{Dataset, Feature, MatrixRef, Model, Run, Task};
use serde_json::{Value, json};

fn numbers(n_rows: usize, n_features: usize) -> Vec<f64> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..n_rows * n_features).map(|_| rng.f64() * 2.0 - 1.0).collect()
}

fn fit(params: &Value, data: &Dataset, task: Task, threads: usize) -> Box<dyn Model> {
    let algorithm = pgml_models::algorithm("hist_gradient_boosting").expect("registered");
    let params = params.as_object().expect("an object");
    algorithm.fit(params, data, task, &Run::new().with_threads(threads)).expect("fits")
}

fn predict(model: &dyn Model, rows: &[f64]) -> Vec<f64> {
    let rows = MatrixRef::new(rows, model.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows()];
    model.predict_into(rows, &mut out).expect("predicts");
    out
}

/// Enough rows that every part of the work is shared.
#[test]
fn many_rows_give_the_same_bytes_on_any_number_of_threads() {
    for n_features in [3, 5] {
        let rows = numbers(50_000, n_features);
        let data = Dataset::from_rows(&rows, n_features).expect("whole rows");
        let classes: Vec<f64> = rows.chunks(n_features).map(|x| f64::from(u8::from(x[0] * x[1] > x[2]))).collect();
        let data = data.with_classes(classes, 2).expect("two classes");
        let stored = |threads| fit(&json!({"max_iter": 5}), &data, Task::Classification, threads).encode();
        let one = stored(1).expect("encodes");
        for threads in [2, 3] {
            assert_eq!(stored(threads).expect("encodes"), one, "{threads} threads, {n_features} features");
        }
    }
}

#[test]
fn categories_that_training_did_not_see_are_missing_values() {
    let codes: Vec<f64> = (0..400).map(|i| if i % 9 == 0 { f64::NAN } else { f64::from(i % 8) * 3.0 }).collect();
    let target = codes.iter().map(|code| if code.is_nan() { 4.0 } else { (code * 7.0) % 5.0 }).collect();
    let category = Feature { categories: Some(40), ..Feature::new("code", codes) };
    let data = Dataset::new(vec![category]).and_then(|data| data.with_target(target)).expect("as many rows");
    let model = fit(&json!({}), &data, Task::Regression, 1);
    let out = predict(&*model, &[f64::NAN, 1.0, 22.0, 39.0, 5000.0, 3.0]);
    assert!(out[1..5].iter().all(|y| *y == out[0]), "{out:?}");
    assert!((out[0] - 4.0).abs() < 0.1 && (out[5] - 1.0).abs() < 0.1, "{out:?}");
}

#[test]
fn predictions_rise_and_fall_as_they_must() {
    let mut rng = fastrand::Rng::with_seed(2);
    let rows = numbers(600, 2);
    let target = rows.chunks(2).map(|x| x[0] + (9.0 * x[0]).sin() - x[1] + rng.f64()).collect();
    let data = Dataset::from_rows(&rows, 2).and_then(|data| data.with_target(target)).expect("as many rows");
    let model = fit(&json!({"monotonic_cst": {"x0": 1, "x1": -1}}), &data, Task::Regression, 1);
    let steps = || (-20..=20).map(|i| f64::from(i) / 20.0);
    for other in steps() {
        let rising = predict(&*model, &steps().flat_map(|x| [x, other]).collect::<Vec<f64>>());
        let falling = predict(&*model, &steps().flat_map(|x| [other, x]).collect::<Vec<f64>>());
        assert!(rising.is_sorted(), "along x0 at x1 = {other}");
        assert!(falling.iter().rev().is_sorted(), "along x1 at x0 = {other}");
    }
}

/// Without interactions a prediction is a sum of functions of one feature each.
#[test]
fn features_that_may_not_meet_add_up() {
    let rows = numbers(600, 3);
    let target = rows.chunks(3).map(|x| x[0] * x[1] + x[2]).collect();
    let data = Dataset::from_rows(&rows, 3).and_then(|data| data.with_target(target)).expect("as many rows");
    let mixed = |model: &dyn Model, a: usize, b: usize| {
        let at = |x: f64, y: f64| {
            let mut row = [0.1; 3];
            (row[a], row[b]) = (x, y);
            predict(model, &row)[0]
        };
        (at(0.7, 0.7) - at(0.7, -0.7) - at(-0.7, 0.7) + at(-0.7, -0.7)).abs()
    };
    let free = fit(&json!({}), &data, Task::Regression, 1);
    let alone = fit(&json!({"interaction_cst": "no_interactions"}), &data, Task::Regression, 1);
    let pair = fit(&json!({"interaction_cst": [["x0", "x1"]]}), &data, Task::Regression, 1);
    assert!(mixed(&*free, 0, 1) > 1.0 && mixed(&*pair, 0, 1) > 1.0);
    assert!(mixed(&*alone, 0, 1) < 1e-9 && mixed(&*pair, 0, 2) < 1e-9);
}

#[test]
fn more_categories_than_bins_are_refused_by_name() {
    let codes: Vec<f64> = (0..600).map(|i| f64::from(i % 300)).collect();
    let category = Feature { categories: Some(300), ..Feature::new("town", codes) };
    let data = Dataset::new(vec![category]).and_then(|data| data.with_target(numbers(600, 1))).expect("as many rows");
    let algorithm = pgml_models::algorithm("hist_gradient_boosting").expect("registered");
    let refusal = algorithm.fit(&serde_json::Map::new(), &data, Task::Regression, &Run::new());
    let message = refusal.map(|_| ()).expect_err("too many").message().to_owned();
    assert!(message.contains("\"town\" has 300 categories"), "{message}");
}
