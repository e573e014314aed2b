//! Which rows are learnt from, and that the order of a scan never matters.

use pgml_core::{Run, Sampling, Split, Table, Task, Trained, datasets, train};
use serde_json::json;

use crate::estimators::{CONSTANT, ECHO, NEAREST};
use crate::support::{listening, number, object, predict, real, reordered, request, table, text};

fn built_in(name: &str) -> Table {
    datasets::find(name).and_then(|set| set.table()).expect("an embedded data set")
}

fn metrics(trained: &Trained) -> String {
    let mut metrics = trained.metrics.clone();
    metrics.retain(|name, _| !name.ends_with("_time") && name != "search_results");
    serde_json::to_string(&metrics).expect("plain data")
}

#[test]
fn built_in_sets_are_split_as_documented_and_learnt() {
    for (name, label, task, n_train, n_test, metric, at_least) in [
        ("iris", "target", Task::Classification, 112, 38, "f1", 0.9),
        ("digits", "target", Task::Classification, 1348, 449, "accuracy", 0.95),
        ("breast_cancer", "malignant", Task::Classification, 427, 142, "f1", 0.8),
        ("diabetes", "target", Task::Regression, 331, 111, "r2", -1.0),
    ] {
        for sampling in [Sampling::Random, Sampling::Stratified] {
            let mut request = request(NEAREST, task, &[label]);
            request.split.sampling = sampling;
            let trained = train(&request, built_in(name), &Run::new().with_threads(2)).expect("a data set to learn");
            assert_eq!((trained.n_train, trained.n_test), (n_train, n_test), "{name}");
            let reached = trained.metrics[metric].as_f64().expect("a number");
            assert!(reached >= at_least, "{name}: {metric} {reached}");
            assert!(trained.metrics["fit_time"].is_f64() && trained.metrics["score_time"].is_f64());
            assert!(!trained.metrics.contains_key("search_results"));
        }
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let wanted = object(json!({"sepal_length": {"scale": "standard"}, "petal_width": {"scale": "robust"}}));
    let mut rng = fastrand::Rng::with_seed(5);
    let mut models = Vec::new();
    for _ in 0..4 {
        let mut order: Vec<u32> = (0..150).collect();
        rng.shuffle(&mut order);
        let mut request = request(NEAREST, Task::Classification, &["target"]);
        request.preprocess = wanted.clone();
        let trained = train(&request, reordered(&built_in("iris"), &order), &Run::new().with_seed(1)).expect("iris");
        let schema = serde_json::to_string(trained.predictor.schema()).expect("plain data");
        models.push((metrics(&trained), schema));
    }
    assert!(models.windows(2).all(|pair| pair[0] == pair[1]), "{models:#?}");
}

#[test]
fn the_order_of_columns_does_not_matter_to_the_split() {
    let straight = built_in("iris");
    let mut reversed = straight.clone();
    reversed.columns.reverse();
    let run = Run::new().with_seed(3);
    let trained = |table| train(&request(NEAREST, Task::Classification, &["target"]), table, &run).expect("iris");
    assert_eq!(metrics(&trained(straight)), metrics(&trained(reversed)));
}

#[test]
fn codes_of_texts_do_not_matter_but_texts_do() {
    let rows = [Some("b"), None, Some("a"), Some("c"), Some("a"), Some("b"), Some("c"), Some("b")];
    let y = [1.0, 2.0, 3.0, 4.0, 3.5, 1.5, 4.5, 1.0];
    let straight = table(vec![text("t", &rows), number("y", &y)]);
    let backwards = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
    let reversed_rows: Vec<Option<&str>> = rows.iter().rev().copied().collect();
    let reversed = table(vec![text("t", &reversed_rows), number("y", &backwards(&y))]);
    let trained = |table| train(&request(NEAREST, Task::Regression, &["y"]), table, &Run::new()).expect("8 rows");
    let (a, b) = (trained(straight), trained(reversed));
    assert_eq!(metrics(&a), metrics(&b));
    assert_eq!(a.predictor.schema(), b.predictor.schema());
}

#[test]
fn seeds_choose_different_test_rows() {
    let trained = |seed| {
        let run = Run::new().with_seed(seed);
        metrics(&train(&request(NEAREST, Task::Regression, &["target"]), built_in("diabetes"), &run).expect("diabetes"))
    };
    assert_ne!(trained(1), trained(2));
    assert_eq!(trained(2), trained(2));
}

#[test]
fn last_holds_out_the_last_rows_and_a_class_without_training_rows_counts_as_wrong() {
    // iris is sorted by class: the last 50 rows are all of class 2.
    let (run, heard) = listening();
    let mut request = request(NEAREST, Task::Classification, &["target"]);
    request.split = Split { test_size: 50.0, sampling: Sampling::Last };
    let trained = train(&request, built_in("iris"), &run).expect("two classes to learn");
    assert_eq!(trained.metrics["accuracy"], json!(0.0));
    assert_eq!(trained.predictor.labels().map(|l| l.n_classes()), Some(2));
    assert!(heard.texts().iter().any(|t| t.starts_with("1 classes of the test rows")), "{:?}", heard.texts());
}

#[test]
fn without_test_rows_the_metrics_are_unknown_and_the_user_is_warned() {
    for (rows, test_size) in [(vec![1.0], 0.25), (vec![1.0, 2.0, 3.0], 0.0)] {
        let (run, heard) = listening();
        let mut request = request(CONSTANT, Task::Regression, &["y"]);
        request.split.test_size = test_size;
        let n_rows = rows.len();
        let trained = train(&request, table(vec![number("x", &rows), number("y", &rows)]), &run).expect("one row");
        assert_eq!((trained.n_train, trained.n_test), (n_rows, 0));
        assert!(trained.metrics["r2"].is_null(), "{:?}", trained.metrics);
        assert!(heard.texts().iter().any(|t| t.contains("there are no test rows")));
    }
}

#[test]
fn weights_count_while_fitting_and_groups_stay_together() {
    let x: Vec<f64> = (0..40).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| if *x < 20.0 { 0.0 } else { 10.0 }).collect();
    let w: Vec<f32> = x.iter().map(|x| if *x < 20.0 { 0.0 } else { 2.0 }).collect();
    let g: Vec<f64> = x.iter().map(|x| (x / 4.0).floor()).collect();
    let columns = vec![number("x", &x), number("y", &y), real("w", &w), number("g", &g)];
    let mut request = request(CONSTANT, Task::Regression, &["y"]);
    request.preprocess = object(json!({"w": {"role": "weight"}, "g": {"role": "group"}}));
    request.search_args = object(json!({"cv": 3}));
    let trained = train(&request, table(columns), &Run::new()).expect("forty rows");
    assert_eq!(predict(&trained.predictor, &[1.0]), [10.0], "rows of weight 0 do not count");
    assert_eq!(trained.n_test % 4, 0, "whole groups are held out");
    assert_eq!(trained.n_features, 1);
}

