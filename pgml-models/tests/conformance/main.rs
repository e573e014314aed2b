//! One conformance suite for every algorithm: each test loops over the registry and lists everything that it found
//! wrong. A new algorithm is checked by being registered.

mod baseline;
mod batching;
mod cancelling;
mod data;
mod determinism;
mod edges;
mod effects;
mod explanations;
mod extras;
mod metadata;
mod one_feature;
mod params;
mod probabilities;
mod sample;
mod shapes;
mod storage;
mod subject;

use std::sync::LazyLock;

use subject::{Check, Subject, complaints, subjects};

/// All that are registered; `PGML_ONLY=ridge,lasso` leaves out the others while one works on these.
static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let only = std::env::var("PGML_ONLY").unwrap_or_default();
    let is_wanted = |name: &str| only.is_empty() || only.split(',').any(|wanted| wanted == name);
    subjects(pgml_models::ALGORITHMS).into_iter().filter(|subject| is_wanted(subject.algorithm.name())).collect()
});

/// Every rule, by the name of its test.
static CHECKS: &[(&str, Check)] = &every_check();

fn holds_for_every_algorithm(check: Check) {
    let complaints = complaints(&SUBJECTS, check);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// One test per rule, and the list of them.
macro_rules! checks {
    ($($module:ident :: $check:ident),+ $(,)?) => {
        const fn every_check() -> [(&'static str, Check); [$(stringify!($check)),+].len()] {
            [$((stringify!($check), $module::$check as Check)),+]
        }

        mod every_algorithm {
            $(
                #[test]
                fn $check() {
                    super::holds_for_every_algorithm(super::$module::$check);
                }
            )+
        }
    };
}

checks! {
    baseline::it_beats_the_trivial_baseline,
    batching::a_batch_is_predicted_as_its_rows,
    batching::no_rows_are_predicted_as_nothing,
    batching::threads_share_a_model,
    cancelling::a_cancelled_fit_ends_soon,
    cancelling::a_run_cancelled_before_it_begins_fits_nothing,
    determinism::same_seed_gives_the_same_bytes,
    determinism::two_threads_give_the_bytes_of_one,
    edges::a_class_without_rows_is_never_sure,
    edges::a_constant_column_does_no_harm,
    edges::a_constant_target_is_learnt_or_refused,
    edges::columns_that_repeat_each_other_do_no_harm,
    edges::huge_and_tiny_numbers_work_or_are_refused,
    edges::missing_and_infinite_values_work_or_are_refused_in_prediction,
    edges::missing_and_infinite_values_work_or_are_refused_in_training,
    edges::more_features_than_rows_are_learnt,
    edges::nothing_but_constant_columns_is_learnt_or_refused,
    edges::one_feature_is_enough,
    edges::one_row_is_learnt_or_refused,
    edges::two_rows_are_learnt_or_refused,
    edges::two_targets_are_learnt_jointly_or_refused,
    effects::every_parameter_has_an_effect,
    explanations::contributions_sum_to_the_score,
    explanations::importance_is_shares_and_finds_the_feature_that_counts,
    extras::a_tight_memory_budget_is_an_error_or_enough,
    extras::categories_are_learnt,
    extras::reserved_memory_is_given_back,
    extras::rows_to_watch_are_not_learnt_from_without_being_asked,
    extras::weights_change_what_is_learnt_or_are_refused,
    metadata::names_and_docs_are_there,
    params::aliases_mean_their_parameter,
    params::defaults_resolve_and_come_back,
    params::every_choice_and_lower_bound_fits_or_is_refused,
    params::values_out_of_bounds_are_refused,
    params::values_within_bounds_are_accepted,
    probabilities::probabilities_lie_in_range_and_sum_to_one,
    probabilities::the_most_probable_class_is_predicted,
    shapes::outputs_of_another_length_are_refused,
    shapes::rows_of_another_width_are_refused,
    shapes::tasks_that_are_not_listed_are_refused,
    storage::a_damaged_model_is_refused_or_harmless,
    storage::a_stored_model_predicts_the_same_bits,
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = pgml_models::ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect();
    let registered = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), registered, "{names:?}");
}

#[test]
fn a_sound_algorithm_passes_every_check() {
    let sound = subjects(sample::SOUND);
    assert_eq!(sound.len(), 2);
    for (name, check) in CHECKS {
        let complaints = complaints(&sound, *check);
        assert!(complaints.is_empty(), "{name}: {complaints:?}");
    }
}

#[test]
fn every_fault_is_caught_by_the_check_that_is_there_for_it() {
    for (fault, checks) in sample::FAULTS {
        let faulty = subjects(fault);
        for check in *checks {
            let (_, run) = CHECKS.iter().find(|(name, _)| name == check).expect("a check of this name");
            assert!(!complaints(&faulty, *run).is_empty(), "it passes {check}");
        }
    }
}
