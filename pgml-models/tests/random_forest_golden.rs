//! Random forests against scikit-learn 1.9.1; `tests/golden/random_forest.py` made the numbers.

use pgml_core::{Dataset, MatrixRef, Model, Run, Task};
use pgml_models::algorithm;
use serde_json::{Map, Value, json};

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/random_forest.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the golden file")).expect("JSON")
}

fn numbers(json: &Value) -> Vec<f64> {
    json.as_array().expect("an array").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// As `uniforms` in the script: SplitMix64 from state `stream`.
fn uniforms(n: usize, stream: u64) -> Vec<f64> {
    let number = |i: u64| {
        let mut z = stream.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2.0_f64.powi(53)
    };
    (1..=n as u64).map(number).collect()
}

/// As `synthetic` in the script: rows and what they are to predict.
fn synthetic(n: usize, width: usize, stream: u64) -> (Vec<f64>, Vec<f64>) {
    let x: Vec<f64> = uniforms(n * width, stream).iter().map(|u| f64::from((u * 2.0 - 1.0) as f32)).collect();
    let noise = uniforms(n, stream + 1);
    let target = |(x, u): (&[f64], &f64)| x[0] + x[1] * x[2] + x[3] * x[3] - 0.5 * x[4] + 0.5 * x[5] * x[6] + (u - 0.5);
    let y = x.chunks_exact(width).zip(&noise).map(target).collect();
    (x, y)
}

struct Set {
    train: Dataset,
    x_test: Vec<f64>,
    y_test: Vec<f64>,
    n_classes: usize,
}

/// Every fourth row is for testing.
fn split(x: &[f64], y: &[f64], width: usize, n_classes: usize) -> Set {
    let rows = |test: bool| (0..y.len()).filter(move |i| (i % 4 == 0) == test);
    let pick = |test| rows(test).flat_map(|i| x[i * width..][..width].to_vec()).collect::<Vec<_>>();
    let target = |test| rows(test).map(|i| y[i]).collect::<Vec<_>>();
    Set {
        train: dataset(&pick(false), target(false), width, n_classes),
        x_test: pick(true),
        y_test: target(true),
        n_classes,
    }
}

fn dataset(x: &[f64], y: Vec<f64>, width: usize, n_classes: usize) -> Dataset {
    let data = Dataset::from_rows(x, width).expect("whole rows");
    if n_classes > 0 { data.with_classes(y, n_classes) } else { data.with_target(y) }.expect("a target")
}

fn task(n_classes: usize) -> Task {
    if n_classes > 0 { Task::Classification } else { Task::Regression }
}

fn fit(params: &Map<String, Value>, data: &Dataset, seed: u64) -> Box<dyn Model> {
    let run = Run::new().with_seed(seed).with_threads(2);
    algorithm("random_forest").and_then(|a| a.fit(params, data, task(data.n_classes()), &run)).expect("a forest")
}

fn predict(model: &dyn Model, x: &[f64]) -> Vec<f64> {
    let rows = MatrixRef::new(x, model.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows()];
    model.predict_into(rows, &mut out).expect("predictions");
    out
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Accuracy or R².
fn score(model: &dyn Model, x: &[f64], y: &[f64], n_classes: usize) -> f64 {
    let guess = predict(model, x);
    if n_classes > 0 {
        return mean(guess.iter().zip(y).map(|(a, b)| f64::from(u8::from(a == b))));
    }
    let centre = mean(y.iter().copied());
    let rest: f64 = guess.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum();
    1.0 - rest / y.iter().map(|b| (b - centre).powi(2)).sum::<f64>()
}

/// Both scores that the golden file holds for the task, by name.
fn scores(model: &dyn Model, set: &Set) -> [(&'static str, f64); 2] {
    let first = score(model, &set.x_test, &set.y_test, set.n_classes);
    let Some(classifier) = model.classifier() else {
        let guess = predict(model, &set.x_test);
        return [
            ("r2", first),
            ("mean_absolute_error", mean(guess.iter().zip(&set.y_test).map(|(a, b)| (a - b).abs()))),
        ];
    };
    let mut proba = vec![0.0; set.y_test.len() * set.n_classes];
    let rows = MatrixRef::new(&set.x_test, model.n_features()).expect("whole rows");
    classifier.predict_proba_into(rows, &mut proba).expect("probabilities");
    let of_truth = set.y_test.iter().enumerate().map(|(i, y)| proba[i * set.n_classes + *y as usize]);
    [("accuracy", first), ("true_class_probability", mean(of_truth))]
}

/// Mean and squared standard error.
fn moments(values: &[f64]) -> (f64, f64) {
    let (n, centre) = (values.len() as f64, mean(values.iter().copied()));
    let variance = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / (n - 1.0);
    (centre, variance / n)
}

fn scores_as_scikit_learn(name: &str, set: &Set) {
    let golden = golden();
    let reference = &golden["sets"][name]["scores"];
    let runs: Vec<_> = (0..10).map(|seed| scores(fit(&Map::new(), &set.train, seed).as_ref(), set)).collect();
    for (i, (metric, _)) in runs[0].iter().enumerate() {
        let (ours, our_error) = moments(&runs.iter().map(|run| run[i].1).collect::<Vec<_>>());
        let (theirs, their_error) = moments(&numbers(&reference[metric]));
        let allowed = 3.0 * (our_error + their_error).sqrt();
        println!("{name} {metric}: {ours:.5} here, {theirs:.5} there, may differ by {allowed:.5}");
        assert!((ours - theirs).abs() <= allowed, "{name} {metric}: {ours} here, {theirs} there, allowed {allowed}");
    }
}

fn stored_set(name: &str) -> Set {
    let golden = golden();
    let stored = &golden["sets"][name];
    let x = match stored["x_digits"].as_str() {
        Some(digits) => digits.chars().map(|c| f64::from(c.to_digit(17).expect("0 to g"))).collect(),
        None => numbers(&stored["x"]),
    };
    let y = numbers(&stored["y"]);
    let n_classes =
        if stored["task"] == "classification" { y.iter().fold(0.0, |a: f64, b| a.max(*b)) as usize + 1 } else { 0 };
    split(&x, &y, stored["n_features"].as_u64().expect("a count") as usize, n_classes)
}

#[test]
fn digits_scores_as_scikit_learn() {
    scores_as_scikit_learn("digits", &stored_set("digits"));
}

#[test]
fn breast_cancer_scores_as_scikit_learn() {
    scores_as_scikit_learn("breast_cancer", &stored_set("breast_cancer"));
}

#[test]
fn wine_scores_as_scikit_learn() {
    scores_as_scikit_learn("wine", &stored_set("wine"));
}

#[test]
fn diabetes_scores_as_scikit_learn() {
    scores_as_scikit_learn("diabetes", &stored_set("diabetes"));
}

#[test]
fn twenty_thousand_synthetic_rows_score_as_scikit_learn() {
    let (x, y) = synthetic(20_000, 28, 5);
    let classes: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y > 0.3))).collect();
    scores_as_scikit_learn("synthetic_classes", &split(&x, &classes, 28, 2));
}

