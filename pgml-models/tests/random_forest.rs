//! Random forests: what each hyperparameter does, and what every forest keeps.

use pgml_core::{Dataset, Error, ErrorKind, Feature, MatrixRef, Model, Run, Task};
use pgml_models::algorithm;
use serde_json::{Value, json};

const N: usize = 400;
const WIDTH: usize = 6;

/// Rows in [0, 1) and a value that depends on the first three features, with noise.
fn rows() -> (Vec<f64>, Vec<f64>) {
    let mut rng = Run::new().rng(11);
    let x: Vec<f64> = (0..N * WIDTH).map(|_| f64::from(rng.f32())).collect();
    let y = x.chunks_exact(WIDTH).map(|x| 2.0 * x[0] + x[1] * x[2] + 0.2 * rng.f64()).collect();
    (x, y)
}

fn values() -> Dataset {
    let (x, y) = rows();
    Dataset::from_rows(&x, WIDTH).and_then(|d| d.with_target(y)).expect("rows")
}

/// Three classes, the last one rare.
fn classes() -> Dataset {
    let (x, y) = rows();
    let y = y.iter().map(|y| f64::from(u8::from(*y > 1.2)) + f64::from(u8::from(*y > 2.2))).collect();
    Dataset::from_rows(&x, WIDTH).and_then(|d| d.with_classes(y, 3)).expect("rows")
}

fn try_fit(params: Value, data: &Dataset, run: &Run) -> Result<Box<dyn Model>, Error> {
    let task = if data.n_classes() > 0 { Task::Classification } else { Task::Regression };
    algorithm("random_forest")?.fit(params.as_object().expect("an object"), data, task, run)
}

fn fit(mut params: Value, data: &Dataset) -> Box<dyn Model> {
    if params.get("n_estimators").is_none() {
        params["n_estimators"] = json!(10);
    }
    try_fit(params, data, &Run::new().with_threads(2)).expect("a forest")
}

fn predict(model: &dyn Model, x: &[f64]) -> Vec<f64> {
    let rows = MatrixRef::new(x, model.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * model.n_outputs()];
    model.predict_into(rows, &mut out).expect("predictions");
    out
}

fn proba(model: &dyn Model, x: &[f64]) -> Vec<f64> {
    let classifier = model.classifier().expect("a classifier");
    let rows = MatrixRef::new(x, model.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * classifier.n_classes()];
    classifier.predict_proba_into(rows, &mut out).expect("probabilities");
    out
}

/// The stored form as text: thresholds of leaves are NaN, which equals nothing, not even in a stored array.
fn stored(model: &dyn Model) -> String {
    format!("{:?}", model.encode().expect("parts"))
}

/// Leaves and greatest depth of the trees, from the stored form: a leaf is its own child.
fn shape(model: &dyn Model) -> (usize, usize, usize) {
    let parts = model.encode().expect("parts");
    let nodes = parts.array::<u32>("tree_nodes").expect("threshold, feature and left child of each node");
    let children: Vec<u32> = nodes.iter().skip(2).step_by(3).copied().collect();
    let roots = parts.array::<u32>("tree_roots").expect("roots");
    let mut depths = vec![0; children.len()];
    let mut leaves = 0;
    for (at, left) in children.iter().enumerate() {
        let left = *left as usize;
        if left == at {
            leaves += 1;
        } else {
            depths[left] = depths[at] + 1;
            depths[left + 1] = depths[at] + 1;
        }
    }
    (roots.len(), leaves, depths.into_iter().max().unwrap_or(0))
}

/// How many training rows each leaf of a single tree holds.
fn rows_per_leaf(model: &dyn Model, data: &Dataset) -> Vec<usize> {
    let mut guesses = predict(model, &data.to_rows());
    guesses.sort_unstable_by(f64::total_cmp);
    guesses.chunk_by(|a, b| a == b).map(<[f64]>::len).collect()
}

fn single(extra: Value) -> Value {
    let mut params = json!({"n_estimators": 1, "bootstrap": false, "max_features": null});
    params.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    params
}

