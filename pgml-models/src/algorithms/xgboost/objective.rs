//! What an objective does to the sum of the leaves.

use pgml_core::error::unknown_name;
use pgml_core::{Error, ErrorKind, Result, Task};

/// From margin to prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The margin itself.
    Identity,
    /// 1 / (1 + e⁻ˣ).
    Logistic,
    /// eˣ.
    Exp,
    /// 1 above 0.
    Step,
    /// Probabilities over all outputs of a row.
    Softmax,
}

/// Which kind of target an objective is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Number,
    /// A number from 0 to 1, or one of two classes.
    Fraction,
    TwoClasses,
    Classes,
}

struct Objective {
    name: &'static str,
    target: Target,
    link: Link,
    /// From base score to base margin: the inverse of `link`, where the library applies it.
    inverse: Link,
}

macro_rules! objectives {
    ($($name:literal $target:ident $link:ident $inverse:ident),+ $(,)?) => {
        const OBJECTIVES: &[Objective] = &[$(
            Objective { name: $name, target: Target::$target, link: Link::$link, inverse: Link::$inverse },
        )+];
    };
}

objectives! {
    "reg:squarederror" Number Identity Identity,
    "reg:squaredlogerror" Number Identity Identity,
    "reg:pseudohubererror" Number Identity Identity,
    "reg:absoluteerror" Number Identity Identity,
    "reg:quantileerror" Number Identity Identity,
    "reg:gamma" Number Exp Exp,
    "reg:tweedie" Number Exp Exp,
    "reg:logistic" Fraction Logistic Logistic,
    "count:poisson" Number Exp Exp,
    "survival:cox" Number Exp Exp,
    "survival:aft" Number Exp Exp,
    "rank:pairwise" Number Identity Identity,
    "rank:ndcg" Number Identity Identity,
    "rank:map" Number Identity Identity,
    "binary:logistic" TwoClasses Logistic Logistic,
    "binary:logitraw" TwoClasses Identity Identity,
    "binary:hinge" TwoClasses Step Identity,
    "multi:softmax" Classes Softmax Identity,
    "multi:softprob" Classes Softmax Identity,
}

/// The objective to train with: the one asked for, if it fits the task, else the task's own.
pub(super) fn choose(asked: Option<&str>, task: Task, n_classes: usize, n_targets: usize) -> Result<&'static str> {
    let name = match (asked, task) {
        (None, Task::Classification) if n_classes > 2 => "multi:softprob",
        (None, Task::Classification) => "binary:logistic",
        (None, _) => "reg:squarederror",
        // The deprecated name, and PostgresML's names for a GPU that is not there.
        (Some(name), _) => match name.strip_prefix("gpu:").unwrap_or(name) {
            "reg:linear" => "reg:squarederror",
            other => other,
        },
    };
    let objective = find(name)?;
    let fits = match (task, objective.target) {
        (Task::Classification, Target::TwoClasses | Target::Fraction) => n_classes <= 2 && n_targets == 1,
        (Task::Classification, target) => target == Target::Classes && n_targets == 1,
        (_, target) => matches!(target, Target::Number | Target::Fraction),
    };
    if fits {
        return Ok(objective.name);
    }
    let given = match task {
        Task::Classification => format!("classification of {n_classes} classes"),
        _ => format!("{task}"),
    };
    let fitting = OBJECTIVES.iter().filter(|o| match task {
        Task::Classification => o.target == Target::Classes || n_classes <= 2 && o.target == Target::TwoClasses,
        _ => matches!(o.target, Target::Number | Target::Fraction),
    });
    let fitting: Vec<&str> = fitting.map(|o| o.name).collect();
    Err(Error::new(ErrorKind::InvalidParameter, format!("objective \"{name}\" does not fit {given}"))
        .with_hint(format!("leave it out, or use one of {}", fitting.join(", "))))
}

fn find(name: &str) -> Result<&'static Objective> {
    OBJECTIVES.iter().find(|o| o.name == name).ok_or_else(|| {
        unknown_name(ErrorKind::InvalidParameter, "objective of xgboost", name, OBJECTIVES.iter().map(|o| o.name))
    })
}

/// The task that a model with this objective was trained for.
pub(super) fn task_of(name: &str) -> Result<Task> {
    Ok(match find(name)?.target {
        Target::Number | Target::Fraction => Task::Regression,
        Target::TwoClasses | Target::Classes => Task::Classification,
    })
}

/// How predictions follow from margins.
pub(super) fn link_of(name: &str) -> Result<Link> {
    Ok(find(name)?.link)
}

/// The margin that stands for a base score.
pub(super) fn base_margin(name: &str, base_score: f32) -> Result<f32> {
    Ok(match find(name)?.inverse {
        Link::Logistic => -(1.0 / base_score - 1.0).ln(),
        Link::Exp => base_score.ln(),
        _ => base_score,
    })
}

impl Link {
    /// Turns the margins of one row into predictions, in the arithmetic of the library.
    pub(super) fn apply(self, outputs: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::Logistic => outputs.iter_mut().for_each(|x| *x = sigmoid(*x)),
            Self::Exp => outputs.iter_mut().for_each(|x| *x = x.exp()),
            Self::Step => outputs.iter_mut().for_each(|x| *x = f32::from(u8::from(*x > 0.0))),
            Self::Softmax => softmax(outputs),
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    // The library keeps the exponential below overflow.
    1.0 / ((-x).min(88.7).exp() + 1.0 + 1e-16)
}

fn softmax(outputs: &mut [f32]) {
    let highest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f64;
    for x in outputs.iter_mut() {
        *x = (*x - highest).exp();
        sum += f64::from(*x);
    }
    outputs.iter_mut().for_each(|x| *x /= sum as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_the_task_and_the_number_of_classes() {
        assert_eq!(choose(None, Task::Regression, 0, 1), Ok("reg:squarederror"));
        assert_eq!(choose(None, Task::Classification, 2, 1), Ok("binary:logistic"));
        assert_eq!(choose(None, Task::Classification, 3, 1), Ok("multi:softprob"));
        assert_eq!(choose(Some("gpu:reg:linear"), Task::Regression, 0, 1), Ok("reg:squarederror"));
    }

    #[test]
    fn an_objective_that_does_not_fit_is_refused_with_those_that_do() {
        let error = choose(Some("binary:logistic"), Task::Classification, 3, 1).expect_err("three classes");
        assert_eq!(error.message(), "objective \"binary:logistic\" does not fit classification of 3 classes");
        assert_eq!(error.hint(), Some("leave it out, or use one of multi:softmax, multi:softprob"));
        assert!(choose(Some("multi:softprob"), Task::Regression, 0, 1).is_err());
        let error = choose(Some("reg:squarederor"), Task::Regression, 0, 1).expect_err("a misspelling");
        assert!(error.message().ends_with("did you mean \"reg:squarederror\"?"), "{error}");
    }
}
