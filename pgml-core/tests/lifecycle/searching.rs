//! Search: honest folds, the best mean, a refit on all training rows, one look at the test rows.

use pgml_core::{ErrorKind, Run, Search, Table, Task, TrainRequest, train};
use serde_json::{Value, json};

use crate::estimators::{CONSTANT, NEAREST};
use crate::support::{last, listening, number, object, predict, request, table, text};

/// x = i mod 7, y = i² mod 11 for i below 40; the last ten rows are held out.
fn forty() -> Table {
    let rows = || (0..40_u32).map(f64::from);
    let x: Vec<f64> = rows().map(|i| i % 7.0).collect();
    let y: Vec<f64> = rows().map(|i| (i * i) % 11.0).collect();
    table(vec![number("x", &x), number("y", &y)])
}

fn searching(search_params: Value, search_args: Value) -> TrainRequest {
    let mut request = request(CONSTANT, Task::Regression, &["y"]);
    request.split = last(10);
    request.search_params = object(search_params);
    request.search_args = object(search_args);
    request
}

fn close(given: &Value, expected: &[f64]) {
    let given: Vec<f64> = given.as_array().expect("an array").iter().map(|x| x.as_f64().expect("a number")).collect();
    let near = given.len() == expected.len() && given.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(near, "{given:?} should be {expected:?}");
}

#[test]
fn scores_are_those_of_scikit_learn_s_cross_validation() {
    // numpy 2.4.6 and scikit-learn 1.9.1: r² of the fold means plus offset over KFold(3) of the first thirty rows
    let mut request = searching(json!({"offset": [2.0, 0.0, 0.5]}), json!({"cv": 3}));
    request.search = Some(Search::Grid);
    let (run, heard) = listening();
    let trained = train(&request, forty(), &run).expect("thirty rows");
    let results = &trained.metrics["search_results"];
    close(
        &results["mean_test_score"],
        &[-0.613_392_406_782_291_7, -0.036_567_822_915_454_094, -0.079_032_320_645_636_92],
    );
    close(&results["std_test_score"], &[0.391_294_349_263_483_44, 0.028_087_716_781_510_82, 0.098_954_787_569_482_26]);
    close(
        &results["split0_test_score"],
        &[-0.269_206_145_966_707_9, -0.038_732_394_366_197_02, -0.000_320_102_432_778_357_5],
    );
    close(
        &results["split2_test_score"],
        &[-1.160_743_801_652_893, -0.069_834_710_743_801_76, -0.218_595_041_322_314_1],
    );
    assert_eq!((&results["best_index"], &results["n_splits"]), (&json!(1), &json!(3)));
    assert_eq!(results["params"], json!([{"offset": 2.0}, {"offset": 0.0}, {"offset": 0.5}]));
    assert_eq!(results["param_offset"], json!([2.0, 0.0, 0.5]));
    for key in ["mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"] {
        assert_eq!(results[key].as_array().map(Vec::len), Some(3), "{key}");
    }
    // The winner is fitted again on all thirty rows and scored once on the ten held out.
    assert_eq!(trained.hyperparams, object(json!({"offset": 0.0})));
    let all = predict(&trained.predictor, &[0.0])[0];
    assert!((all - 3.933_333_333_333_333).abs() < 1e-12, "{all}");
    close(&json!([trained.metrics["r2"]]), &[-0.000_127_860_887_354_280_8]);
    assert!(heard.texts().contains(&"Hyperparameter searches: 3, cross validation folds: 3".to_owned()));
}

#[test]
fn the_best_mean_wins_and_not_the_best_fold() {
    // Offset 0.5 has the best single fold (the first), offset 0 the best mean.
    let trained = train(&searching(json!({"offset": [0.5, 0.0]}), json!({"cv": 3})), forty(), &Run::new());
    assert_eq!(trained.expect("thirty rows").hyperparams["offset"], json!(0.0));
}

