//! Which hyperparameters are best: every candidate is cross-validated on the training rows alone, and the best mean wins.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::cross_validation::{Fold, folds};
use crate::early_stopping::fit;
use crate::error::unknown_name;
use crate::prepare::Prepared;
use crate::score::score;
use crate::train::TrainRequest;
use crate::{Error, ErrorKind, Result, Run, bail};

/// How candidates are chosen from `search_params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Search {
    /// All combinations.
    Grid,
    /// Some combinations, drawn by chance.
    Random,
}

impl Search {
    /// Every kind of search.
    pub const ALL: [Self; 2] = [Self::Grid, Self::Random];

    /// The SQL name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
        }
    }
}

impl FromStr for Search {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| {
            unknown_name(ErrorKind::InvalidParameter, "search", text, Self::ALL.iter().map(|s| s.name()))
        })
    }
}

/// The most candidates that one search may have.
const MOST_CANDIDATES: u64 = 100_000;
/// How many candidates a random search draws unless told.
const DEFAULT_N_ITER: u64 = 10;
/// How many folds a search has unless told.
const DEFAULT_CV: usize = 5;
/// Without cross-validation, one of this many parts of the training rows is held out to choose by.
const HOLD_OUT_PARTS: usize = 4;
/// The stream of the generator that a random search draws from.
const SEARCH_STREAM: u64 = 0x5ea7_c400;

/// What is to be tried.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPlan {
    /// The hyperparameters of each candidate, as the user named them.
    pub candidates: Vec<Map<String, Value>>,
    /// How many folds each is scored on; below 2 there is no cross-validation.
    pub cv: usize,
}

impl SearchPlan {
    /// Reads `hyperparams`, `search`, `search_params` and `search_args`, and checks every candidate.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], naming what is wrong.
    pub fn new(request: &TrainRequest, run: &Run) -> Result<Self> {
        let (n_iter, cv) = search_args(request)?;
        let axes = axes(request)?;
        let total = axes.iter().try_fold(1_u64, |n, (_, values)| n.checked_mul(values.len() as u64));
        let chosen: Vec<u64> = match (request.search, total) {
            (Some(Search::Random), total) => draw(total.unwrap_or(u64::MAX), n_iter, run),
            (_, Some(total)) if total <= MOST_CANDIDATES => (0..total).collect(),
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidParameter,
                    format!("search_params has more than {MOST_CANDIDATES} combinations"),
                )
                .with_hint("use search => 'random' with \"n_iter\" in search_args"));
            }
        };
        let plan = Self { candidates: chosen.into_iter().map(|index| candidate(&axes, index)).collect(), cv };
        for candidate in &plan.candidates {
            let resolved = request.algorithm.resolve_params(candidate);
            resolved.map_err(|e| if plan.candidates.len() > 1 { of_candidate(e, candidate) } else { e })?;
        }
        Ok(plan)
    }

    /// Whether anything is to be chosen or cross-validated, rather than simply fitted.
    #[must_use]
    pub fn is_search(&self) -> bool {
        self.candidates.len() > 1 || self.cv > 1
    }
}

fn of_candidate(error: Error, candidate: &Map<String, Value>) -> Error {
    let params = Value::Object(candidate.clone());
    let detail = match error.detail() {
        Some(detail) => format!("{detail}; candidate: {params}"),
        None => format!("candidate: {params}"),
    };
    error.with_detail(detail)
}

/// `n_iter` and `cv`.
fn search_args(request: &TrainRequest) -> Result<(u64, usize)> {
    let (mut n_iter, mut cv) = (DEFAULT_N_ITER, if request.search.is_some() { DEFAULT_CV } else { 1 });
    for (key, value) in &request.search_args {
        // JavaScript clients send every number as a float: `3.0` is an integer too.
        let whole = value
            .as_u64()
            .or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..=1e9).contains(x)).map(|x| x as u64));
        match (key.as_str(), whole) {
            ("n_iter", Some(given)) if given > 0 => n_iter = given,
            ("cv", Some(given)) => cv = usize::try_from(given).unwrap_or(usize::MAX),
            ("n_iter" | "cv", _) => {
                let least = if key == "cv" { 0 } else { 1 };
                bail!(
                    InvalidParameter,
                    "search_args => \"{key}\" is {value}, but must be an integer of at least {least}"
                )
            }
            _ => {
                let error =
                    Error::new(ErrorKind::InvalidParameter, format!("Unknown search_args => \"{key}\": {value}"));
                return Err(error.with_detail("known: n_iter, cv"));
            }
        }
    }
    Ok((n_iter, cv))
}

