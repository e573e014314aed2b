//! Preprocessing: the same numbers as scikit-learn, the same when training and when predicting.

use pgml_core::{Cell, Predictor, Result, Run, Task, datasets, train};
use serde_json::{Value, json};

use crate::estimators::{ECHO, NEAREST};
use crate::support::{array, last, number, object, predict, real, request, seen, table, text};

const X: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 5.0];

fn echo(columns: Vec<pgml_core::TableColumn>, preprocess: Value) -> Result<Predictor> {
    let mut request = request(ECHO, Task::Regression, &["y"]);
    request.preprocess = object(preprocess);
    request.split = last(0);
    Ok(train(&request, table(columns), &Run::new())?.predictor)
}

fn close(a: &[f64], b: &[f64]) {
    let near = |a: &f64, b: &f64| (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan());
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)), "{a:?} should be {b:?}");
}

#[test]
fn scales_are_scikit_learn_s() {
    // scikit-learn 1.9.1: StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler fitted on X, applied to 3 and 20
    for (scale, expected) in [
        ("preserve", [3.0, 20.0]),
        ("standard", [-0.6, 2.8]),
        ("min_max", [0.133_333_333_333_333_36, 1.266_666_666_666_666_6]),
        ("max_abs", [0.1875, 1.25]),
        ("robust", [-0.315_789_473_684_210_5, 3.263_157_894_736_842]),
    ] {
        let predictor = echo(vec![number("x", &X), number("y", &X)], json!({"x": {"scale": scale}})).expect("six rows");
        close(&seen(&predictor, &[3.0, 20.0]), &expected);
        assert_eq!(predictor.is_identity(), scale == "preserve");
    }
}

#[test]
fn a_constant_column_scales_to_zero() {
    for scale in ["standard", "min_max", "robust"] {
        let columns = vec![number("x", &[0.1; 6]), number("y", &X)];
        let predictor = echo(columns, json!({"x": {"scale": scale}})).expect("six rows");
        close(&seen(&predictor, &[0.1]), &[0.0]);
    }
    let zeros = vec![number("x", &[0.0; 6]), number("y", &X)];
    close(&seen(&echo(zeros, json!({"x": {"scale": "max_abs"}})).expect("six rows"), &[0.0]), &[0.0]);
}

#[test]
fn missing_values_are_replaced_by_what_the_training_rows_say() {
    let x = [1.0, 2.0, 2.0, f64::NAN, 7.0, 4.0];
    for (impute, expected) in
        [("mean", 3.2), ("median", 2.0), ("mode", 2.0), ("min", 1.0), ("max", 7.0), ("zero", 0.0), ("none", f64::NAN)]
    {
        let columns = vec![number("x", &x), number("y", &X)];
        let predictor = echo(columns, json!({"x": {"impute": impute}})).expect("six rows");
        close(&seen(&predictor, &[f64::NAN, 5.0]), &[expected, 5.0]);
    }
    let error = echo(vec![number("x", &x), number("y", &X)], json!({"x": {"impute": "error"}})).expect_err("a NULL");
    assert!(error.message().starts_with("1 missing values for x. You may provide a preprocessor"), "{error}");
}

#[test]
fn a_value_is_imputed_before_it_is_scaled() {
    let columns = vec![number("x", &X), number("y", &X)];
    let predictor = echo(columns, json!({"x": {"impute": "max", "scale": "min_max"}})).expect("six rows");
    close(&seen(&predictor, &[f64::NAN]), &[1.0]);
}

#[test]
fn every_element_of_an_array_has_its_own_statistics() {
    let columns = vec![array("a", &[&[0.0, 2.0, 4.0], &[100.0, 300.0, 200.0]]), number("y", &[1.0, 2.0, 3.0])];
    let predictor = echo(columns, json!({"a": {"scale": "min_max", "impute": "mean"}})).expect("three rows");
    close(&seen(&predictor, &[1.0, 150.0, f64::NAN, f64::NAN]), &[0.25, 0.25, 0.5, 0.5]);
    let column = &predictor.schema().columns[0];
    assert_eq!((column.size, column.array, column.pg_type.as_str()), (2, true, "float4[]"));
    assert_eq!((column.statistics.min, column.statistics.max), (0.0, 300.0));
}