#[test]
fn the_user_is_told_in_postgresml_s_order() {
    let (run, heard) = listening();
    train(&request(NEAREST, Task::Classification, &["target"]), built_in("iris"), &run).expect("iris");
    let texts = heard.texts();
    let starts = [
        "Dataset { num_features: 4, num_labels: 1, num_distinct_labels: 3, num_rows: 150, num_train_rows: 112, \
         num_test_rows: 38 }",
        "Column \"target\": Statistics { min: 0.0, max: 2.0, ",
        "Column \"sepal_length\": Statistics {",
        "Column \"sepal_width\":",
        "Column \"petal_length\":",
        "Column \"petal_width\":",
        "Hyperparameter searches: 1, cross validation folds: 1",
        "Hyperparams: {}",
        "Testing classification estimator nearest",
        "Metrics: {\"roc_auc\": ",
    ];
    assert_eq!(texts.len(), starts.len(), "{texts:#?}");
    for (text, start) in texts.iter().zip(starts) {
        assert!(text.starts_with(start), "{text} should start with {start}");
    }
}

#[test]
fn unsupervised_tasks_need_no_label_and_leave_one_out_of_the_features() {
    for (labels, n_features) in [(&[][..], 5), (&["target"][..], 4)] {
        let request = |task| request(ECHO, task, labels);
        let trained = train(&request(Task::Decomposition), built_in("iris"), &Run::new()).expect("iris");
        assert_eq!((trained.n_features, trained.n_train), (n_features, 112));
        assert_eq!(trained.metrics["cumulative_explained_variance"], json!(1.0));
        let trained = train(&request(Task::Clustering), built_in("iris"), &Run::new()).expect("iris");
        assert!(trained.metrics["silhouette"].is_null(), "one cluster has no silhouette");
    }
}
