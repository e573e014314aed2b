//! What an objective does to the sum of the leaves.

use pgml_core::error::unknown_name;
use pgml_core::{Error, ErrorKind, Result, Task};
use serde::{Deserialize, Serialize};

/// From raw score to prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Link {
    /// The score itself.
    Identity,
    /// 1 / (1 + e⁻ˢˣ), with the factor s.
    Logistic(f64),
    /// The same for each class, then made to sum to 1.
    OneVersusRest(f64),
    /// Probabilities over all classes.
    Softmax,
    /// eˣ.
    Exp,
    /// ln(1 + eˣ).
    Softplus,
    /// x·|x|: the inverse of `reg_sqrt`.
    Square,
}

/// Objectives with their other names, for regression.
const REGRESSION: &[(&str, &[&str])] = &[
    ("regression", &["regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "root_mean_squared_error", "rmse"]),
    ("regression_l1", &["l1", "mean_absolute_error", "mae"]),
    ("huber", &[]),
    ("fair", &[]),
    ("poisson", &[]),
    ("quantile", &[]),
    ("mape", &["mean_absolute_percentage_error"]),
    ("gamma", &[]),
    ("tweedie", &[]),
    ("cross_entropy", &["xentropy"]),
    ("cross_entropy_lambda", &["xentlambda"]),
    ("lambdarank", &[]),
    ("rank_xendcg", &["xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"]),
];
/// For classification.
const CLASSIFICATION: &[(&str, &[&str])] =
    &[("binary", &[]), ("multiclass", &["softmax"]), ("multiclassova", &["multiclass_ova", "ova", "ovr"])];

fn find(given: &str) -> Option<(&'static str, Task)> {
    let search = |known: &'static [(&str, &[&str])], task| {
        known.iter().find(|(name, aliases)| *name == given || aliases.contains(&given)).map(|(name, _)| (*name, task))
    };
    search(REGRESSION, Task::Regression).or_else(|| search(CLASSIFICATION, Task::Classification))
}

/// The objective to train with: the one asked for, if it fits the task, else the task's own.
pub(super) fn choose(asked: Option<&str>, task: Task, n_classes: usize) -> Result<&'static str> {
    let Some(given) = asked else {
        return Ok(match task {
            Task::Classification if n_classes > 2 => "multiclass",
            Task::Classification => "binary",
            _ => "regression",
        });
    };
    let known = || REGRESSION.iter().chain(CLASSIFICATION).map(|(name, _)| *name);
    let (name, of) = find(given)
        .ok_or_else(|| unknown_name(ErrorKind::InvalidParameter, "objective of lightgbm", given, known()))?;
    if of == task && (name != "binary" || n_classes <= 2) {
        return Ok(name);
    }
    let what =
        if task == Task::Classification { format!("classification of {n_classes} classes") } else { task.to_string() };
    let fitting = if task == Task::Classification { CLASSIFICATION } else { REGRESSION };
    let fitting = fitting.iter().map(|(name, _)| *name).filter(|name| *name != "binary" || n_classes <= 2);
    Err(Error::new(ErrorKind::InvalidParameter, format!("objective \"{given}\" does not fit {what}"))
        .with_hint(format!("leave it out, or use one of {}", fitting.collect::<Vec<_>>().join(", "))))
}

/// Task and link of the line `objective=` of a model, such as `binary sigmoid:1` or `regression sqrt`.
pub(super) fn of_model(line: &str) -> Result<(&'static str, Task, Link)> {
    let mut words = line.split_whitespace();
    let given = words.next().unwrap_or("regression");
    let known = || REGRESSION.iter().chain(CLASSIFICATION).map(|(name, _)| *name);
    let (name, task) =
        find(given).ok_or_else(|| unknown_name(ErrorKind::NotSupported, "objective of lightgbm", given, known()))?;
    let words: Vec<&str> = words.collect();
    let sigmoid = words.iter().find_map(|w| w.strip_prefix("sigmoid:")?.parse::<f64>().ok()).unwrap_or(1.0);
    let link = match name {
        "binary" => Link::Logistic(sigmoid),
        "multiclassova" => Link::OneVersusRest(sigmoid),
        "multiclass" => Link::Softmax,
        "poisson" | "gamma" | "tweedie" => Link::Exp,
        "cross_entropy" => Link::Logistic(1.0),
        "cross_entropy_lambda" => Link::Softplus,
        _ if words.contains(&"sqrt") => Link::Square,
        _ => Link::Identity,
    };
    Ok((name, task, link))
}

impl Link {
    /// Turns the scores of one row into predictions, in the arithmetic of the library.
    pub(super) fn apply(self, outputs: &mut [f64]) {
        let each = |outputs: &mut [f64], f: &dyn Fn(f64) -> f64| outputs.iter_mut().for_each(|x| *x = f(*x));
        match self {
            Self::Identity => {}
            Self::Logistic(s) => outputs.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-s * *x).exp())),
            Self::OneVersusRest(s) => {
                each(outputs, &|x| 1.0 / (1.0 + (-s * x).exp()));
                let sum: f64 = outputs.iter().sum();
                if sum > 0.0 {
                    each(outputs, &|x| x / sum);
                }
            }
            Self::Softmax => softmax(outputs),
            Self::Exp => each(outputs, &f64::exp),
            Self::Softplus => each(outputs, &|x| x.exp().ln_1p()),
            Self::Square => each(outputs, &|x| x * x.abs()),
        }
    }
}

fn softmax(outputs: &mut [f64]) {
    let highest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for x in outputs.iter_mut() {
        *x = (*x - highest).exp();
        sum += *x;
    }
    outputs.iter_mut().for_each(|x| *x /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_the_task_and_aliases_are_understood() {
        assert_eq!(choose(None, Task::Regression, 0), Ok("regression"));
        assert_eq!(choose(None, Task::Classification, 2), Ok("binary"));
        assert_eq!(choose(None, Task::Classification, 3), Ok("multiclass"));
        assert_eq!(choose(Some("mae"), Task::Regression, 0), Ok("regression_l1"));
    }

    #[test]
    fn an_objective_that_does_not_fit_is_refused_with_those_that_do() {
        let error = choose(Some("binary"), Task::Classification, 3).expect_err("three classes");
        assert_eq!(error.message(), "objective \"binary\" does not fit classification of 3 classes");
        assert_eq!(error.hint(), Some("leave it out, or use one of multiclass, multiclassova"));
        assert!(choose(Some("multiclass"), Task::Regression, 0).is_err());
        let error = choose(Some("tweedy"), Task::Regression, 0).expect_err("a misspelling");
        assert!(error.message().ends_with("did you mean \"tweedie\"?"), "{error}");
    }
}
