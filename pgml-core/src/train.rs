//! Training, end to end: plan → prepare → search → fit on all training rows → score once on the test rows.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::early_stopping::fit;
use crate::labels::Labels;
use crate::predictor::Predictor;
use crate::prepare::{Prepared, prepare};
use crate::sampling::Split;
use crate::schema::Schema;
use crate::score::{HeldOut, Metrics, score};
use crate::search::{Evaluated, Search, SearchPlan, search};
use crate::{Algorithm, Dataset, ErrorKind, Model, Result, Run, Table, Task, bail};

/// What is to be trained, and how.
#[derive(Clone)]
pub struct TrainRequest {
    /// The algorithm.
    pub algorithm: &'static dyn Algorithm,
    /// What it is trained for.
    pub task: Task,
    /// Its hyperparameters, by name or alias.
    pub hyperparams: Map<String, Value>,
    /// How candidates are chosen from `search_params`; all of them when `None`.
    pub search: Option<Search>,
    /// For each parameter to search, the array of values to try.
    pub search_params: Map<String, Value>,
    /// `n_iter` and `cv`.
    pub search_args: Map<String, Value>,
    /// How test rows are held out.
    pub split: Split,
    /// The columns to predict; empty when unsupervised.
    pub labels: Vec<String>,
    /// Encoding, imputation, scale and role by column.
    pub preprocess: Map<String, Value>,
    /// The column whose every value gets a model of its own.
    pub group_by: Option<String>,
}

impl std::fmt::Debug for TrainRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainRequest")
            .field("algorithm", &self.algorithm.name())
            .field("task", &self.task)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl TrainRequest {
    /// A request with every other argument at its default.
    #[must_use]
    pub fn new(algorithm: &'static dyn Algorithm, task: Task, labels: &[&str]) -> Self {
        Self {
            algorithm,
            task,
            hyperparams: Map::new(),
            search: None,
            search_params: Map::new(),
            search_args: Map::new(),
            split: Split::default(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            preprocess: Map::new(),
            group_by: None,
        }
    }
}

/// A trained model with what is to be recorded about it.
#[derive(Debug)]
pub struct Trained {
    /// The model, ready to predict.
    pub predictor: Predictor,
    /// The hyperparameters that it was fitted with, as the user named them: the winner's after a search.
    pub hyperparams: Map<String, Value>,
    /// The metrics on the test rows, `fit_time`, `score_time`, and `search_results` after a search. What the rows do not
    /// define is `null`.
    pub metrics: Map<String, Value>,
    /// How many rows it learnt from.
    pub n_train: usize,
    /// How many rows it was scored on.
    pub n_test: usize,
    /// How many numbers the array form of `pgml.predict` takes per row.
    pub n_features: usize,
}

/// Trains on `table`, which is consumed to save memory.
///
/// The caller holds a reservation for the table's bytes; what preprocessing needs beyond them is reserved here.
///
/// # Errors
/// When request and table do not fit together, the data cannot be learnt from, the fit fails, or the run is cancelled.
pub fn train(request: &TrainRequest, table: Table, run: &Run) -> Result<Trained> {
    Training::prepare(request.clone(), table, run)?.fit(run)
}

/// A training whose data are ready and that has not begun to fit. [`train`] in two steps, for callers that have
/// something to say in between.
#[derive(Debug)]
pub struct Training {
    request: TrainRequest,
    plan: SearchPlan,
    prepared: Prepared,
}

impl Training {
    /// Checks the request, splits the table and preprocesses both parts.
    ///
    /// # Errors
    /// As [`train`].
    pub fn prepare(request: TrainRequest, table: Table, run: &Run) -> Result<Self> {
        let (algorithm, task) = (request.algorithm, request.task);
        if !algorithm.tasks().contains(&task) {
            let tasks: Vec<String> = algorithm.tasks().iter().map(ToString::to_string).collect();
            return Err(crate::Error::new(
                ErrorKind::NotSupported,
                format!("{} does not support {task}", algorithm.name()),
            )
            .with_detail(format!("{} supports: {}", algorithm.name(), tasks.join(", "))));
        }
        if table.n_rows == 0 {
            bail!(InvalidData, "the relation has no rows to learn from");
        }
        let plan = SearchPlan::new(&request, run)?;
        let prepared = prepare(&request, table, plan.is_search(), run)?;
        Ok(Self { request, plan, prepared })
    }

    /// How many numbers the array form of `pgml.predict` will take per row.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.prepared.schema.n_raw_features()
    }

    /// Searches where asked to, fits the winner on all training rows, and scores it once on the test rows.
    ///
    /// # Errors
    /// As [`train`].
    pub fn fit(mut self, run: &Run) -> Result<Trained> {
        let request = &self.request;
        run.info(&format!(
            "Hyperparameter searches: {}, cross validation folds: {}",
            self.plan.n_candidates(),
            self.plan.cv
        ));
        let outcome = self.plan.is_search().then(|| search(request, &self.plan, &self.prepared, run)).transpose()?;
        self.prepared.forget_raw();
        let hyperparams = match &outcome {
            Some(outcome) => outcome.best.clone(),
            None => self.plan.candidates.swap_remove(0),
        };
        let n_train = self.prepared.train.n_rows();
        let Prepared { schema, labels, train, test, .. } = self.prepared;
        let fitted = Fitted::new(request, hyperparams, Cow::Owned(train), &test, run)?;
        fitted.trained(request, schema, labels, outcome, (n_train, test.rows.n_rows()))
    }

    /// Cross-validates one algorithm after another, fits each on all training rows and scores it once on the test rows, until
    /// `limit` is over. The first is tried in any case, and the one under way is finished. What cannot learn from these data
    /// is left out with a warning.
    ///
    /// # Errors
    /// When none could learn, with the last one's reason; on cancel.
    pub fn fit_each(self, portfolio: &[Candidate], limit: Duration, run: &Run) -> Result<Vec<(Candidate, Trained)>> {
        let clock = Instant::now();
        let (mut tried, mut refused) = (Vec::new(), None);
        for (number, candidate) in portfolio.iter().enumerate() {
            run.check()?;
            if !tried.is_empty() && clock.elapsed() >= limit {
                let left: Vec<&str> = portfolio[number..].iter().map(|c| c.algorithm.name()).collect();
                run.info(&format!("max_seconds are over; not tried: {}", left.join(", ")));
                break;
            }
            match self.try_one(candidate, run) {
                Ok(trained) => tried.push((candidate.clone(), trained)),
                Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::OutOfMemory) => {
                    return Err(error);
                }
                Err(error) => {
                    run.warn(&format!("{} is left out: {}", candidate.algorithm.name(), error.message()));
                    refused = Some(error);
                }
            }
        }
        match (tried.is_empty(), refused) {
            (true, Some(error)) => Err(error),
            _ => Ok(tried),
        }
    }

    fn try_one(&self, candidate: &Candidate, run: &Run) -> Result<Trained> {
        let request = TrainRequest {
            algorithm: candidate.algorithm,
            hyperparams: candidate.hyperparams.clone(),
            search: None,
            ..self.request.clone()
        };
        run.info(&format!("Trying {} {}", candidate.algorithm.name(), Value::Object(candidate.hyperparams.clone())));
        let plan = SearchPlan::new(&request, run)?;
        let outcome = search(&request, &plan, &self.prepared, run)?;
        let Prepared { schema, labels, train, test, .. } = &self.prepared;
        let fitted = Fitted::new(&request, outcome.best.clone(), Cow::Borrowed(train), test, run)?;
        let counts = (train.n_rows(), test.rows.n_rows());
        fitted.trained(&request, schema.clone(), labels.clone(), Some(outcome), counts)
    }
}

