//! Which hyperparameters are best: every candidate is cross-validated on the training rows alone, and the best mean wins.

mod halving;
mod space;
mod tpe;
mod trials;

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cross_validation::{Fold, folds};
use crate::error::unknown_name;
use crate::prepare::Prepared;
use crate::run::Reservation;
use crate::score::HeldOut;
use crate::train::TrainRequest;
use crate::{Dataset, Error, ErrorKind, Result, Run, bail};
use space::Axis;
use trials::{Judge, Trial, of_candidate, results};

/// How candidates are chosen from `search_params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Search {
    /// All combinations.
    Grid,
    /// Some combinations, drawn by chance.
    Random,
    /// All combinations (or some, with `n_iter`) on few rows, the better third on more, and so on.
    Halving,
    /// One after another, drawn where good ones lie densely.
    Tpe,
}

impl Search {
    /// Every kind of search.
    pub const ALL: [Self; 4] = [Self::Grid, Self::Random, Self::Halving, Self::Tpe];

    /// The SQL name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
            Self::Halving => "halving",
            Self::Tpe => "tpe",
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

/// How many candidates a random search draws unless told.
const DEFAULT_N_ITER: u64 = 10;
/// How many candidates the Parzen estimator tries unless told.
const DEFAULT_TPE_N_ITER: u64 = 30;
/// How many folds a search has unless told.
const DEFAULT_CV: usize = 5;
/// Without cross-validation, one of this many parts of the training rows is held out to choose by.
const HOLD_OUT_PARTS: usize = 4;

/// What is to be tried.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPlan {
    /// The hyperparameters of each candidate, as the user named them. Of a search that draws them one after another, the
    /// outermost of what it may draw.
    pub candidates: Vec<Map<String, Value>>,
    /// How many folds each is scored on; below 2 there is no cross-validation.
    pub cv: usize,
    search: Option<Search>,
    axes: Vec<Axis>,
    n_iter: u64,
    limit: Option<Duration>,
}

impl SearchPlan {
    /// Reads `hyperparams`, `search`, `search_params` and `search_args`, and checks every candidate.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], naming what is wrong.
    pub fn new(request: &TrainRequest, run: &Run) -> Result<Self> {
        let args = SearchArgs::read(request)?;
        let axes = space::axes(request)?;
        let candidates = match (request.search, args.n_iter) {
            (Some(Search::Random), n_iter) => space::draw(&axes, n_iter.unwrap_or(DEFAULT_N_ITER), run),
            (Some(Search::Halving), Some(n_iter)) => space::draw(&axes, n_iter, run),
            (Some(Search::Tpe), _) => outermost(&axes),
            _ => space::every_combination(&axes)?,
        };
        let n_iter = args.n_iter.unwrap_or(DEFAULT_TPE_N_ITER);
        let plan = Self { candidates, cv: args.cv, search: request.search, axes, n_iter, limit: args.limit };
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

    /// How many candidates are tried at most.
    #[must_use]
    pub fn n_candidates(&self) -> u64 {
        match self.search {
            Some(Search::Tpe) => space::n_combinations(&self.axes).map_or(self.n_iter, |n| n.min(self.n_iter)),
            _ => self.candidates.len() as u64,
        }
    }
}

/// Combinations in which every value of a list and both ends of a range occur: if they are valid, all are.
fn outermost(axes: &[Axis]) -> Vec<Map<String, Value>> {
    let ends = |axis: &Axis| match &axis.domain {
        space::Domain::List(values) => values.clone(),
        space::Domain::Range(range) => {
            let (low, high) = range.scaled_bounds();
            vec![range.value(low), range.value(high)]
        }
    };
    let ends: Vec<Vec<Value>> = axes.iter().map(ends).collect();
    let longest = ends.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let candidate = |i: usize| {
        axes.iter().zip(&ends).map(|(axis, ends)| (axis.name.clone(), ends[i % ends.len()].clone())).collect()
    };
    (0..longest).map(candidate).collect()
}

/// What `search_args` say.
struct SearchArgs {
    n_iter: Option<u64>,
    cv: usize,
    limit: Option<Duration>,
}

impl SearchArgs {
    fn read(request: &TrainRequest) -> Result<Self> {
        let cv = if request.search.is_some() { DEFAULT_CV } else { 1 };
        let mut args = Self { n_iter: None, cv, limit: None };
        for (key, value) in &request.search_args {
            // JavaScript clients send every number as a float: `3.0` is an integer too.
            let whole = value
                .as_u64()
                .or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..=1e9).contains(x)).map(|x| x as u64));
            let seconds = value.as_f64().filter(|x| (0.0..=1e9).contains(x));
            match (key.as_str(), whole, seconds) {
                ("n_iter", Some(given), _) if given > 0 => args.n_iter = Some(given),
                ("cv", Some(given), _) => args.cv = usize::try_from(given).unwrap_or(usize::MAX),
                ("max_seconds", _, Some(given)) => args.limit = Some(Duration::from_secs_f64(given)),
                ("n_iter" | "cv", ..) => {
                    let least = if key == "cv" { 0 } else { 1 };
                    bail!(
                        InvalidParameter,
                        "search_args => \"{key}\" is {value}, but must be an integer of at least {least}"
                    )
                }
                ("max_seconds", ..) => {
                    bail!(
                        InvalidParameter,
                        "search_args => \"max_seconds\" is {value}, but must be a number of at least 0"
                    )
                }
                _ => {
                    let error =
                        Error::new(ErrorKind::InvalidParameter, format!("Unknown search_args => \"{key}\": {value}"));
                    return Err(error.with_detail("known: n_iter, cv, max_seconds"));
                }
            }
        }
        Ok(args)
    }
}