const COLORS: [Option<&str>; 6] = [Some("red"), Some("blue"), None, Some("red"), Some("green"), Some("blue")];

#[test]
fn encodings_of_text() {
    let columns = || vec![text("c", &COLORS), number("y", &X)];
    let codes = [0.0, 1.0, 2.0, 3.0, f64::NAN]; // NULL, blue, green, red, never seen
    let native = echo(columns(), json!({})).expect("six rows");
    close(&seen(&native, &codes), &codes);
    // Means of y: NULL 4; blue (2 + 5) / 2; green 16; red (1 + 8) / 2; all 6.
    let target = echo(columns(), json!({"c": {"encode": "target"}})).expect("six rows");
    close(&seen(&target, &codes), &[4.0, 3.5, 16.0, 4.5, 6.0]);
    let scaled = echo(columns(), json!({"c": {"encode": "target", "scale": "min_max"}})).expect("six rows");
    close(&seen(&scaled, &codes), &[0.5 / 12.5, 0.0, 1.0, 1.0 / 12.5, 2.5 / 12.5]);
    // NULL, blue and green have a feature; red is none of them.
    let one_hot = echo(columns(), json!({"c": {"encode": "one_hot"}})).expect("six rows");
    assert_eq!(one_hot.n_components(), 3);
    #[rustfmt::skip]
    close(&seen(&one_hot, &codes), &[
        1.0, 0.0, 0.0,
        0.0, 1.0, 0.0,
        0.0, 0.0, 1.0,
        0.0, 0.0, 0.0,
        0.0, 0.0, 0.0,
    ]);
    let ordinal = echo(columns(), json!({"c": {"encode": {"ordinal": ["red", "green", "blue"]}}})).expect("six rows");
    let mut row = Vec::new();
    ordinal.encode_row(&mut |_| Ok(Cell::Text("blue")), &mut row).expect("a category");
    assert_eq!(row, [3.0]);
}

