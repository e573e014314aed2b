//! Support vector machines against scikit-learn 1.9.1 (`tests/golden/svm.py`).

mod golden_cases;

use golden_cases::{Case, assert_close, cases, fit, numbers, predictions, probabilities, sample};
use pgml_core::{Estimator, MatrixRef, Run, metrics};
use pgml_models::algorithms::svm::{Svm, SvmModel};
use pgml_models::solvers::platt::{Coupling, Sigmoid};
use serde_json::Value;

/// The cases whose `expected` has `key`.
fn cases_with(key: &str) -> Vec<Case> {
    cases("svm").into_iter().filter(|case| case.expected.contains_key(key)).collect()
}

/// Through the stored form, so that it is tested too.
fn decisions(case: &Case) -> Vec<f64> {
    let model: SvmModel = Svm::decode(&fit(case).encode().expect("encodes")).expect("decodes");
    let rows = sample(&case.data);
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * model.n_machines()];
    model.decisions_into(rows, &mut out).expect("finite rows");
    out
}

#[test]
fn decisions_are_those_of_the_optimum() {
    for case in cases_with("exact") {
        let exact = numbers(&case.expected["exact"]);
        assert_close(&case.name, &decisions(&case), &exact, 1e-7, 1.0);
    }
}

#[test]
fn decisions_differ_from_scikit_learn_by_the_rounding_of_its_kernel_only() {
    for case in cases_with("decisions") {
        let rounding = case.expected["difference"].as_f64().expect("a number");
        let reference = numbers(&case.expected["decisions"]);
        assert_close(&case.name, &decisions(&case), &reference, 1.01 * rounding + 1e-7, 1.0);
    }
}

#[test]
fn predictions_equal_scikit_learn() {
    for case in cases_with("predictions") {
        let ours = predictions(fit(&case).as_ref(), &case.data);
        let tolerance = case.expected.get("difference").and_then(Value::as_f64).unwrap_or(0.0);
        // Classes are equal or differ by 1: the tolerance is for values alone.
        assert_close(&case.name, &ours, &numbers(&case.expected["predictions"]), 1.01 * tolerance + 1e-7, 1.0);
    }
}

#[test]
fn probabilities_of_pairs_are_coupled_as_scikit_learn_does() {
    for case in cases_with("probabilities") {
        let reference = |name: &str| numbers(&case.expected["probabilities"][name]);
        let sigmoids: Vec<Sigmoid> =
            reference("a").iter().zip(reference("b")).map(|(a, b)| Sigmoid { a: *a, b }).collect();
        let k = case.data.n_classes();
        let mut ours = Vec::new();
        for decisions in reference("decisions").chunks_exact(sigmoids.len()) {
            let pairs: Vec<f64> = decisions.iter().zip(&sigmoids).map(|(f, s)| s.probability(*f)).collect();
            let mut p = vec![0.0; k];
            Coupling::new(k).couple(&pairs, &mut p);
            ours.extend(p);
        }
        assert_close(&case.name, &ours, &reference("exact"), 1e-9, 1.0);
        // libsvm ends the same iteration at a tolerance of 0.005 / classes.
        assert_close(&case.name, &ours, &reference("libsvm"), 0.005, 1.0);
    }
}

#[test]
fn sigmoids_of_held_out_decisions_equal_scikit_learn() {
    for case in cases_with("probabilities") {
        let reference = |name: &str| numbers(&case.expected["probabilities"][name]);
        let positive: Vec<bool> = reference("first").iter().map(|y| *y > 0.0).collect();
        let sigmoid = Sigmoid::fit(&reference("held_out"), &positive);
        // scikit-learn minimises by L-BFGS to a gradient of 1e-5.
        assert_close(&case.name, &[sigmoid.a, sigmoid.b], &reference("sigmoid"), 1e-4, 1.0);
    }
}

