//! CatBoost against the library, version 1.2.10; `tests/golden/catboost_models.py` made the numbers.

mod golden_cases;
mod synthetic_rows;

use golden_cases::seeds::Mean;
use golden_cases::{Case, assert_close, numbers};
use pgml_core::{MatrixRef, Model, Run};
use serde_json::Value;

/// How far apart the mean scores may be, as a share of them.
const ALLOWED: f64 = 0.005;

/// The cases of a file, with rows that this test makes as the script does.
fn cases(file: &str) -> Vec<Case> {
    let make = |data: &Value| data.get("stream").map(|_| synthetic_rows::dataset(data));
    list(file).iter().map(|json| golden_cases::case_with(json, make)).collect()
}

/// About thirty rows, as `cases.sample` picks them.
fn predictions(model: &dyn Model, case: &Case) -> (Vec<f64>, Vec<f64>) {
    let rows = golden_cases::sample(&case.data);
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * model.n_outputs()];
    model.predict_into(rows, &mut out).expect("predicts");
    let mut probabilities = Vec::new();
    if let Some(classifier) = model.classifier() {
        probabilities = vec![0.0; rows.n_rows() * classifier.n_classes()];
        classifier.predict_proba_into(rows, &mut probabilities).expect("predicts");
    }
    (out, probabilities)
}

/// The borders of the numeric splits of the first `n` trees.
fn borders(model: &dyn Model, n: usize) -> Vec<Vec<f64>> {
    let parts = model.encode().expect("encodes");
    let words = |name: &str| parts.array::<u32>(name).expect("stored").to_vec();
    let (bounds, columns) = (words("float_bounds"), words("split_columns"));
    let all = parts.array::<f32>("float_borders").expect("stored");
    let bins = parts.array::<u8>("split_bins").expect("stored");
    let mut at = 0;
    let mut trees = Vec::new();
    for depth in parts.array::<u8>("tree_depths").expect("stored").iter().take(n) {
        let splits = at..at + usize::from(*depth);
        at = splits.end;
        let numeric = splits.filter(|split| (columns[*split] as usize) < bounds.len() - 1);
        trees.push(
            numeric
                .map(|split| f64::from(all[bounds[columns[split] as usize] as usize + usize::from(bins[split])]))
                .collect(),
        );
    }
    trees
}

fn agrees(case: &Case) {
    let model = golden_cases::fit(case);
    let expected: Vec<Vec<f64>> = case.expected["borders"].as_array().expect("trees").iter().map(numbers).collect();
    for (tree, (ours, theirs)) in borders(model.as_ref(), expected.len()).iter().zip(&expected).enumerate() {
        assert_close(&format!("{}: borders of tree {tree}", case.name), ours, theirs, 1e-6, 1e-6);
    }
    let (out, probabilities) = predictions(model.as_ref(), case);
    assert_close(&format!("{}: predictions", case.name), &out, &numbers(&case.expected["predictions"]), 1e-6, 1e-3);
    if let Some(expected) = case.expected.get("probabilities") {
        assert_close(&format!("{}: probabilities", case.name), &probabilities, &numbers(expected), 1e-6, 1.0);
    }
}

#[test]
fn without_random_choices_trees_and_predictions_equal_catboosts() {
    golden_cases::every(cases("catboost_models"), agrees);
}

