//! Boosting on histograms against scikit-learn 1.9.1 (`tests/golden/hist_gradient_boosting.py`).

mod golden_cases;

use golden_cases::seeds::{Mean, assert_same_mean, over_seeds};
use golden_cases::{Case, assert_close, cases, every, fit, numbers, predictions, probabilities};
use pgml_core::{Dataset, MatrixRef, Run, Task, metrics};

#[test]
fn predictions_equal_scikit_learns() {
    every(cases("hist_gradient_boosting"), |case| {
        let model = fit(case);
        let out = predictions(model.as_ref(), &case.data);
        assert_close(&case.name, &out, &numbers(&case.expected["predictions"]), 1e-6, 1e-3);
        if let Some(expected) = case.expected.get("probabilities") {
            assert_close(&case.name, &probabilities(model.as_ref(), &case.data), &numbers(expected), 1e-6, 1e-3);
        }
    });
}

#[test]
fn scores_and_rounds_over_seeds_are_those_of_scikit_learn() {
    every(cases("hist_gradient_boosting_seeds"), |case| {
        let (scores, rounds): (Vec<f64>, Vec<f64>) = over_seeds(|seed| score(case, seed)).into_iter().unzip();
        for (what, ours) in [("score", scores), ("rounds", rounds)] {
            let reference = Mean::stored(&case.expected[what][0], &case.expected[what][1]);
            assert_same_mean(&format!("{}: {what}", case.name), &ours, reference);
        }
    });
}

/// The score of odd rows and the number of rounds after learning from even ones.
fn score(case: &Case, seed: u64) -> (f64, f64) {
    let every_other = |first: u32| (first..case.data.n_rows() as u32).step_by(2).collect::<Vec<u32>>();
    let (train, test) = (case.data.select(&every_other(0)), case.data.select(&every_other(1)));
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    let model = algorithm.fit(&case.params, &train, case.task, &Run::new().with_seed(seed)).expect("fits");
    let rounds = model.own_metrics().iter().find(|(name, _)| *name == "n_iter").expect("counts its rounds").1;
    let rows = test.to_rows();
    let rows = MatrixRef::new(&rows, test.n_features()).expect("whole rows");
    let y = test.target().expect("a target");
    if case.task == Task::Regression {
        let mut out = vec![0.0; test.n_rows()];
        model.predict_into(rows, &mut out).expect("predicts");
        return (metrics::mean_squared_error(y, &out), rounds);
    }
    let classifier = model.classifier().expect("has probabilities");
    let n = classifier.n_classes();
    let mut out = vec![0.0; test.n_rows() * n];
    classifier.predict_proba_into(rows, &mut out).expect("predicts");
    let loss = y.iter().zip(out.chunks(n)).map(|(class, p)| -p[*class as usize].max(f64::EPSILON).ln()).sum::<f64>();
    (loss / y.len() as f64, rounds)
}

/// Categories that a column declares are the same as ones that are named.
#[test]
fn declared_categories_are_named_ones() {
    let cases = cases("hist_gradient_boosting");
    let named = cases.iter().find(|case| case.params.contains_key("categorical_features")).expect("such a case");
    let mut features = named.data.features().to_vec();
    for column in numbers(&named.params["categorical_features"]) {
        features[column as usize].categories = Some(100);
    }
    let data = Dataset::new(features).and_then(|d| d.with_target(named.data.targets()[0].clone())).expect("same rows");
    let algorithm = pgml_models::algorithm(&named.algorithm).expect("registered");
    let declared = algorithm.fit(&serde_json::Map::new(), &data, named.task, &Run::new()).expect("fits");
    assert_eq!(fit(named).encode(), declared.encode());
}
