//! What is stored about columns and classes: its form, its way back, and that forged forms never panic.

use pgml_core::{Labels, MatrixRef, Predictor, Run, Schema, Task, train};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::estimators::{ECHO, EchoModel, NEAREST};
use crate::support::{array, last, number, object, request, seen, table, text};

fn trained() -> Predictor {
    let columns = vec![
        number("x", &[1.0, 2.0, 4.0, 8.1]),
        text("c", &[Some("b"), Some("a"), None, Some("b")]),
        array("a", &[&[1.0, 2.0, 3.0, 4.5], &[0.1, 0.2, 0.3, 0.4]]),
        number("y", &[1.0, 2.0, 0.3, 1.0]),
    ];
    let mut request = request(ECHO, Task::Regression, &["y"]);
    request.split = last(0);
    request.preprocess = object(json!({
        "x": {"scale": "standard", "impute": "mean"}, "c": {"encode": "target"}, "a": {"scale": "robust"},
    }));
    train(&request, table(columns), &Run::new()).expect("four rows").predictor
}

#[test]
fn columns_have_postgresml_s_json_form() {
    let json = serde_json::to_value(trained().schema()).expect("plain data");
    let x = &json[0];
    for (key, expected) in [
        ("name", json!("x")),
        ("pg_type", json!("float8")),
        ("nullable", json!(true)),
        ("label", json!(false)),
        ("position", json!(1)),
        ("size", json!(1)),
        ("array", json!(false)),
        ("preprocessor", json!({"encode": "native", "impute": "mean", "scale": "standard"})),
        ("role", json!("feature")),
    ] {
        assert_eq!(x[key], expected, "{key}");
    }
    assert_eq!(x["statistics"]["histogram"].as_array().map(Vec::len), Some(20));
    assert_eq!(x["statistics"]["ventiles"].as_array().map(Vec::len), Some(19));
    assert_eq!(x["statistics"]["categories"], Value::Null);
    assert_eq!(json[1]["statistics"]["categories"]["a"], json!({"value": 1.0, "members": 1, "target": 2.0}));
    assert_eq!((&json[3]["label"], &json[3]["role"]), (&json!(true), &json!("label")));
}

#[test]
fn a_stored_schema_preprocesses_to_the_same_bits() {
    let before = trained();
    let text = serde_json::to_string(before.schema()).expect("plain data");
    let schema: Schema = serde_json::from_str(&text).expect("what was written");
    assert_eq!(serde_json::to_string(&schema).expect("plain data"), text);
    let model = Box::new(EchoModel { n_features: 4 });
    let after = Predictor::from_parts("echo", Task::Regression, schema, None, model).expect("four features");
    let rows = [0.1, 2.0, 0.7, 0.33, f64::NAN, f64::NAN, 1e9, -3.0];
    let bits = |p: &Predictor| seen(p, &rows).into_iter().map(f64::to_bits).collect::<Vec<u64>>();
    assert_eq!(bits(&before), bits(&after));
}

#[test]
fn schema_labels_and_model_must_fit_together() {
    let schema = || Schema::plain(&["a".to_owned(), "b".to_owned()]);
    let model = |n_features| Box::new(EchoModel { n_features });
    assert!(Predictor::from_parts("echo", Task::Regression, schema(), None, model(2)).is_ok());
    assert!(Predictor::from_parts("echo", Task::Regression, schema(), None, model(3)).is_err());
    let torn = Labels { names: vec!["a".to_owned()], values: vec![] };
    assert!(Predictor::from_parts("echo", Task::Classification, schema(), Some(torn), model(2)).is_err());
    let strange = Labels { names: vec!["a".to_owned()], values: vec![7.0] };
    let predictor =
        Predictor::from_parts("echo", Task::Classification, schema(), Some(strange), model(2)).expect("fits");
    let rows = MatrixRef::new(&[1.0, 2.0], 2).expect("one row");
    assert_eq!(predictor.predict_label(rows), Ok(vec!["a"]));
}

/// Every place in a JSON value.
fn places(value: &Value, path: String, all: &mut Vec<String>) {
    all.push(path.clone());
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| places(v, format!("{path}/{k}"), all)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| places(v, format!("{path}/{i}"), all)),
        _ => {}
    }
}

#[test]
fn a_forged_schema_is_refused_or_used_but_never_panics() {
    let json = serde_json::to_value(trained().schema()).expect("plain data");
    let mut all = Vec::new();
    places(&json, String::new(), &mut all);
    let forgeries = [
        json!(null),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!("one_hot"),
        json!({}),
        json!([]),
        json!(true),
        json!({"ordinal": []}),
        json!(0),
        json!(0.5),
    ];
    let mut accepted = 0;
    for place in &all {
        for forgery in &forgeries {
            let mut forged = json.clone();
            *forged.pointer_mut(place).expect("a place that exists") = forgery.clone();
            let Ok(schema) = serde_json::from_value::<Schema>(forged) else { continue };
            let _ = (schema.n_raw_features(), schema.steps());
            let model = Box::new(EchoModel { n_features: 4 });
            if let Ok(predictor) = Predictor::from_parts("echo", Task::Regression, schema, None, model) {
                accepted += 1;
                let row = vec![1.0; predictor.n_raw_features()];
                let rows = MatrixRef::new(&row, row.len()).expect("one row");
                let _ = predictor.transform(rows, &mut [0.0; 4]);
                let cell = |_| Ok(pgml_core::Cell::Text("a"));
                let _ = predictor.encode_row(&mut { cell }, &mut Vec::new());
            }
        }
    }
    assert!(accepted > 100, "most places do not matter: {accepted}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_small_table_trains_or_is_refused(
        rows in prop::collection::vec((prop::num::f64::ANY, prop::option::of("[ab_]{0,2}"), -3..3_i8), 0..20),
        test_size in prop::num::f32::ANY,
        settings in prop::sample::select(vec!["{}", r#"{"t": {"encode": "one_hot"}}"#, r#"{"t": {"encode": "target"}}"#,
            r#"{"x": {"scale": "robust", "impute": "median"}}"#, r#"{"x": {"role": "categorical", "encode": "one_hot"}}"#]),
    ) {
        let x: Vec<f64> = rows.iter().map(|r| r.0).collect();
        let t: Vec<Option<&str>> = rows.iter().map(|r| r.1.as_deref()).collect();
        let y: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
        for algorithm in [NEAREST, ECHO] {
            let mut request = request(algorithm, Task::Classification, &["y"]);
            request.split.test_size = test_size;
            request.preprocess = serde_json::from_str(settings).expect("an object");
            let columns = vec![number("x", &x), text("t", &t), number("y", &y)];
            if let Ok(trained) = train(&request, table(columns), &Run::new()) {
                prop_assert_eq!(trained.n_train + trained.n_test, rows.len());
            }
        }
    }
}