/// Every parameter with the values it takes, in the order of `jsonb` keys: shorter ones first, then bytewise.
fn axes(request: &TrainRequest) -> Result<Vec<(String, Vec<Value>)>> {
    let mut axes: Vec<(String, Vec<Value>)> =
        request.hyperparams.iter().map(|(key, value)| (key.clone(), vec![value.clone()])).collect();
    for (key, values) in &request.search_params {
        if request.hyperparams.contains_key(key) {
            bail!(
                InvalidParameter,
                "`{key}` cannot be present in both hyperparams and search_params. Please choose one or the other."
            );
        }
        match values.as_array() {
            Some(values) if !values.is_empty() => axes.push((key.clone(), values.clone())),
            _ => bail!(
                InvalidParameter,
                "search_params => \"{key}\" is {values}, but must be an array of at least one value to try"
            ),
        }
    }
    axes.sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
    Ok(axes)
}

/// The combination number `index`: the last parameter varies fastest.
fn candidate(axes: &[(String, Vec<Value>)], mut index: u64) -> Map<String, Value> {
    let mut candidate = Map::new();
    for (key, values) in axes.iter().rev() {
        let n_values = values.len() as u64;
        candidate.insert(key.clone(), values[(index % n_values) as usize].clone());
        index /= n_values;
    }
    candidate
}

/// `n_iter` different numbers below `total`, ascending; all of them if there are fewer (Floyd's algorithm).
fn draw(total: u64, n_iter: u64, run: &Run) -> Vec<u64> {
    let wanted = n_iter.min(total).min(MOST_CANDIDATES);
    let mut rng = run.rng(SEARCH_STREAM);
    let mut drawn = std::collections::BTreeSet::new();
    for upper in total - wanted..total {
        let x = rng.u64(0..=upper);
        if !drawn.insert(x) {
            drawn.insert(upper);
        }
    }
    drawn.into_iter().collect()
}

/// What a search found.
#[derive(Debug)]
pub struct SearchOutcome {
    /// The position of the winner among the candidates.
    pub best: usize,
    /// The key `search_results` of the metrics.
    pub results: Value,
}

/// One candidate on one fold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trial {
    score: f64,
    fit_seconds: f64,
    score_seconds: f64,
}

/// Tries every candidate on every fold of the training rows. The test rows play no part in it.
///
/// # Errors
/// When a fit fails, when no candidate has a score, or when the run is cancelled.
pub fn search(request: &TrainRequest, plan: &SearchPlan, prepared: &Prepared, run: &Run) -> Result<SearchOutcome> {
    let Some((metric, higher_is_better)) = request.task.target_metric() else {
        bail!(NotSupported, "No default target metric for {} task", request.task);
    };
    let folds = search_folds(plan, prepared)?;
    let total = (folds.len() * plan.candidates.len()) as u64;
    let _memory = run.reserve(prepared.train.bytes(), "a fold of the training rows")?;
    let mut trials: Vec<Vec<Trial>> = vec![Vec::with_capacity(folds.len()); plan.candidates.len()];
    for (split, fold) in folds.iter().enumerate() {
        let (data, held_out) = prepared.fold(&fold.fit, &fold.score, run)?;
        for (index, candidate) in plan.candidates.iter().enumerate() {
            run.progress("search", (split * plan.candidates.len() + index) as u64, total);
            run.check()?;
            let clock = Instant::now();
            let model = fit(request, candidate, Cow::Borrowed(&data), run);
            let model = model.map_err(|e| of_candidate(e, candidate))?;
            let fit_seconds = clock.elapsed().as_secs_f64();
            let clock = Instant::now();
            let metrics = score(model.as_ref(), &held_out, request.task, run)?;
            let score = metrics.iter().find(|(name, _)| *name == metric).map_or(f64::NAN, |(_, value)| *value);
            trials[index].push(Trial { score, fit_seconds, score_seconds: clock.elapsed().as_secs_f64() });
        }
    }
    run.progress("search", total, total);
    let means: Vec<f64> = trials.iter().map(|trials| mean(trials, |t| t.score)).collect();
    let Some(best) = best_of(&means, higher_is_better) else {
        return Err(Error::new(ErrorKind::InvalidData, format!("no candidate of the search has a defined {metric}"))
            .with_hint("the folds may be too small: lower \"cv\" in search_args, or train on more rows"));
    };
    Ok(SearchOutcome { best, results: results(plan, &trials, &means, best) })
}