#[test]
fn a_number_can_be_a_category() {
    let columns = vec![number("zip", &[100.0, 9.0, 100.0, 9.0, 9.0, 20.0]), number("y", &X)];
    let preprocess = json!({"zip": {"role": "categorical", "encode": "one_hot"}});
    let predictor = echo(columns, preprocess).expect("six rows");
    let mut row = Vec::new();
    for zip in [9.0, 20.0, 100.0, 7.0] {
        predictor.encode_row(&mut |_| Ok(Cell::Number(zip)), &mut row).expect("a number");
    }
    assert_eq!(row[..3], [1.0, 2.0, 3.0]);
    close(&seen(&predictor, &row), &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn training_and_prediction_see_the_same_numbers() {
    // The nearest row of a training row is itself only if both went through the same preprocessing, bit for bit.
    let (n, mut rng) = (300_u32, fastrand::Rng::with_seed(11));
    let names = ["ash", "birch", "cedar", "elm"];
    let x: Vec<f32> = (0..n).map(|_| rng.f32()).collect();
    let holes: Vec<f32> = (0..n).map(|i| if i % 7 == 0 { f32::NAN } else { rng.f32() }).collect();
    let pair: [Vec<f32>; 2] = std::array::from_fn(|_| (0..n).map(|_| rng.f32()).collect());
    let trees: Vec<Option<&str>> = (0..n).map(|_| rng.choice(names)).collect();
    let y: Vec<f64> = (0..n).map(f64::from).collect();
    let columns = vec![
        real("x", &x),
        real("holes", &holes),
        array("pair", &[&pair[0], &pair[1]]),
        text("tree", &trees),
        text("wood", &trees),
        number("y", &y),
    ];
    let mut request = request(NEAREST, Task::Regression, &["y"]);
    request.split = last(0);
    request.preprocess = object(json!({
        "x": {"scale": "standard"},
        "holes": {"impute": "mean"},
        "pair": {"scale": "robust"},
        "tree": {"encode": "target", "scale": "standard"},
        "wood": {"encode": "one_hot"},
    }));
    let trained = train(&request, table(columns), &Run::new()).expect("a table of all kinds");
    for i in 0..n as usize {
        let numbers = [f64::from(pair[0][i]), f64::from(pair[1][i])];
        let cell = |column: usize| {
            Ok(match column {
                0 => Cell::Number(f64::from(x[i])),
                1 if holes[i].is_nan() => Cell::Null,
                1 => Cell::Number(f64::from(holes[i])),
                2 => Cell::Numbers(&numbers),
                _ => trees[i].map_or(Cell::Null, Cell::Text),
            })
        };
        let mut row = Vec::new();
        trained.predictor.encode_row(&mut { cell }, &mut row).expect("a row of the table");
        assert_eq!(row.len(), trained.n_features);
        assert_eq!(predict(&trained.predictor, &row), [y[i]], "row {i}");
    }
}

#[test]
fn rows_of_the_wrong_shape_or_type_are_refused_by_name() {
    let columns = vec![array("a", &[&[1.0, 2.0], &[3.0, 4.0]]), number("x", &[1.0, 2.0]), number("y", &[1.0, 2.0])];
    let predictor = echo(columns, json!({})).expect("two rows");
    for (cells, words) in [
        (
            [Cell::Numbers(&[1.0]), Cell::Number(1.0)],
            "Mismatched array length for feature `a`. Expected: 2 Received: 1",
        ),
        ([Cell::Numbers(&[1.0, 2.0]), Cell::Text("one")], "column \"x\" was trained as float8, but a text was given"),
        ([Cell::Number(1.0), Cell::Number(1.0)], "column \"a\" was trained as float4[], but a number was given"),
    ] {
        let error = predictor.encode_row(&mut |i| Ok(cells[i]), &mut Vec::new()).expect_err(words);
        assert_eq!(error.message(), words);
    }
}

#[test]
fn labels_come_back_as_they_were() {
    let x: Vec<f64> = (0..12).map(f64::from).collect();
    let fruits = [Some("pear"), Some("apple"), Some("fig")].repeat(4);
    for (label, value, name) in [
        (text("y", &fruits), 2.0, "pear"),
        (number("y", &[30.0, 10.0, 20.0].repeat(4)), 30.0, "30"),
        (number("y", &[0.5, -1.0, 0.25].repeat(4)), 0.5, "0.5"),
    ] {
        let mut request = request(NEAREST, Task::Classification, &["y"]);
        request.split = last(0);
        let trained = train(&request, table(vec![number("x", &x), label]), &Run::new()).expect("three classes");
        let row = pgml_core::MatrixRef::new(&[0.0], 1).expect("one row");
        assert_eq!(predict(&trained.predictor, &[0.0]), [value]);
        assert_eq!(trained.predictor.predict_label(row), Ok(vec![name]));
        let mut proba = [0.0; 3];
        trained.predictor.predict_proba(row, &mut proba).expect("probabilities");
        assert_eq!(proba, [0.0, 0.0, 1.0]);
    }
    let cancer = datasets::find("breast_cancer").and_then(|set| set.table()).expect("embedded");
    let trained =
        train(&request(NEAREST, Task::Classification, &["malignant"]), cancer, &Run::new()).expect("569 rows");
    assert_eq!(trained.predictor.labels().map(|l| l.names.join(" ")), Some("false true".to_owned()));
}

#[test]
fn joint_targets_keep_the_order_in_which_they_are_named() {
    let columns = vec![number("a", &[1.0, 2.0, 3.0]), number("x", &[1.0, 2.0, 3.0]), number("b", &[10.0, 20.0, 30.0])];
    let mut request = request(NEAREST, Task::Regression, &["b", "a"]);
    request.split = last(0);
    let trained = train(&request, table(columns), &Run::new()).expect("three rows");
    assert_eq!(predict(&trained.predictor, &[2.0, 3.0]), [20.0, 2.0, 30.0, 3.0]);
}
