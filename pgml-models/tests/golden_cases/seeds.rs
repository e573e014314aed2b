//! Compares random methods by the mean of what they give over seeds.

use pgml_core::{MatrixRef, Model, Run, Task, metrics};
use serde_json::Value;

use super::{Case, numbers};

/// How many seeds are tried here.
pub const SEEDS: u64 = 10;

/// What `score` gives for each seed.
pub fn over_seeds<T>(score: impl Fn(u64) -> T) -> Vec<T> {
    (0..SEEDS).map(score).collect()
}

/// A mean, and how far it may be off.
#[derive(Debug, Clone, Copy)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

impl Mean {
    /// The mean of values of which each comes from a seed of its own.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - value).powi(2)).sum::<f64>() / (n - 1.0);
        Self { value, error: (variance / n).sqrt() }
    }

    /// A mean and an error that a golden file holds as two values.
    pub fn stored(value: &Value, error: &Value) -> Self {
        Self { value: numbers(value)[0], error: numbers(error)[0] }
    }
}

/// Fails when the mean of `ours` differs from the reference's by more than three standard errors of the difference.
pub fn assert_same_mean(what: &str, ours: &[f64], reference: Mean) {
    let mean = Mean::of(ours);
    // Where every seed finds the same, what is left is rounding.
    let rounding = 1e-9 * reference.value.abs() + 1e-12;
    let allowed = 3.0 * mean.error.hypot(reference.error) + rounding;
    println!(
        "{what}: {:.5} ± {:.5}, reference {:.5} ± {:.5}",
        mean.value, mean.error, reference.value, reference.error
    );
    assert!(
        (mean.value - reference.value).abs() <= allowed,
        "{what}: {ours:?} has mean {}, not {} ± {allowed}",
        mean.value,
        reference.value
    );
}

/// The case's model of all its rows, for one seed.
pub fn fit_seeded(case: &Case, seed: u64) -> Box<dyn Model> {
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    let run = Run::new().with_seed(seed);
    algorithm.fit(&case.params, &case.data, case.task, &run).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

/// Compares the mean of the first metric that models of ten seeds tell of themselves.
pub fn own_metrics_agree(case: &Case, reference: Mean) {
    let ours = over_seeds(|seed| fit_seeded(case, seed).own_metrics()[0].1);
    assert_same_mean(&case.name, &ours, reference);
}

/// Compares the mean score of ten seeds, learnt from even rows and measured on odd ones, with the reference's
/// (`expected[key]`).
pub fn scores_agree(case: &Case, key: &str) {
    let n = case.data.n_rows() as u32;
    let part = |first: u32| case.data.select(&(first..n).step_by(2).collect::<Vec<u32>>());
    let (learn, judge) = (part(0), part(1));
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    let score = |seed: u64| {
        let run = Run::new().with_seed(seed);
        let model = algorithm.fit(&case.params, &learn, case.task, &run).expect("fits");
        let rows = judge.to_rows();
        let rows = MatrixRef::new(&rows, judge.n_features()).expect("whole rows");
        let mut out = vec![0.0; rows.n_rows()];
        model.predict_into(rows, &mut out).expect("predicts");
        let y = judge.target().expect("a target");
        match case.task {
            Task::Regression => metrics::r2(y, &out),
            _ => metrics::ConfusionMatrix::new(y, &out).accuracy(),
        }
    };
    assert_same_mean(&case.name, &over_seeds(score), Mean::of(&numbers(&case.expected[key])));
}
