//! What `algorithm => 'auto'` tries.

use pgml_core::train::Candidate;
use pgml_core::{Error, ErrorKind, Result, Task};
use serde_json::{Value, json};

use crate::algorithm;

/// Algorithms with their hyperparameters for `task`, in the order in which they are worth their time: quick ones that often do
/// well first.
///
/// # Errors
/// [`ErrorKind::NotSupported`] for tasks without a score to choose by.
pub fn portfolio(task: Task) -> Result<Vec<Candidate>> {
    let list = match task {
        Task::Regression | Task::Classification => SUPERVISED,
        other => {
            let message = format!("algorithm => 'auto' is for regression and classification, not for {other}");
            return Err(Error::new(ErrorKind::NotSupported, message).with_hint("name an algorithm"));
        }
    };
    let candidate = |(name, hyperparams): &(&str, fn() -> Value)| {
        let hyperparams = hyperparams().as_object().cloned().unwrap_or_default();
        Ok(Candidate { algorithm: algorithm(name)?, hyperparams })
    };
    list.iter().map(candidate).collect()
}

type Entry = (&'static str, fn() -> Value);

const SUPERVISED: &[Entry] = &[
    ("linear", || json!({})),
    ("hist_gradient_boosting", || json!({})),
    ("random_forest", || json!({})),
    ("catboost", || json!({"iterations": 300})),
    (
        "lightgbm",
        || json!({"learning_rate": 0.03, "n_estimators": 500, "num_leaves": 15, "subsample": 0.8, "subsample_freq": 1}),
    ),
    ("xgboost", || json!({"learning_rate": 0.1, "n_estimators": 200, "subsample": 0.8, "colsample_bytree": 0.7})),
    ("extra_trees", || json!({})),
    ("ridge", || json!({"alpha": 10.0})),
    ("random_forest", || json!({"n_estimators": 300, "min_samples_leaf": 3})),
    ("svm", || json!({})),
    ("catboost", || json!({"iterations": 1000})),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_registered_and_takes_its_hyperparameters() {
        for task in [Task::Regression, Task::Classification] {
            for Candidate { algorithm, hyperparams } in portfolio(task).expect("registered") {
                assert!(algorithm.tasks().contains(&task), "{}", algorithm.name());
                algorithm.resolve_params(&hyperparams).expect("valid");
            }
        }
        assert!(portfolio(Task::Clustering).is_err());
    }
}
