//! What candidates reach: each on each fold, and the table of it.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::early_stopping::fit;
use crate::score::{HeldOut, score};
use crate::train::TrainRequest;
use crate::{Dataset, Error, ErrorKind, Result, Run, bail};

/// One candidate on one fold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The target metric.
    pub score: f64,
    fit_seconds: f64,
    score_seconds: f64,
}

/// Fits candidates and scores them, until its time is over.
pub struct Judge<'a> {
    request: &'a TrainRequest,
    run: &'a Run,
    metric: &'static str,
    higher_is_better: bool,
    began: Instant,
    limit: Option<Duration>,
}

impl<'a> Judge<'a> {
    /// # Errors
    /// [`ErrorKind::NotSupported`] for tasks without a metric to choose by.
    pub fn new(request: &'a TrainRequest, limit: Option<Duration>, run: &'a Run) -> Result<Self> {
        let Some((metric, higher_is_better)) = request.task.target_metric() else {
            bail!(NotSupported, "No default target metric for {} task", request.task);
        };
        Ok(Self { request, run, metric, higher_is_better, began: Instant::now(), limit })
    }

    /// Whether `max_seconds` are over.
    pub fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.began.elapsed() >= limit)
    }

    /// Fits one candidate on a part of the rows and scores it on another.
    ///
    /// # Errors
    /// Those of the fit, with the candidate; on cancel.
    pub fn judge(&self, candidate: &Map<String, Value>, data: &Dataset, held_out: &HeldOut) -> Result<Trial> {
        self.run.check()?;
        let clock = Instant::now();
        let model = fit(self.request, candidate, Cow::Borrowed(data), self.run);
        let model = model.map_err(|e| of_candidate(e, candidate))?;
        let fit_seconds = clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        let metrics = score(model.as_ref(), held_out, self.request.task, self.run)?;
        let score = metrics.iter().find(|(name, _)| *name == self.metric).map_or(f64::NAN, |(_, value)| *value);
        Ok(Trial { score, fit_seconds, score_seconds: clock.elapsed().as_secs_f64() })
    }

    /// Whether the score `a` is better than `b`; NaN is worse than everything.
    pub fn is_better(&self, a: f64, b: f64) -> bool {
        !a.is_nan() && (b.is_nan() || if self.higher_is_better { a > b } else { a < b })
    }

    /// The order of candidates by their scores, the best first and equals by their number.
    pub fn by_score(&self, mut candidates: Vec<usize>, score: impl Fn(usize) -> f64) -> Vec<usize> {
        candidates.sort_by(|a, b| {
            let (of_a, of_b) = (score(*a), score(*b));
            self.is_better(of_b, of_a).cmp(&self.is_better(of_a, of_b)).then(a.cmp(b))
        });
        candidates
    }

    /// The position of the best mean, the first of equals.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when none is defined.
    pub fn best(&self, trials: &[Vec<Trial>]) -> Result<usize> {
        let means = trials.iter().map(|trials| mean(trials, |t| t.score));
        let known = means.enumerate().filter(|(_, mean)| !mean.is_nan());
        let best = known.fold(None, |best, (index, mean)| match best {
            Some((_, other)) if !self.is_better(mean, other) => best,
            _ => Some((index, mean)),
        });
        best.map(|(index, _)| index).ok_or_else(|| {
            let message = format!("no candidate of the search has a defined {}", self.metric);
            Error::new(ErrorKind::InvalidData, message)
                .with_hint("the folds may be too small: lower \"cv\" in search_args, or train on more rows")
        })
    }
}

/// Adds the candidate to an error about it.
pub fn of_candidate(error: Error, candidate: &Map<String, Value>) -> Error {
    let params = Value::Object(candidate.clone());
    let detail = match error.detail() {
        Some(detail) => format!("{detail}; candidate: {params}"),
        None => format!("candidate: {params}"),
    };
    error.with_detail(detail)
}

/// The mean over a candidate's folds; NaN when it was tried on none.
pub fn mean(trials: &[Trial], of: fn(&Trial) -> f64) -> f64 {
    trials.iter().map(of).sum::<f64>() / trials.len() as f64
}

/// Population standard deviation, as scikit-learn's `cv_results_`.
fn std(trials: &[Trial], of: fn(&Trial) -> f64) -> f64 {
    let mean = mean(trials, of);
    (trials.iter().map(|t| (of(t) - mean).powi(2)).sum::<f64>() / trials.len() as f64).sqrt()
}

/// The JSON object `search_results`, with PostgresML's keys, which are those of scikit-learn's `cv_results_`. What was not
/// tried is null.
pub fn results(candidates: &[Map<String, Value>], trials: &[Vec<Trial>], best: usize) -> Map<String, Value> {
    let n_splits = trials.iter().map(Vec::len).max().unwrap_or(0);
    let each = |of: &dyn Fn(&[Trial]) -> f64| trials.iter().map(|t| Value::from(of(t))).collect::<Vec<Value>>();
    let mut results = Map::new();
    results.insert("params".to_owned(), json!(candidates));
    results.insert("n_splits".to_owned(), json!(n_splits));
    results.insert("best_index".to_owned(), json!(best));
    results.insert("mean_test_score".to_owned(), json!(each(&|t| mean(t, |t| t.score))));
    results.insert("std_test_score".to_owned(), json!(each(&|t| std(t, |t| t.score))));
    results.insert("mean_fit_time".to_owned(), json!(each(&|t| mean(t, |t| t.fit_seconds))));
    results.insert("std_fit_time".to_owned(), json!(each(&|t| std(t, |t| t.fit_seconds))));
    results.insert("mean_score_time".to_owned(), json!(each(&|t| mean(t, |t| t.score_seconds))));
    results.insert("std_score_time".to_owned(), json!(each(&|t| std(t, |t| t.score_seconds))));
    for split in 0..n_splits {
        let of_split = |t: &[Trial]| t.get(split).map_or(f64::NAN, |trial| trial.score);
        results.insert(format!("split{split}_test_score"), json!(each(&of_split)));
    }
    for name in candidates[best].keys() {
        let values: Vec<&Value> = candidates.iter().map(|c| c.get(name).unwrap_or(&Value::Null)).collect();
        results.insert(format!("param_{name}"), json!(values));
    }
    results
}