#[test]
fn synthetic_values_score_as_scikit_learn() {
    let (x, y) = synthetic(3_000, 10, 6);
    scores_as_scikit_learn("synthetic_values", &split(&x, &y, 10, 0));
}

/// Parameters under which a forest is one tree on all rows and features.
fn one_tree(extra: &Value) -> Map<String, Value> {
    let mut params = json!({"n_estimators": 1, "bootstrap": false, "max_features": null});
    let all = params.as_object_mut().expect("an object");
    all.extend(extra.as_object().expect("an object").clone());
    all.clone()
}

/// Leaves as the stored form counts them: nodes that are their own child.
fn n_leaves(model: &dyn Model) -> usize {
    let parts = model.encode().expect("parts");
    let nodes = parts.array::<u32>("tree_nodes").expect("threshold, feature and left child of each node");
    let children: Vec<u32> = nodes.iter().skip(2).step_by(3).copied().collect();
    children.iter().enumerate().filter(|(at, left)| **left as usize == *at).count()
}

#[test]
fn a_single_tree_has_the_leaves_and_fit_of_scikit_learns_under_every_stopping_rule() {
    let (x, y) = synthetic(600, 7, 77);
    let classes: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y > 0.0)) + f64::from(u8::from(*y > 0.6))).collect();
    let values: Vec<f64> = y.iter().map(|y| y.exp()).collect();
    let golden = golden();
    for case in golden["trees"].as_array().expect("cases") {
        let (target, n_classes) = if case["task"] == "classification" { (&classes, 3) } else { (&values, 0) };
        let data = dataset(&x[..400 * 7], target[..400].to_vec(), 7, n_classes);
        let model = fit(&one_tree(&case["params"]), &data, 0);
        let fit = score(model.as_ref(), &x[..400 * 7], &target[..400], n_classes);
        let (leaves, fits) = (numbers(&case["leaves"]), numbers(&case["fit"]));
        assert!((leaves[0]..=leaves[1]).contains(&(n_leaves(model.as_ref()) as f64)), "{case}");
        assert!((fits[0] - 1e-9..=fits[1] + 1e-9).contains(&fit), "{fit}, {case}");
    }
}

#[test]
fn a_tree_sends_missing_values_where_scikit_learns_does() {
    let (mut x, y) = synthetic(600, 7, 78);
    x.iter_mut().zip(uniforms(600 * 7, 79)).filter(|(_, u)| *u < 0.15).for_each(|(x, _)| *x = f64::NAN);
    let data = dataset(&x[..400 * 7], y[..400].to_vec(), 7, 0);
    let golden = golden();
    let reference = &golden["missing"];
    let model = fit(&one_tree(&json!({"min_samples_leaf": 5})), &data, 0);
    let guess = predict(model.as_ref(), &x[400 * 7..]);
    assert_eq!(n_leaves(model.as_ref()) as u64, reference["leaves"].as_u64().expect("a count"));
    let equal = guess.iter().zip(numbers(&reference["predictions"])).filter(|(a, b)| (*a - b).abs() < 1e-9).count();
    assert_eq!(equal, 200);
}