#[test]
fn probabilities_are_as_good_as_scikit_learn() {
    for case in cases_with("probabilities") {
        let algorithm = pgml_models::algorithm("svm").expect("registered");
        let run = Run::new().with_seed(3);
        let model = algorithm.fit(&case.params, &case.data, case.task, &run).expect("fits");
        let rows = case.data.to_rows();
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let classifier = model.classifier().expect("trained with probability");
        let mut p = vec![0.0; rows.n_rows() * classifier.n_classes()];
        classifier.predict_proba_into(rows, &mut p).expect("finite rows");
        let (mut right, mut loss) = (0.0, 0.0);
        for (p, y) in p.chunks_exact(classifier.n_classes()).zip(case.data.target().expect("a target")) {
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{}: {p:?}", case.name);
            loss -= p[*y as usize].ln();
            right += f64::from(p.iter().all(|other| *other <= p[*y as usize]));
        }
        let n = rows.n_rows() as f64;
        let reference = &case.expected["probabilities"];
        // The folds are drawn, by scikit-learn too: its ten seeds and a little more.
        let losses = numbers(&reference["log_losses"]);
        let (low, high) = losses.iter().fold((f64::MAX, 0.0_f64), |(a, b), x| (a.min(*x), b.max(*x)));
        let loss = loss / n;
        assert!(loss > 0.9 * low && loss < 1.1 * high, "{}: log loss {loss}, not {low} to {high}", case.name);
        let accuracy = reference["accuracy"].as_f64().expect("a number");
        assert!((right / n - accuracy).abs() < 0.02, "{}: {} is not {accuracy}", case.name, right / n);
    }
}

#[test]
fn probabilities_depend_on_the_seed_and_predictions_do_not() {
    let case = cases_with("probabilities").swap_remove(1);
    let algorithm = pgml_models::algorithm("svm").expect("registered");
    let with_seed = |seed: u64| {
        let run = Run::new().with_seed(seed);
        let model = algorithm.fit(&case.params, &case.data, case.task, &run).expect("fits");
        (predictions(model.as_ref(), &case.data), probabilities(model.as_ref(), &case.data))
    };
    let (first, again, other) = (with_seed(1), with_seed(1), with_seed(2));
    assert_eq!(first, again);
    assert_eq!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn without_probability_there_are_none() {
    let case = cases_with("predictions").pop().expect("a classification");
    assert!(fit(&case).classifier().is_none());
}

#[test]
fn the_names_of_postgresml_mean_those_of_scikit_learn() {
    let algorithm = pgml_models::algorithm("svm").expect("registered");
    let case = cases_with("predictions").swap_remove(0);
    let fit = |params: Value| {
        let params = params.as_object().expect("an object").clone();
        predictions(algorithm.fit(&params, &case.data, case.task, &Run::new()).expect("fits").as_ref(), &case.data)
    };
    let poly = fit(serde_json::json!({"kernel": "poly", "tol": 1e-5, "C": 2}));
    assert_eq!(fit(serde_json::json!({"kernel": "poli", "eps": 1e-5, "c": 2})), poly);
    assert_ne!(fit(serde_json::json!({"kernel": "poly", "tol": 10.0, "C": 2})), poly);
}

#[test]
fn rows_without_weight_are_as_if_absent() {
    let case = cases_with("probabilities").swap_remove(1);
    let n = case.data.n_rows();
    // The last class loses all its rows.
    let y = case.data.target().expect("a target").to_vec();
    let weight = y.iter().map(|y| if *y < 2.0 { 1.0 } else { 0.0 }).collect();
    let weighted = case.data.clone().with_weight(weight).expect("a weight per row");
    let params = serde_json::json!({"gamma": 0.5}).as_object().expect("an object").clone();
    let algorithm = pgml_models::algorithm("svm").expect("registered");
    let model = algorithm.fit(&params, &weighted, case.task, &Run::new()).expect("two classes are left");
    let rows = case.data.to_rows();
    let mut out = vec![0.0; n];
    model.predict_into(MatrixRef::new(&rows, case.data.n_features()).expect("whole rows"), &mut out).expect("predicts");
    assert!(out.iter().all(|class| *class < 2.0));
    let known: Vec<usize> = (0..n).filter(|i| y[*i] < 2.0).collect();
    let pick = |values: &[f64]| known.iter().map(|i| values[*i]).collect::<Vec<_>>();
    assert!(metrics::ConfusionMatrix::new(&pick(&y), &pick(&out)).accuracy() > 0.7);
}