/// What a search found.
#[derive(Debug)]
pub struct Evaluated {
    /// The hyperparameters of the winner.
    pub best: Map<String, Value>,
    /// The key `search_results` of the metrics.
    pub results: Value,
}

/// The training rows in folds.
struct Folds<'a> {
    prepared: &'a Prepared,
    folds: Vec<Fold>,
    _memory: Reservation,
}

impl<'a> Folds<'a> {
    /// Cross-validation folds; below two, one part of the training rows held out, because choosing by the test rows would
    /// make their score a lie. `kept` of them are in memory at a time.
    fn new(plan: &SearchPlan, prepared: &'a Prepared, run: &Run) -> Result<Self> {
        let folds = if plan.cv > 1 {
            folds(&prepared.train, plan.cv)?
        } else {
            let parts = HOLD_OUT_PARTS.min(prepared.train.n_rows()).max(2);
            folds(&prepared.train, parts)?.split_off(parts - 1)
        };
        let kept = if plan.search == Some(Search::Tpe) { folds.len() as u64 } else { 1 };
        let _memory = run.reserve(kept * prepared.train.bytes(), "the folds of the training rows")?;
        Ok(Self { prepared, folds, _memory })
    }

    fn len(&self) -> usize {
        self.folds.len()
    }

    /// The rows to fit of the smallest fold.
    fn least_rows(&self) -> usize {
        self.folds.iter().map(|fold| fold.fit.len()).min().unwrap_or(0)
    }

    /// One fold: 1/`share` of its rows to fit, and those to score. Rows stand in an order of chance, so the first are as
    /// good as any.
    fn part(&self, fold: usize, share: usize, run: &Run) -> Result<(Dataset, HeldOut)> {
        let Fold { fit, score } = &self.folds[fold];
        self.prepared.fold(&fit[..fit.len().div_ceil(share)], score, run)
    }
}

/// Tries candidates on the folds of the training rows. The test rows play no part in it.
///
/// # Errors
/// When a fit fails, when no candidate has a score, or when the run is cancelled.
pub fn search(request: &TrainRequest, plan: &SearchPlan, prepared: &Prepared, run: &Run) -> Result<Evaluated> {
    let judge = Judge::new(request, plan.limit, run)?;
    let folds = Folds::new(plan, prepared, run)?;
    match plan.search {
        Some(Search::Tpe) => {
            tpe::explore(&plan.axes, usize::try_from(plan.n_iter).unwrap_or(usize::MAX), &folds, &judge, run)
        }
        Some(Search::Halving) => halving::halve(plan.candidates.clone(), &folds, &judge, run),
        _ => try_all(&plan.candidates, &folds, &judge, run),
    }
}

/// Every candidate on every fold. When time runs out, those folds count that all candidates have; of the first fold, the
/// candidates that were tried.
fn try_all(candidates: &[Map<String, Value>], folds: &Folds<'_>, judge: &Judge<'_>, run: &Run) -> Result<Evaluated> {
    let total = (folds.len() * candidates.len()) as u64;
    let mut trials: Vec<Vec<Trial>> = vec![Vec::with_capacity(folds.len()); candidates.len()];
    'time: for fold in 0..folds.len() {
        let (data, held_out) = folds.part(fold, 1, run)?;
        for (index, candidate) in candidates.iter().enumerate() {
            let done = fold * candidates.len() + index;
            run.progress("search", done as u64, total);
            if done > 0 && judge.is_over() {
                run.warn(&format!("max_seconds are over: {done} of {total} fits of the search were made"));
                trials.iter_mut().for_each(|trials| trials.truncate(fold.max(1)));
                break 'time;
            }
            trials[index].push(judge.judge(candidate, &data, &held_out)?);
        }
    }
    run.progress("search", total, total);
    let best = judge.best(&trials)?;
    Ok(Evaluated { best: candidates[best].clone(), results: Value::Object(results(candidates, &trials, best)) })
}