#[test]
fn of_equal_means_the_first_wins_and_nan_never_does() {
    let params = json!({"offset": [9.0, 0.0], "depth": [1, 2]});
    let trained = train(&searching(params, json!({"cv": 2})), forty(), &Run::new()).expect("four candidates");
    let results = &trained.metrics["search_results"];
    // Keys in jsonb order (depth before offset, being shorter), the last varies fastest.
    assert_eq!(
        results["params"],
        json!([{"depth": 1, "offset": 9.0}, {"depth": 1, "offset": 0.0}, {"depth": 2, "offset": 9.0}, {"depth": 2, "offset": 0.0}])
    );
    assert_eq!(results["best_index"], json!(1));
    assert!(results["mean_test_score"][0].is_null(), "NaN is null: {results}");
    let error = train(&searching(json!({"offset": [9.0, 9.0]}), json!({})), forty(), &Run::new()).expect_err("all NaN");
    assert!(error.message().contains("no candidate of the search has a defined r2"), "{error}");
}

#[test]
fn without_folds_candidates_are_chosen_by_training_rows_held_out() {
    let trained =
        train(&searching(json!({"offset": [1.0, 0.0]}), json!({})), forty(), &Run::new()).expect("a hold-out");
    let results = &trained.metrics["search_results"];
    assert_eq!(results["n_splits"], json!(1));
    // numpy 2.4.6: mean of y[0:23] against y[23:30]
    let y: Vec<f64> = (0..30_u32).map(|i| f64::from((i * i) % 11)).collect();
    let (fit, score) = y.split_at(23);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let sse = |p: f64| score.iter().map(|t| (t - p).powi(2)).sum::<f64>();
    let expected = |offset: f64| 1.0 - sse(mean(fit) + offset) / sse(mean(score));
    close(&results["mean_test_score"], &[expected(1.0), expected(0.0)]);
}

#[test]
fn test_rows_have_no_part_in_the_search() {
    let searched = |last_y: f64| {
        let mut table = forty();
        if let pgml_core::Values::Number(pgml_core::Floats::F64(y)) = &mut table.columns[1].values {
            y[30..].fill(last_y);
        }
        let mut request = searching(json!({"offset": [0.0, 0.5, 2.0]}), json!({}));
        request.search = Some(Search::Grid);
        let trained = train(&request, table, &Run::new()).expect("thirty rows");
        trained.metrics["search_results"]["mean_test_score"].clone()
    };
    assert_eq!(searched(0.0), searched(1000.0));
}

#[test]
fn preprocessing_is_learnt_in_each_fold_anew() {
    // Every row is its own category: a fold that saw the target mean of the rows it is scored on would score 1.
    let names: Vec<String> = (0..40).map(|i| format!("n{i}")).collect();
    let names: Vec<Option<&str>> = names.iter().map(|n| Some(n.as_str())).collect();
    let y: Vec<f64> = (0..40).map(|i| f64::from((i * 17) % 40)).collect();
    let mut request = request(NEAREST, Task::Regression, &["y"]);
    request.preprocess = object(json!({"c": {"encode": "target"}}));
    request.search_args = object(json!({"cv": 4}));
    let trained = train(&request, table(vec![text("c", &names), number("y", &y)]), &Run::new()).expect("forty rows");
    let score = trained.metrics["search_results"]["mean_test_score"][0].as_f64().expect("a number");
    assert!(score < 0.1, "{score}");
}