/// Cross-validation folds; below two, one part of the training rows held out, because choosing by the test rows would
/// make their score a lie.
fn search_folds(plan: &SearchPlan, prepared: &Prepared) -> Result<Vec<Fold>> {
    if plan.cv > 1 {
        return folds(&prepared.train, plan.cv);
    }
    let parts = HOLD_OUT_PARTS.min(prepared.train.n_rows()).max(2);
    let mut folds = folds(&prepared.train, parts)?;
    Ok(folds.split_off(parts - 1))
}

/// The position of the best mean; the first of equals. NaN is worse than everything.
fn best_of(means: &[f64], higher_is_better: bool) -> Option<usize> {
    let better = |a: f64, b: f64| if higher_is_better { a > b } else { a < b };
    let known = means.iter().enumerate().filter(|(_, mean)| !mean.is_nan());
    known.fold(None, |best, (index, mean)| match best {
        Some(other) if !better(*mean, means[other]) => best,
        _ => Some(index),
    })
}

fn mean(trials: &[Trial], of: fn(&Trial) -> f64) -> f64 {
    trials.iter().map(of).sum::<f64>() / trials.len() as f64
}

/// Population standard deviation, as scikit-learn's `cv_results_`.
fn std(trials: &[Trial], of: fn(&Trial) -> f64) -> f64 {
    let mean = mean(trials, of);
    (trials.iter().map(|t| (of(t) - mean).powi(2)).sum::<f64>() / trials.len() as f64).sqrt()
}

/// The JSON object `search_results`, with PostgresML's keys, which are those of scikit-learn's `cv_results_`.
fn results(plan: &SearchPlan, trials: &[Vec<Trial>], means: &[f64], best: usize) -> Value {
    let n_splits = trials.first().map_or(0, Vec::len);
    let each = |of: &dyn Fn(&[Trial]) -> f64| trials.iter().map(|t| Value::from(of(t))).collect::<Vec<Value>>();
    let mut results = Map::new();
    results.insert("params".to_owned(), json!(plan.candidates));
    results.insert("n_splits".to_owned(), json!(n_splits));
    results.insert("best_index".to_owned(), json!(best));
    results.insert("mean_test_score".to_owned(), json!(means));
    results.insert("std_test_score".to_owned(), json!(each(&|t| std(t, |t| t.score))));
    results.insert("mean_fit_time".to_owned(), json!(each(&|t| mean(t, |t| t.fit_seconds))));
    results.insert("std_fit_time".to_owned(), json!(each(&|t| std(t, |t| t.fit_seconds))));
    results.insert("mean_score_time".to_owned(), json!(each(&|t| mean(t, |t| t.score_seconds))));
    results.insert("std_score_time".to_owned(), json!(each(&|t| std(t, |t| t.score_seconds))));
    for split in 0..n_splits {
        results.insert(format!("split{split}_test_score"), json!(each(&|t| t[split].score)));
    }
    for name in plan.candidates[best].keys() {
        let values: Vec<&Value> = plan.candidates.iter().map(|c| c.get(name).unwrap_or(&Value::Null)).collect();
        results.insert(format!("param_{name}"), json!(values));
    }
    Value::Object(results)
}
