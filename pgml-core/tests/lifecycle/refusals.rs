//! What cannot be learnt from is refused with the reason and the way out.

use pgml_core::{Error, ErrorKind, Run, Sampling, Split, TableColumn, Task, train};
use serde_json::{Value, json};

use crate::estimators::{CONSTANT, ECHO, NEAREST};
use crate::support::{array, column, last, number, object, request, table, text};

fn refusal(task: Task, labels: &[&str], columns: Vec<TableColumn>, preprocess: Value) -> Error {
    let mut request = request(ECHO, task, labels);
    request.preprocess = object(preprocess);
    train(&request, table(columns), &Run::new()).expect_err("a refusal")
}

fn x() -> TableColumn {
    number("x", &[1.0, 2.0, 3.0, 4.0])
}

#[test]
fn every_refusal_names_the_column_and_the_reason() {
    use Task::{Classification, Decomposition, Regression};
    let y = || number("y", &[1.0, 2.0, 3.0, 4.0]);
    let none = json!({});
    for (task, labels, columns, preprocess, kind, words) in [
        (
            Regression,
            &["z"][..],
            vec![x(), y()],
            &none,
            ErrorKind::UndefinedColumn,
            "Column `z` not found. Did you pass the correct `y_column_name`?",
        ),
        (Regression, &[], vec![x()], &none, ErrorKind::InvalidParameter, "You must pass a `y_column_name`"),
        (Regression, &["y", "y"], vec![x(), y()], &none, ErrorKind::InvalidParameter, "\"y\" is named twice"),
        (Regression, &["y"], vec![y()], &none, ErrorKind::InvalidData, "there is no feature column"),
        (
            Regression,
            &["y"],
            vec![x(), number("y", &[1.0, f64::NAN, 1.0, f64::NAN])],
            &none,
            ErrorKind::InvalidData,
            "labels in \"y\" contain 2 NULL values",
        ),
        (
            Regression,
            &["y"],
            vec![x(), number("y", &[1.0, f64::INFINITY, 1.0, 1.0])],
            &none,
            ErrorKind::InvalidData,
            "\"y\" has 1 infinite values",
        ),
        (
            Regression,
            &["y"],
            vec![number("x", &[1.0, f64::NEG_INFINITY, f64::INFINITY, 1.0]), y()],
            &none,
            ErrorKind::InvalidData,
            "\"x\" has 2 infinite values",
        ),
        (
            Regression,
            &["y"],
            vec![x(), text("y", &[Some("a"); 4])],
            &none,
            ErrorKind::WrongType,
            "\"y\" is text, but regression predicts a number",
        ),
        (
            Classification,
            &["y"],
            vec![x(), text("y", &[Some("a"), None, Some("b"), Some("b")])],
            &none,
            ErrorKind::InvalidData,
            "contain 1 NULL values",
        ),
        (
            Classification,
            &["y"],
            vec![x(), text("y", &[Some("a"); 4])],
            &none,
            ErrorKind::InvalidData,
            "only one class, \"a\"",
        ),
        (
            Classification,
            &["x", "y"],
            vec![x(), y(), number("z", &[0.0; 4])],
            &none,
            ErrorKind::NotSupported,
            "one label column, not 2",
        ),
        (Classification, &["y"], vec![x(), array("y", &[&[1.0; 4]])], &none, ErrorKind::WrongType, "\"y\" is an array"),
        (
            Regression,
            &["y"],
            vec![x(), y()],
            &json!({"w": {"impute": "mean"}}),
            ErrorKind::UndefinedColumn,
            "unknown column \"w\"",
        ),
        (
            Regression,
            &["y"],
            vec![x(), y()],
            &json!({"x": {"encode": "one_hot"}}),
            ErrorKind::InvalidParameter,
            "It does not make sense to {\"encode\": \"one_hot\"} a continuous variable",
        ),
        (
            Regression,
            &["y"],
            vec![text("x", &[Some("a"); 4]), y()],
            &json!({"x": {"impute": "mean"}}),
            ErrorKind::InvalidParameter,
            "Error initializing preprocessor for column: \"x\".",
        ),
        (
            Regression,
            &["y"],
            vec![x(), y()],
            &json!({"y": {"role": "weight"}}),
            ErrorKind::InvalidParameter,
            "\"y\" is the label and has another role",
        ),
        (
            Regression,
            &["y"],
            vec![x(), y()],
            &json!({"x": {"role": "ignore"}}),
            ErrorKind::InvalidData,
            "there is no feature column",
        ),
        (
            Regression,
            &["y"],
            vec![x(), number("w", &[1.0, -1.0, 1.0, 1.0]), y()],
            &json!({"w": {"role": "weight"}}),
            ErrorKind::InvalidData,
            "weight -1",
        ),
        (
            Regression,
            &["y"],
            vec![x(), number("w", &[f64::NAN; 4]), y()],
            &json!({"w": {"role": "weight"}}),
            ErrorKind::InvalidData,
            "weight column \"w\" is NULL",
        ),
        (
            Regression,
            &["y"],
            vec![x(), text("w", &[Some("a"); 4]), y()],
            &json!({"w": {"role": "weight"}}),
            ErrorKind::WrongType,
            "cannot be a weight",
        ),
        (
            Regression,
            &["y"],
            vec![x(), text("g", &[Some("a"), None, None, None]), y()],
            &json!({"g": {"role": "group"}}),
            ErrorKind::InvalidData,
            "group column \"g\" is NULL in 3 rows",
        ),
        (
            Regression,
            &["y"],
            vec![x(), text("g", &[Some("a"); 4]), y()],
            &json!({"g": {"role": "group"}}),
            ErrorKind::InvalidParameter,
            "leaves no group to learn from",
        ),
        (
            Regression,
            &["y"],
            vec![x(), number("n", &[f64::NAN; 4]), y()],
            &json!({"n": {"impute": "mean"}}),
            ErrorKind::InvalidData,
            "\"n\" has no value in the training rows",
        ),
        (
            Decomposition,
            &[],
            vec![text("x", &[Some("a"); 4]), y()],
            &json!({"x": {"encode": "target"}}),
            ErrorKind::InvalidParameter,
            "\"x\" cannot be target-encoded",
        ),
    ] {
        let error = refusal(task, labels, columns, preprocess.clone());
        assert!(error.message().contains(words), "{error} should say {words}");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn an_ignored_column_may_have_any_content_or_not_be_read_at_all() {
    let columns = vec![x(), number("id", &[f64::INFINITY; 4]), number("y", &[1.0, 2.0, 3.0, 4.0])];
    let mut request = request(CONSTANT, Task::Regression, &["y"]);
    request.preprocess = object(json!({"id": {"role": "ignore"}, "payload": {"role": "ignore"}}));
    let trained = train(&request, table(columns), &Run::new()).expect("one feature");
    assert_eq!(trained.n_features, 1);
}

#[test]
fn an_all_null_column_is_missing_everywhere_and_the_algorithm_decides() {
    let columns = || vec![x(), number("n", &[f64::NAN; 4]), number("y", &[1.0, 2.0, 3.0, 4.0])];
    assert!(train(&request(CONSTANT, Task::Regression, &["y"]), table(columns()), &Run::new()).is_ok());
    let error = train(&request(NEAREST, Task::Regression, &["y"]), table(columns()), &Run::new()).expect_err("NaN");
    assert!(error.message().contains("feature \"n\" has a missing value"), "{error}");
}

#[test]
fn an_unsuitable_task_or_an_empty_relation_is_refused_before_any_work() {
    let error = train(&request(CONSTANT, Task::Clustering, &[]), table(vec![x()]), &Run::new()).expect_err("a task");
    assert_eq!(error.message(), "constant does not support clustering");
    let empty = table(vec![number("x", &[]), number("y", &[])]);
    let error = train(&request(CONSTANT, Task::Regression, &["y"]), empty, &Run::new()).expect_err("no rows");
    assert_eq!(error.message(), "the relation has no rows to learn from");
}

#[test]
fn a_single_class_in_the_training_part_points_to_stratified_sampling() {
    let columns = vec![x(), number("y", &[0.0, 0.0, 1.0, 1.0])];
    let mut request = request(NEAREST, Task::Classification, &["y"]);
    request.split = Split { test_size: 0.5, sampling: Sampling::Last };
    let error = train(&request, table(columns), &Run::new()).expect_err("one class");
    assert!(error.hint().is_some_and(|hint| hint.contains("stratified")), "{error}");
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    // 400 categories of 4,000 rows make 400 × 4,000 × 4 bytes.
    let names: Vec<String> = (0..4000).map(|i| format!("c{}", i % 400)).collect();
    let names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let y: Vec<f64> = (0..4000).map(f64::from).collect();
    let mut request = request(CONSTANT, Task::Regression, &["y"]);
    request.preprocess = object(json!({"c": {"encode": "one_hot"}}));
    let run = Run::new().with_memory_limit(2 << 20);
    let error = train(&request, table(vec![text("c", &names), number("y", &y)]), &run).expect_err("6 of 2 MiB");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.message().contains("preprocessing column \"c\""), "{error}");
    assert_eq!(run.reserved(), 0, "what was reserved was given back");
}

#[test]
fn a_cancelled_run_stops() {
    let run = Run::new();
    run.cancel();
    let columns = vec![x(), column("y", "int4", number("y", &[1.0, 2.0, 3.0, 4.0]).values)];
    let mut request = request(CONSTANT, Task::Regression, &["y"]);
    request.split = last(2);
    let error = train(&request, table(columns), &run).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