/// An algorithm with hyperparameters, to be tried beside others.
#[derive(Clone)]
pub struct Candidate {
    /// The algorithm.
    pub algorithm: &'static dyn Algorithm,
    /// Its hyperparameters.
    pub hyperparams: Map<String, Value>,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("algorithm", &self.algorithm.name())
            .field("hyperparams", &self.hyperparams)
            .finish()
    }
}

impl Trained {
    /// The mean score of the hyperparameters over the folds of a search; NaN without one.
    #[must_use]
    pub fn cross_validated(&self) -> f64 {
        let results = self.metrics.get("search_results");
        let score =
            results.and_then(|r| r.get("mean_test_score")?.get(r.get("best_index")?.as_u64()? as usize)?.as_f64());
        score.unwrap_or(f64::NAN)
    }
}

/// A model on all training rows, and what it reaches on the test rows.
struct Fitted {
    model: Box<dyn Model>,
    hyperparams: Map<String, Value>,
    metrics: Metrics,
}

impl Fitted {
    fn new(
        request: &TrainRequest,
        hyperparams: Map<String, Value>,
        train: Cow<'_, Dataset>,
        test: &HeldOut,
        run: &Run,
    ) -> Result<Self> {
        run.info(&format!("Hyperparams: {}", pretty(&hyperparams)));
        run.info(&format!("Testing {} estimator {}", request.task, request.algorithm.name()));
        run.progress("training", 0, 0);
        let clock = Instant::now();
        let model = fit(request, &hyperparams, train, run)?;
        let fit_time = clock.elapsed().as_secs_f64();
        run.progress("scoring", 0, test.rows.n_rows() as u64);
        let clock = Instant::now();
        let mut metrics = score(model.as_ref(), test, request.task, run)?;
        metrics.extend([("fit_time", fit_time), ("score_time", clock.elapsed().as_secs_f64())]);
        run.info(&format!("Metrics: {}", shown(&metrics)));
        Ok(Self { model, hyperparams, metrics })
    }

    fn trained(
        self,
        request: &TrainRequest,
        schema: Schema,
        labels: Option<Labels>,
        outcome: Option<Evaluated>,
        (n_train, n_test): (usize, usize),
    ) -> Result<Trained> {
        let mut metrics: Map<String, Value> =
            self.metrics.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        metrics.extend(outcome.map(|outcome| ("search_results".to_owned(), outcome.results)));
        let n_features = schema.n_raw_features();
        let predictor = Predictor::from_parts(request.algorithm.name(), request.task, schema, labels, self.model)?;
        Ok(Trained { predictor, hyperparams: self.hyperparams, metrics, n_train, n_test, n_features })
    }
}

fn pretty(hyperparams: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(hyperparams).unwrap_or_default()
}

/// Metrics as PostgresML prints them: in the order in which they were made.
fn shown(metrics: &Metrics) -> String {
    let pairs: Vec<String> = metrics.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
