//! What is checked: one algorithm for one of its tasks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pgml_core::{Algorithm, Dataset, Error, ErrorKind, MatrixRef, Model, Run, Task};
use serde_json::{Map, Value};

use crate::data;
use crate::one_feature::{ONE_FEATURE, OneFeature};

/// What a check found wrong, in one line.
pub type Finding = Result<(), String>;

/// A rule that every algorithm keeps.
pub type Check = fn(&Subject) -> Finding;

/// One algorithm for one of its tasks.
#[derive(Clone, Copy)]
pub struct Subject {
    pub algorithm: &'static dyn Algorithm,
    pub task: Task,
}

/// Every task of every algorithm; those whose library is absent are skipped with a printed line.
pub fn subjects(registry: &'static [&'static dyn Algorithm]) -> Vec<Subject> {
    let all = registry
        .iter()
        .map(|algorithm| given_several_features(*algorithm))
        .flat_map(|algorithm| algorithm.tasks().iter().map(move |task| Subject { algorithm, task: *task }));
    all.filter(|subject| !subject.lacks_its_library()).collect()
}

/// An algorithm that takes any number of features: those that learn from one are given a choice.
fn given_several_features(algorithm: &'static dyn Algorithm) -> &'static dyn Algorithm {
    if ONE_FEATURE.contains(&algorithm.name()) { Box::leak(Box::new(OneFeature(algorithm))) } else { algorithm }
}

/// Every complaint of `check` about `subjects`; a panic is one too.
pub fn complaints(subjects: &[Subject], check: Check) -> Vec<String> {
    let complaint = |subject: &Subject| {
        let finding = catch_unwind(AssertUnwindSafe(|| check(subject))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", text.unwrap_or("without a text")))
        });
        finding.err().map(|what| format!("{} ({}): {what}", subject.algorithm.name(), subject.task))
    };
    subjects.iter().filter_map(complaint).collect()
}

impl Subject {
    /// Fits with default hyperparameters and one thread.
    pub fn fit(&self, data: &Dataset) -> Result<Box<dyn Model>, String> {
        self.try_fit(data).map_err(|e| format!("cannot fit: {e}"))
    }

    /// As [`Subject::fit`], with the error as it is.
    pub fn try_fit(&self, data: &Dataset) -> Result<Box<dyn Model>, Error> {
        self.fit_with(&Map::new(), data, &Run::new().with_seed(7))
    }

    /// Fits with these hyperparameters in this run.
    pub fn fit_with(&self, params: &Map<String, Value>, data: &Dataset, run: &Run) -> Result<Box<dyn Model>, Error> {
        self.algorithm.fit(params, data, self.task, run)
    }

    /// Whether a shared library is missing that nobody said is there (`PGML_<NAME>_LIBRARY`).
    fn lacks_its_library(&self) -> bool {
        let variable = format!("PGML_{}_LIBRARY", self.algorithm.name().to_uppercase());
        if std::env::var_os(&variable).is_some() {
            return false;
        }
        let missing = self.try_fit(&data::small(self.task)).is_err_and(|e| e.kind() == ErrorKind::MissingLibrary);
        if missing {
            println!("skipped {} ({}): its library is absent; {variable} names it", self.algorithm.name(), self.task);
        }
        missing
    }
}

/// Everything a model says about rows, value by value.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// What was asked: predictions, then probabilities, components and anomaly scores.
    pub parts: Vec<(&'static str, Vec<f64>)>,
}

impl Answers {
    /// Asks the model for everything it can say.
    pub fn of(model: &dyn Model, rows: &[f64]) -> Result<Self, Error> {
        let rows = MatrixRef::new(rows, model.n_features())?;
        let mut predictions = vec![f64::NAN; rows.n_rows() * model.n_outputs()];
        model.predict_into(rows, &mut predictions)?;
        let mut parts = vec![("prediction", predictions)];
        if let Some(classifier) = model.classifier() {
            let mut proba = vec![f64::NAN; rows.n_rows() * classifier.n_classes()];
            classifier.predict_proba_into(rows, &mut proba)?;
            parts.push(("probability", proba));
        }
        if let Some(transformer) = model.transformer() {
            let mut components = vec![f64::NAN; rows.n_rows() * transformer.n_components()];
            transformer.transform_into(rows, &mut components)?;
            parts.push(("component", components));
        }
        if let Some(detector) = model.anomaly_detector() {
            let mut scores = vec![f64::NAN; rows.n_rows()];
            detector.anomaly_score_into(rows, &mut scores)?;
            parts.push(("anomaly score", scores));
        }
        Ok(Self { parts })
    }

    /// The predictions.
    pub fn predictions(&self) -> &[f64] {
        &self.parts[0].1
    }

    /// Complains about NaN and infinity.
    pub fn expect_finite(&self) -> Finding {
        for (what, values) in &self.parts {
            if let Some((i, bad)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
                return Err(format!("{what} {i} is {bad}"));
            }
        }
        Ok(())
    }

    /// Complains about the first value that is not the same to the bit.
    pub fn expect_same(&self, other: &Self) -> Finding {
        for ((what, mine), (_, theirs)) in self.parts.iter().zip(&other.parts) {
            if mine.len() != theirs.len() {
                return Err(format!("{} and {} values of {what}", mine.len(), theirs.len()));
            }
            let differs = |(a, b): (&f64, &f64)| a.to_bits() != b.to_bits();
            if let Some(i) = mine.iter().zip(theirs).position(differs) {
                return Err(format!("{what} {i} is {:e} and {:e}", mine[i], theirs[i]));
            }
        }
        Ok(())
    }
}

/// Turns an error of one of these kinds into `None`: a clean refusal.
pub fn unless_refused<T>(result: Result<T, Error>, kinds: &[ErrorKind]) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if kinds.contains(&error.kind()) && !error.message().is_empty() => Ok(None),
        Err(error) => Err(format!("error of kind {:?} where {kinds:?} would do: {error}", error.kind())),
    }
}