#[test]
fn growth_stops_where_the_parameters_say() {
    let data = values();
    let (trees, full, depth) = shape(fit(single(json!({})), &data).as_ref());
    assert_eq!((trees, full), (1, N));
    assert_eq!(shape(fit(json!({"n_estimators": 7}), &data).as_ref()).0, 7);
    assert!(depth > 3 && shape(fit(single(json!({"max_depth": 3})), &data).as_ref()).2 == 3);
    assert_eq!(shape(fit(single(json!({"max_leaf_nodes": 9})), &data).as_ref()).1, 9);
    for (params, least) in [
        (json!({"min_samples_leaf": 12}), 12),
        (json!({"min_samples_leaf": 0.03}), 12),
        (json!({"min_weight_fraction_leaf": 0.03}), 12),
    ] {
        let leaves = rows_per_leaf(fit(single(params.clone()), &data).as_ref(), &data);
        assert!(leaves.iter().all(|n| *n >= least) && leaves.iter().any(|n| *n < 2 * least), "{params} {leaves:?}");
    }
    let counted = shape(fit(single(json!({"min_samples_split": 40})), &data).as_ref());
    assert!(counted.1 < full / 4);
    assert_eq!(counted, shape(fit(single(json!({"min_samples_split": 0.1})), &data).as_ref()));
}

#[test]
fn small_gains_are_refused_or_pruned() {
    let data = values();
    for name in ["min_impurity_decrease", "ccp_alpha"] {
        let leaves = |x: f64| shape(fit(single(json!({name: x})), &data).as_ref()).1;
        assert!(leaves(0.0) == N && leaves(0.001) < N && leaves(0.01) < leaves(0.001) && leaves(10.0) == 1, "{name}");
    }
}

#[test]
fn every_choice_of_randomness_and_criterion_changes_the_forest() {
    let (values, classes) = (values(), classes());
    let stored = |params: Value, data| stored(fit(params, data).as_ref());
    for (data, params) in [
        (&values, json!({"max_features": 2})),
        (&values, json!({"max_features": 0.5})),
        (&values, json!({"max_features": "log2"})),
        (&values, json!({"bootstrap": false})),
        (&values, json!({"max_samples": 100})),
        (&values, json!({"random_state": 5})),
        (&values, json!({"criterion": "poisson"})),
        (&classes, json!({"max_features": null})),
        (&classes, json!({"criterion": "entropy"})),
        (&classes, json!({"class_weight": "balanced"})),
        (&classes, json!({"class_weight": "balanced_subsample"})),
    ] {
        assert!(stored(json!({}), data) != stored(params.clone(), data), "{params}");
    }
    for (data, params) in [
        (&values, json!({"criterion": "squared_error", "max_features": 1.0, "n_jobs": 3, "verbose": 1})),
        (&values, json!({"criterion": "friedman_mse", "warm_start": true, "random_state": 0, "max_samples": 1.0})),
        (&classes, json!({"criterion": "gini", "max_features": "sqrt"})),
    ] {
        assert!(stored(json!({}), data) == stored(params.clone(), data), "{params}");
    }
    assert!(stored(json!({"criterion": "entropy"}), &classes) == stored(json!({"criterion": "log_loss"}), &classes));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let data = classes();
    let with = |threads| try_fit(json!({}), &data, &Run::new().with_seed(3).with_threads(threads)).expect("a forest");
    assert!(stored(with(1).as_ref()) == stored(with(3).as_ref()));
}

#[test]
fn balanced_weights_favour_the_rare_class() {
    let data = classes();
    let share = |params: Value| {
        let p = proba(fit(params, &data).as_ref(), &data.to_rows());
        p.chunks_exact(3).map(|p| p[2]).sum::<f64>() / N as f64
    };
    let plain = share(json!({"min_samples_leaf": 40}));
    for class_weight in ["balanced", "balanced_subsample"] {
        let balanced = share(json!({"min_samples_leaf": 40, "class_weight": class_weight}));
        assert!(balanced > 1.5 * plain, "{class_weight}: {balanced}, {plain}");
    }
}