#[test]
fn a_random_search_draws_different_candidates_repeatably() {
    let offsets: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
    let drawn = |n_iter: u64, seed| {
        let mut request = searching(json!({"offset": offsets}), json!({"n_iter": n_iter, "cv": 2}));
        request.search = Some(Search::Random);
        let trained = train(&request, forty(), &Run::new().with_seed(seed)).expect("thirty rows");
        trained.metrics["search_results"]["param_offset"].as_array().expect("an array").clone()
    };
    let first = drawn(12, 1);
    let different: std::collections::BTreeSet<String> = first.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), 12);
    assert_eq!(first, drawn(12, 1));
    assert_ne!(first, drawn(12, 2));
    assert_eq!(drawn(1000, 1).len(), 100, "all of them when there are fewer");
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_fitted() {
    let refused = |request: &TrainRequest| train(request, forty(), &Run::new()).expect_err("a refusal");
    for (params, args, words) in [
        (json!({"offset": 1.0}), json!({}), "must be an array of at least one value to try"),
        (json!({"offset": []}), json!({}), "must be an array of at least one value to try"),
        (json!({"offset": [1.0]}), json!({"folds": 3}), "Unknown search_args => \"folds\": 3"),
        (json!({"offset": [1.0]}), json!({"cv": -1}), "search_args => \"cv\" is -1, but must be an integer"),
        (json!({"offset": [1.0]}), json!({"n_iter": 0}), "search_args => \"n_iter\" is 0, but must be an integer"),
        (json!({"offset": [1.0]}), json!({"cv": 31}), "31 folds cannot be cut from 30 training rows"),
        (json!({"offset": [0.0, -11.0]}), json!({}), "hyperparameter \"offset\" of constant is -11.0"),
        (json!({"offset": [0.0], "shift": [1.0]}), json!({}), "is given twice"),
        (json!({"ofset": [0.0]}), json!({}), "did you mean \"offset\"?"),
    ] {
        let error = refused(&searching(params, args));
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
        assert!(error.message().contains(words), "{error} should say {words}");
    }
    let mut both = searching(json!({"offset": [1.0]}), json!({}));
    both.hyperparams = object(json!({"offset": 0.0}));
    assert_eq!(
        refused(&both).message(),
        "`offset` cannot be present in both hyperparams and search_params. Please choose one or the other."
    );
    let wrong = searching(json!({"offset": [0.0, -11.0]}), json!({}));
    assert!(refused(&wrong).detail().is_some_and(|d| d.contains("candidate: {\"offset\":-11.0}")));
}

#[test]
fn stratified_folds_keep_every_class_in_every_fold() {
    let x: Vec<f64> = (0..60).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| f64::from(u8::from(*x >= 48.0))).collect();
    let mut request = request(NEAREST, Task::Classification, &["y"]);
    request.search = Some(Search::Grid);
    let trained = train(&request, table(vec![number("x", &x), number("y", &y)]), &Run::new()).expect("sixty rows");
    let results = &trained.metrics["search_results"];
    assert_eq!(results["n_splits"], json!(5));
    assert!(results["mean_test_score"][0].as_f64().is_some_and(|f1| f1 > 0.8), "{results}");
}

#[test]
fn early_stopping_watches_a_tenth_of_the_training_rows() {
    let mut request = searching(json!({}), json!({}));
    request.hyperparams = object(json!({"early_stopping_rounds": 5}));
    let trained = train(&request, forty(), &Run::new()).expect("thirty rows");
    assert_eq!(predict(&trained.predictor, &[0.0]), [3.0]);
    assert_eq!(trained.n_train, 30);
}

#[test]
fn halving_gives_all_rows_to_the_best_alone() {
    let offsets: Vec<f64> = (0..9).map(|i| f64::from(i) / 2.0).collect();
    let mut request = searching(json!({"offset": offsets}), json!({"cv": 2}));
    request.search = Some(Search::Halving);
    request.split = last(30);
    let x: Vec<f64> = (0..270).map(f64::from).collect();
    let y: Vec<f64> = (0..270_u32).map(|i| f64::from((i * i) % 11)).collect();
    let trained = train(&request, table(vec![number("x", &x), number("y", &y)]), &Run::new()).expect("240 rows");
    let results = &trained.metrics["search_results"];
    // 120 rows to fit in each of two folds: nine candidates on 40, the better three on all.
    let mut n_rows: Vec<u64> =
        results["n_resources"].as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number")).collect();
    assert_eq!((n_rows[0], trained.hyperparams["offset"].as_f64()), (120, Some(0.0)));
    n_rows.sort_unstable();
    assert_eq!(n_rows, [40, 40, 40, 40, 40, 40, 120, 120, 120]);
}

