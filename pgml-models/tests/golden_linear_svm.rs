//! Linear support vector machines against scikit-learn 1.9.1 (`tests/golden/linear_svm.py`).

mod golden_cases;

use golden_cases::{Case, assert_close, assert_no_worse, cases, cases_with, every, numbers, predictions};
use pgml_core::{Estimator, Model, Run, Task};
use pgml_models::algorithms::linear_svm::LinearSvm;
use pgml_models::linear_model::LinearModel;
use pgml_models::per_target::PerTarget;
use serde_json::{Map, Value, json};

fn fit(case: &Case, more: &Value) -> PerTarget<LinearModel> {
    let mut params: Map<String, Value> = case.params.clone();
    params.extend(more.as_object().expect("an object").clone());
    let algorithm = pgml_models::algorithm("linear_svm").expect("registered");
    let model = algorithm.fit(&params, &case.data, case.task, &Run::new()).expect("fits");
    LinearSvm::decode(&model.encode().expect("encodes")).expect("decodes")
}

/// Rounding around 0 is 0.
fn solid(values: &[f64]) -> Vec<f64> {
    values.iter().map(|x| if x.abs() < 1e-9 { 0.0 } else { *x }).collect()
}

#[test]
fn coefficients_at_a_tight_tolerance_equal_scikit_learn() {
    every(cases_with("linear_svm", "coef"), |case| {
        let model = fit(case, &json!({"tol": 1e-11, "max_iter": 2_000_000}));
        let out = predictions(&model, &case.data);
        let reference = solid(&numbers(&case.expected["predictions"]));
        assert_close(&format!("{}: predictions", case.name), &solid(&out), &reference, 1e-6, 1e-2);
        for (name, of) in
            [("coef", LinearModel::coef as fn(&LinearModel) -> &[f64]), ("intercept", LinearModel::intercept)]
        {
            let ours: Vec<f64> = model.models().iter().flat_map(|m| of(m).to_vec()).collect();
            let reference = solid(&numbers(&case.expected[name]));
            assert_close(&format!("{}: {name}", case.name), &solid(&ours), &reference, 1e-6, 1e-2);
        }
    });
}

#[test]
fn the_objective_is_no_worse_at_the_default_tolerance_and_at_a_tight_one() {
    every(cases("linear_svm"), |case| {
        let tight = json!({"tol": 1e-11, "max_iter": 2_000_000});
        for (key, more, slack) in [("objective", json!({}), 1e-6), ("least_objective", tight, 1e-10)] {
            if let Some(reference) = case.expected.get(key).and_then(Value::as_f64) {
                let ours = objective(case, &fit(case, &more).models()[0]);
                assert_no_worse(&format!("{}: {key}", case.name), ours, reference, slack);
            }
        }
    });
}

/// What LIBLINEAR minimises, at the model's coefficients.
fn objective(case: &Case, model: &LinearModel) -> f64 {
    let number = |name: &str, default: f64| case.params.get(name).and_then(Value::as_f64).unwrap_or(default);
    let is = |name: &str, text: &str| case.params.get(name).and_then(Value::as_str) == Some(text);
    let (c, scale, epsilon) = (number("C", 1.0), number("intercept_scaling", 1.0), number("epsilon", 0.0));
    let y = case.data.target().expect("a target");
    let rows = case.data.to_rows();
    let regression = case.task == Task::Regression;
    let squared = is("loss", "squared_epsilon_insensitive") || (!regression && !is("loss", "hinge"));
    let d = model.n_features();
    if is("multi_class", "crammer_singer") {
        return all_classes(case, model);
    }
    let of_score = |(k, (w, b)): (usize, (&[f64], &f64))| {
        let with_intercept = || w.iter().copied().chain([b / scale]);
        let size: f64 = match is("penalty", "l1") {
            true => with_intercept().map(f64::abs).sum(),
            false => 0.5 * with_intercept().map(|w| w * w).sum::<f64>(),
        };
        let positive = if model.intercept().len() == 1 { 1.0 } else { k as f64 };
        let loss = |(i, x): (usize, &[f64])| {
            let score = b + x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
            let excess = match regression {
                true => ((score - y[i]).abs() - epsilon).max(0.0),
                false => (1.0 - if y[i] == positive { score } else { -score }).max(0.0),
            };
            c * case.data.weight().map_or(1.0, |w| w[i]) * if squared { excess * excess } else { excess }
        };
        size + rows.chunks_exact(d).enumerate().map(loss).sum::<f64>()
    };
    model.coef().chunks_exact(d).zip(model.intercept()).enumerate().map(of_score).sum()
}

fn all_classes(case: &Case, model: &LinearModel) -> f64 {
    let c = case.params.get("C").and_then(Value::as_f64).unwrap_or(1.0);
    let d = model.n_features();
    let loss = |(row, y): (&[f64], &f64)| {
        let weights = model.coef().chunks_exact(d).zip(model.intercept());
        let scores: Vec<f64> = weights.map(|(w, b)| b + row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>()).collect();
        let y = *y as usize;
        let beyond = |(m, s): (usize, &f64)| s - scores[y] + f64::from(u8::from(m != y));
        scores.iter().enumerate().map(beyond).fold(0.0, f64::max)
    };
    let rows = case.data.to_rows();
    let size: f64 = model.coef().iter().chain(model.intercept()).map(|w| w * w).sum();
    let weight = |i: usize| case.data.weight().map_or(1.0, |w| w[i]);
    let pairs = rows.chunks_exact(d).zip(case.data.target().expect("a target")).enumerate();
    0.5 * size + c * pairs.map(|(i, pair)| weight(i) * loss(pair)).sum::<f64>()
}