#[test]
fn out_of_bag_scores_are_honest() {
    for data in [values(), classes()] {
        let model = fit(json!({"oob_score": true, "n_estimators": 60}), &data);
        let metrics = model.own_metrics();
        let [("oob_score", score)] = metrics.as_slice() else { panic!("{metrics:?}") };
        assert!((0.75..0.99).contains(score), "{score}");
    }
    // Nothing can be learnt from noise, though the forest knows it by heart.
    let mut rng = Run::new().rng(4);
    let noise = (0..N).map(|_| rng.f64()).collect();
    let data = Dataset::from_rows(&rows().0, WIDTH).and_then(|d| d.with_target(noise)).expect("rows");
    let (_, score) = fit(json!({"oob_score": true, "n_estimators": 60}), &data).own_metrics()[0];
    assert!(score < 0.1, "{score}");
    assert!(fit(json!({}), &data).own_metrics().is_empty());
}

#[test]
fn a_weight_is_a_repeated_row() {
    let data = classes();
    let weight: Vec<f64> = (0..N).map(|i| (i % 4) as f64).collect();
    let repeated: Vec<u32> = (0..N as u32).flat_map(|i| vec![i; i as usize % 4]).collect();
    let params = single(json!({"max_depth": 6}));
    let weighted = fit(params.clone(), &data.clone().with_weight(weight.clone()).expect("weights"));
    let x = data.to_rows();
    assert_eq!(proba(weighted.as_ref(), &x), proba(fit(params, &data.select(&repeated)).as_ref(), &x));
    // Drawn rows follow the weights: those of weight 0 are never learnt from.
    let only_first = (0..N).map(|i| f64::from(u8::from(data.targets()[0][i] == 0.0))).collect();
    let model = fit(json!({}), &data.with_weight(only_first).expect("weights"));
    assert!(predict(model.as_ref(), &x).iter().all(|class| *class == 0.0));
}

#[test]
fn row_order_and_monotone_transformations_change_nothing() {
    let (x, y) = rows();
    let data = values();
    let mut order: Vec<u32> = (0..N as u32).collect();
    Run::new().rng(1).shuffle(&mut order);
    // Sums of whole numbers do not depend on their order.
    let whole = Dataset::from_rows(&x, WIDTH)
        .and_then(|d| d.with_target(y.iter().map(|y| (64.0 * y).round()).collect()))
        .expect("rows");
    let params = single(json!({"min_samples_leaf": 5}));
    let guess = predict(fit(params.clone(), &whole).as_ref(), &x);
    assert_eq!(guess, predict(fit(params.clone(), &whole.select(&order)).as_ref(), &x));
    let warped: Vec<f64> = x.iter().map(|x| 8.0 * x * x * x - 3.0).collect();
    let warped_data = Dataset::from_rows(&warped, WIDTH).and_then(|d| d.with_target(y)).expect("rows");
    let guess = predict(fit(params.clone(), &data).as_ref(), &x);
    assert_eq!(guess, predict(fit(params, &warped_data).as_ref(), &warped));
}

#[test]
fn a_full_tree_knows_its_rows_by_heart_and_a_pure_one_is_a_leaf() {
    let data = values();
    assert_eq!(predict(fit(single(json!({})), &data).as_ref(), &data.to_rows()), data.targets()[0]);
    let constant = Dataset::from_rows(&rows().0, WIDTH).and_then(|d| d.with_target(vec![0.1; N])).expect("rows");
    let model = fit(json!({}), &constant);
    assert_eq!(shape(model.as_ref()), (10, 10, 0));
    assert!(predict(model.as_ref(), &[0.5; WIDTH]).iter().all(|y| (y - 0.1).abs() < 1e-15));
}

#[test]
fn several_targets_are_learnt_together() {
    let (x, y) = rows();
    let second: Vec<f64> = x.chunks_exact(WIDTH).map(|x| 5.0 - 3.0 * x[4]).collect();
    let data = values().with_target(second.clone()).expect("a target");
    let model = fit(single(json!({})), &data);
    let both: Vec<f64> = y.iter().zip(&second).flat_map(|(a, b)| [*a, *b]).collect();
    assert_eq!((model.n_outputs(), predict(model.as_ref(), &x)), (2, both));
    let twice = values().with_target(y).expect("a target");
    let params = json!({"min_samples_leaf": 5});
    let pairs = predict(fit(params.clone(), &twice).as_ref(), &x);
    let alone = predict(fit(params, &values()).as_ref(), &x);
    assert!(pairs.chunks_exact(2).zip(alone).all(|(pair, y)| pair[0] == pair[1] && (pair[0] - y).abs() < 1e-12));
}