fn list(file: &str) -> Vec<Value> {
    let path = format!("{}/../tests/golden/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the golden file is in the repository");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

fn rows_of(json: &Value) -> Case {
    let mut json = json.clone();
    json["algorithm"] = "catboost".into();
    json["expected"] = serde_json::json!({});
    if json.get("params").is_none() {
        json["params"] = serde_json::json!({});
    }
    golden_cases::case_with(&json, |data| data.get("stream").map(|_| synthetic_rows::dataset(data)))
}

#[test]
fn a_model_that_catboost_saved_predicts_the_same_here() {
    for json in list("catboost_import") {
        let case = rows_of(&json);
        let algorithm = pgml_models::algorithm("catboost").expect("registered");
        let imported = algorithm.import(json["model"].to_string().as_bytes()).expect("a model");
        assert_eq!((imported.task, imported.n_classes), (case.task, case.data.n_classes()), "{}", case.name);
        assert_eq!(imported.hyperparams["iterations"], 12, "{}", case.name);
        assert_eq!(imported.feature_names.len(), case.data.n_features(), "{}", case.name);
        let stored = imported.model.encode().and_then(|parts| algorithm.decode(&parts)).expect("stored");
        for model in [&imported.model, &stored] {
            let rows: Vec<f64> =
                case.data.to_rows().chunks(case.data.n_features()).step_by(16).flatten().copied().collect();
            let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
            let mut out = vec![0.0; rows.n_rows() * model.n_outputs()];
            model.predict_into(rows, &mut out).expect("predicts");
            assert_close(&case.name, &out, &numbers(&json["predictions"]), 1e-6, 1e-3);
            if let (Some(classifier), Some(expected)) = (model.classifier(), json.get("probabilities")) {
                let mut out = vec![0.0; rows.n_rows() * classifier.n_classes()];
                classifier.predict_proba_into(rows, &mut out).expect("predicts");
                assert_close(&case.name, &out, &numbers(expected), 1e-6, 1.0);
            }
        }
    }
}

#[test]
fn files_that_are_no_such_model_are_refused() {
    let algorithm = pgml_models::algorithm("catboost").expect("registered");
    let sound = list("catboost_import")[4]["model"].clone();
    let mut broken = vec![Value::Null, serde_json::json!({"trees": []})];
    for key in ["oblivious_trees", "features_info", "model_info", "ctr_data"] {
        let mut file = sound.clone();
        file.as_object_mut().expect("an object").remove(key);
        broken.push(file);
    }
    let mut file = sound.clone();
    file["oblivious_trees"][0]["splits"][0]["split_index"] = 1_000_000.into();
    broken.push(file);
    let mut file = sound;
    file["oblivious_trees"][0]["leaf_values"][0] = "many".into();
    broken.push(file);
    for file in broken {
        assert!(algorithm.import(file.to_string().as_bytes()).is_err(), "{:.200}", file.to_string());
    }
}

/// R² or accuracy on every fourth row, learnt from the others.
fn score(case: &Case, seed: u64) -> f64 {
    let rows = |test: bool| (0..case.data.n_rows() as u32).filter(|i| (i % 4 == 0) == test).collect::<Vec<u32>>();
    let (train, test) = (case.data.select(&rows(false)), case.data.select(&rows(true)));
    let algorithm = pgml_models::algorithm("catboost").expect("registered");
    let run = Run::new().with_seed(seed);
    let model = algorithm.fit(&case.params, &train, case.task, &run).expect("fits");
    let cells = test.to_rows();
    let mut guess = vec![0.0; test.n_rows()];
    model.predict_into(MatrixRef::new(&cells, test.n_features()).expect("whole rows"), &mut guess).expect("predicts");
    let y = test.target().expect("a target");
    if case.data.n_classes() > 0 {
        return guess.iter().zip(y).filter(|(a, b)| a == b).count() as f64 / y.len() as f64;
    }
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let rest: f64 = guess.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum();
    1.0 - rest / y.iter().map(|b| (b - mean).powi(2)).sum::<f64>()
}

/// With as many seeds as the golden file says: a difference fails that is certainly greater than allowed, by two standard errors,
/// which are not greater than that themselves. `PGML_TEST_THOROUGH=1` runs as many seeds as CatBoost was run with.
#[test]
fn with_random_choices_it_scores_as_catboost_does() {
    let mut failures = Vec::new();
    for json in list("catboost_scores") {
        let case = rows_of(&json);
        let theirs = numbers(&json["scores"]);
        let thorough = std::env::var_os("PGML_TEST_THOROUGH").is_some();
        let few = json["seeds"].as_u64().expect("a number of seeds");
        let seeds = if thorough { theirs.len() as u64 } else { few };
        let ours: Vec<f64> = (0..seeds).map(|seed| score(&case, seed)).collect();
        let (ours, theirs) = (Mean::of(&ours), Mean::of(&theirs));
        let (difference, error) = (ours.value - theirs.value, ours.error.hypot(theirs.error));
        let in_words = format!(
            "{}: {:.5} and CatBoost's {:.5}, {:+.2} % ± {:.2} %",
            case.name,
            ours.value,
            theirs.value,
            100.0 * difference / theirs.value,
            100.0 * error / theirs.value
        );
        println!("{in_words}");
        let allowed = ALLOWED * theirs.value;
        if difference.abs() > allowed + 2.0 * error || error > allowed {
            failures.push(in_words);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Parameters that act on columns of categories, on many steps, or on rows that are watched.
#[test]
fn parameters_of_categories_and_of_watched_rows_act() {
    let data = serde_json::json!({
        "rows": 400, "numbers": 3, "categories": [2, 60, 9], "classes": 0, "stream": 5, "missing": false
    });
    let rows = synthetic_rows::dataset(&data);
    let halves = |first: u32| rows.select(&(first..400).step_by(2).collect::<Vec<u32>>());
    let watched = halves(0).with_validation(halves(1));
    let stored = |given: Value, data: &pgml_core::Dataset| {
        let algorithm = pgml_models::algorithm("catboost").expect("registered");
        let task = pgml_core::Task::Regression;
        let given = given.as_object().expect("an object");
        algorithm.fit(given, data, task, &Run::new()).and_then(|model| model.encode()).expect("a model")
    };
    let with = |extra: Value, base: &Value| {
        let mut given = base.clone();
        given.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        given
    };
    let base = serde_json::json!({"iterations": 20, "max_ctr_complexity": 2, "learning_rate": 0.3});
    for extra in [
        serde_json::json!({"max_ctr_complexity": 1}),
        serde_json::json!({"one_hot_max_size": 10}),
        serde_json::json!({"model_size_reg": 10.0}),
        serde_json::json!({"has_time": true}),
        serde_json::json!({"simple_ctr": "Counter"}),
        serde_json::json!({"combinations_ctr": "Counter"}),
    ] {
        assert_ne!(stored(with(extra.clone(), &base), &rows), stored(base.clone(), &rows), "{extra}");
    }
    let base = serde_json::json!({"iterations": 3, "leaf_estimation_iterations": 99});
    let without = with(serde_json::json!({"leaf_estimation_backtracking": "No"}), &base);
    assert_ne!(stored(without, &rows), stored(base, &rows), "leaf_estimation_backtracking");
    let base = serde_json::json!({"iterations": 300, "learning_rate": 0.5});
    for extra in [
        serde_json::json!({"early_stopping_rounds": 5}),
        serde_json::json!({"od_type": "Iter"}),
        serde_json::json!({"use_best_model": true}),
    ] {
        assert_ne!(stored(with(extra.clone(), &base), &watched), stored(base.clone(), &watched), "{extra}");
    }
    let unwatched = serde_json::json!({"use_best_model": true});
    let algorithm = pgml_models::algorithm("catboost").expect("registered");
    let given = unwatched.as_object().expect("an object");
    assert!(algorithm.fit(given, &rows, pgml_core::Task::Regression, &Run::new()).is_err(), "nothing to watch");
    let stopped = serde_json::json!({"iterations": 300, "learning_rate": 0.5, "early_stopping_rounds": 5});
    let all = with(serde_json::json!({"use_best_model": false}), &stopped);
    let n_trees = |given: Value| stored(given, &watched).array::<u8>("tree_depths").expect("stored").len();
    assert_eq!(n_trees(all), n_trees(stopped) + 5);
}