#[test]
fn the_parzen_estimator_finds_what_chance_rarely_does() {
    let tried = |search: Search| {
        let mut request = searching(json!({"offset": {"low": -10.0, "high": 8.5}}), json!({"cv": 2, "n_iter": 60}));
        request.search = Some(search);
        let trained = train(&request, forty(), &Run::new().with_seed(5)).expect("sixty candidates");
        let results = trained.metrics["search_results"].clone();
        let near = |offset: &Value| offset.as_f64().is_some_and(|x| x.abs() < 0.5);
        let offsets = results["param_offset"].as_array().expect("a list");
        assert_eq!(offsets.len(), 60);
        (
            offsets.iter().filter(|offset| near(offset)).count(),
            trained.hyperparams["offset"].as_f64().expect("a number"),
        )
    };
    // The best offset is near 0; one candidate in 18 is drawn there by chance.
    let ((by_density, best), (by_chance, _)) = (tried(Search::Tpe), tried(Search::Random));
    assert!(by_density >= 15 && by_density > 3 * by_chance, "{by_density} and {by_chance}");
    assert!(best.abs() < 0.3, "{best}");
    assert_eq!(tried(Search::Tpe), tried(Search::Tpe), "a search is seeded");
}

#[test]
fn the_parzen_estimator_tries_each_combination_of_lists_once() {
    let mut request = searching(json!({"offset": [0.0, 1.0, 2.0], "depth": [1, 2]}), json!({"cv": 2, "n_iter": 50}));
    request.search = Some(Search::Tpe);
    let trained = train(&request, forty(), &Run::new()).expect("six candidates");
    let mut params: Vec<String> = trained.metrics["search_results"]["params"]
        .as_array()
        .expect("a list")
        .iter()
        .map(ToString::to_string)
        .collect();
    params.sort();
    params.dedup();
    assert_eq!(params.len(), 6, "{params:?}");
}

#[test]
fn a_search_out_of_time_returns_the_best_so_far() {
    for search in Search::ALL {
        let mut request =
            searching(json!({"offset": [0.0, 1.0, 2.0, 3.0]}), json!({"cv": 3, "n_iter": 4, "max_seconds": 0}));
        request.search = Some(search);
        let trained = train(&request, forty(), &Run::new()).unwrap_or_else(|e| panic!("{}: {e}", search.name()));
        let results = &trained.metrics["search_results"];
        assert!(trained.hyperparams.contains_key("offset"), "{}: {results}", search.name());
    }
    let mut request = searching(json!({"offset": [0.5, 0.0]}), json!({"cv": 3, "max_seconds": 0}));
    request.search = Some(Search::Grid);
    let trained = train(&request, forty(), &Run::new()).expect("one fit");
    assert_eq!(trained.metrics["search_results"]["mean_test_score"][1], Value::Null, "the second was not tried");
    assert_eq!(trained.hyperparams["offset"], json!(0.5));
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    for (range, search, message) in [
        (json!({"low": 1}), Search::Random, "needs the numbers low and high"),
        (json!({"low": 2, "high": 1}), Search::Tpe, "needs low < high"),
        (json!({"low": 0, "high": 1, "log": true}), Search::Random, "needs 0 < low < high"),
        (json!({"low": 0, "high": 1, "step": 1}), Search::Random, "unknown key \"step\""),
        (json!({"low": 0, "high": 1}), Search::Grid, "a grid cannot try every number"),
        (json!({"low": -20, "high": 1}), Search::Tpe, "\"offset\" of constant is -20"),
    ] {
        let mut request = searching(json!({"offset": range}), json!({}));
        request.search = Some(search);
        let error = train(&request, forty(), &Run::new()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert!(error.message().contains(message), "{error}");
    }
}

#[test]
fn whole_bounds_mean_whole_numbers_and_both_ends_are_drawn() {
    let mut request = searching(json!({"depth": {"low": 1, "high": 3}}), json!({"cv": 2, "n_iter": 40}));
    request.search = Some(Search::Random);
    let trained = train(&request, forty(), &Run::new()).expect("forty candidates");
    let mut depths: Vec<u64> = trained.metrics["search_results"]["param_depth"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|depth| depth.as_u64().expect("a whole number"))
        .collect();
    depths.sort_unstable();
    depths.dedup();
    assert_eq!(depths, [1, 2, 3]);
}