#[test]
fn missing_values_are_learnt_from() {
    // Whether the value is missing is all there is to know.
    let x: Vec<f64> = (0..100).map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(i) }).collect();
    let y: Vec<f64> = x.iter().map(|x| f64::from(u8::from(x.is_nan()))).collect();
    let data =
        Dataset::new(vec![Feature::new("x", x.clone())]).and_then(|d| d.with_classes(y.clone(), 2)).expect("rows");
    assert_eq!(predict(fit(json!({}), &data).as_ref(), &x), y);
    // Missing only at prediction: the larger side decides.
    let step =
        Dataset::from_rows(&[1.0, 2.0, 3.0, 4.0, 5.0], 1).and_then(|d| d.with_target(vec![0.0, 0.0, 0.0, 9.0, 9.0]));
    assert_eq!(predict(fit(single(json!({})), &step.expect("rows")).as_ref(), &[f64::NAN]), [0.0]);
}

#[test]
fn what_was_stored_predicts_the_same() {
    for data in [values(), classes()] {
        let model = fit(json!({"oob_score": true}), &data);
        let read = algorithm("random_forest").and_then(|a| a.decode(&model.encode()?)).expect("a forest");
        assert_eq!(predict(model.as_ref(), &data.to_rows()), predict(read.as_ref(), &data.to_rows()));
        assert_eq!(model.own_metrics(), read.own_metrics());
    }
}

#[test]
fn probabilities_sum_to_one_and_their_largest_is_the_class() {
    let data = classes();
    let model = fit(json!({"min_samples_leaf": 3}), &data);
    let (p, guess) = (proba(model.as_ref(), &data.to_rows()), predict(model.as_ref(), &data.to_rows()));
    for (p, guess) in p.chunks_exact(3).zip(guess) {
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(p.iter().all(|other| *other <= p[guess as usize]));
    }
}

#[test]
fn a_cancelled_fit_stops_and_a_small_budget_is_an_error() {
    let run = Run::new();
    run.cancel();
    assert_eq!(try_fit(json!({}), &values(), &run).err().map(|e| e.kind()), Some(ErrorKind::Cancelled));
    let run = Run::new().with_memory_limit(20_000);
    assert_eq!(try_fit(json!({}), &values(), &run).err().map(|e| e.kind()), Some(ErrorKind::OutOfMemory));
    let run = Run::new().with_memory_limit(1 << 30);
    drop(try_fit(json!({}), &values(), &run).expect("a forest"));
    assert_eq!(run.reserved(), 0);
}

#[test]
fn bad_input_is_refused_by_name() {
    let infinite =
        Dataset::from_rows(&[1.0, f64::INFINITY], 1).and_then(|d| d.with_target(vec![0.0, 1.0])).expect("rows");
    let no_target = Dataset::from_rows(&[1.0, 2.0], 1).expect("rows");
    let negative = Dataset::from_rows(&[1.0, 2.0], 1).and_then(|d| d.with_target(vec![-1.0, 2.0])).expect("rows");
    for (params, data, part) in [
        (json!({"criterion": "gini"}), &values(), "criterion \"gini\" of random_forest is not for regression"),
        (json!({"criterion": "poisson"}), &classes(), "use one of gini, entropy, log_loss"),
        (json!({"criterion": "poisson"}), &negative, "needs targets of at least 0"),
        (json!({"class_weight": "balanced"}), &values(), "class_weight of random_forest is for classification"),
        (json!({"bootstrap": false, "max_samples": 0.5}), &values(), "need bootstrap"),
        (json!({"min_samples_split": 1}), &values(), "min_samples_split"),
        (json!({"min_samples_leaf": 1.5}), &values(), "min_samples_leaf"),
        (json!({"max_features": 0}), &values(), "max_features"),
        (json!({"max_features": "all"}), &values(), "max_features"),
        (json!({}), &infinite, "feature \"x0\" has the value inf"),
        (json!({}), &no_target, "0 target columns"),
    ] {
        let error = try_fit(params.clone(), data, &Run::new()).err().expect("bad input");
        assert!(error.message().contains(part), "{params}: {error}");
    }
}
