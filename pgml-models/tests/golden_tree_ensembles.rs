//! Trees and their ensembles against scikit-learn 1.9.1 (`tests/golden/tree_ensembles.py`).

mod golden_cases;

use std::collections::BTreeMap;

use golden_cases::seeds::{Mean, assert_same_mean, over_seeds};
use golden_cases::{Case, assert_close, cases_of, every, fit, numbers, predictions, probabilities};
use pgml_core::{Dataset, MatrixRef, Model, Run, Task};

fn agree(algorithm: &str) {
    every(cases_of("tree_ensembles", algorithm), |case| {
        let model = fit(case);
        let reference = |name: &str| numbers(&case.expected[name]);
        let out = predictions(model.as_ref(), &case.data);
        assert_close(&format!("{}: predictions", case.name), &out, &reference("predictions"), 1e-6, 1e-3);
        if case.expected.contains_key("probabilities") {
            let out = probabilities(model.as_ref(), &case.data);
            assert_close(&format!("{}: probabilities", case.name), &out, &reference("probabilities"), 1e-6, 1.0);
        }
    });
}

#[test]
fn a_decision_tree_equals_scikit_learns() {
    agree("decision_tree");
}

#[test]
fn gradient_boosting_equals_scikit_learns_under_every_loss() {
    agree("gradient_boosting_trees");
}

#[test]
fn ada_boost_for_classes_equals_scikit_learns() {
    agree("ada_boost");
}

#[test]
fn forests_and_bags_without_randomness_equal_scikit_learns() {
    agree("random_forest");
    agree("bagging");
}

/// Every fourth row is for testing.
fn split(data: &Dataset) -> (Dataset, Dataset) {
    let rows = |test: bool| (0..data.n_rows() as u32).filter(|i| (i % 4 == 0) == test).collect::<Vec<_>>();
    (data.select(&rows(false)), data.select(&rows(true)))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// What the golden file holds, by name, for one seed.
fn scores(case: &Case, model: &dyn Model, test: &Dataset) -> Vec<(&'static str, f64)> {
    let (rows, truth) = (test.to_rows(), test.target().expect("a target"));
    let rows = MatrixRef::new(&rows, test.n_features()).expect("whole rows");
    let mut guess = vec![0.0; truth.len()];
    model.predict_into(rows, &mut guess).expect("predicts");
    let mut scores = model.own_metrics();
    if case.task == Task::Classification {
        let classifier = model.classifier().expect("has probabilities");
        let mut proba = vec![0.0; truth.len() * classifier.n_classes()];
        classifier.predict_proba_into(rows, &mut proba).expect("predicts");
        let right = guess.iter().zip(truth).map(|(a, b)| f64::from(u8::from(a == b)));
        let of_truth = proba.chunks_exact(classifier.n_classes()).zip(truth).map(|(p, y)| p[*y as usize]);
        scores.push(("accuracy", mean(&right.collect::<Vec<_>>())));
        scores.push(("true_class_probability", mean(&of_truth.collect::<Vec<_>>())));
    } else {
        let errors: Vec<f64> = guess.iter().zip(truth).map(|(a, b)| (a - b).abs()).collect();
        scores.push(("r2", pgml_core::metrics::r2(truth, &guess)));
        scores.push(("mean_absolute_error", mean(&errors)));
    }
    scores
}

fn score_alike(algorithm: &str) {
    every(cases_of("tree_ensembles_random", algorithm), |case| {
        let (train, test) = split(&case.data);
        let learner = pgml_models::algorithm(algorithm).expect("registered");
        let mut ours: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for of_seed in over_seeds(|seed| {
            let run = Run::new().with_seed(seed);
            let model = learner.fit(&case.params, &train, case.task, &run);
            scores(case, model.unwrap_or_else(|e| panic!("{}: {e}", case.name)).as_ref(), &test)
        }) {
            of_seed.into_iter().for_each(|(name, x)| ours.entry(name).or_default().push(x));
        }
        for (metric, theirs) in &case.expected {
            let what = format!("{}: {metric}", case.name);
            assert_same_mean(&what, &ours[metric.as_str()], Mean::of(&numbers(theirs)));
        }
    });
}

#[test]
fn random_decision_trees_score_as_scikit_learns() {
    score_alike("decision_tree");
}

#[test]
fn extra_trees_score_as_scikit_learns() {
    score_alike("extra_trees");
}

#[test]
fn random_forests_of_other_criteria_and_class_weights_score_as_scikit_learns() {
    score_alike("random_forest");
}

#[test]
fn bags_score_as_scikit_learns() {
    score_alike("bagging");
}

#[test]
fn ada_boost_for_values_scores_as_scikit_learns() {
    score_alike("ada_boost");
}

#[test]
fn random_gradient_boosting_scores_as_scikit_learns() {
    score_alike("gradient_boosting_trees");
}
