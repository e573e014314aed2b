//! The contract between an algorithm and everything around it: typed inside, erased at the edge.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use crate::error::unknown_name;
use crate::explain::Explain;
use crate::grouped::{self, Grouped};
use crate::hyperparams::{Hyperparams, ParamSpec};
use crate::{Dataset, ErrorKind, MatrixRef, Parts, Result, Run, Task, bail};

/// An algorithm as its author writes it: one `impl` in one file.
pub trait Estimator: Send + Sync + 'static {
    /// The SQL name.
    const NAME: &'static str;
    /// One sentence for a SQL user: what it does and when to choose it.
    const DESCRIPTION: &'static str;
    /// Where it comes from: the paper, and the library whose names and defaults it follows.
    const SOURCE: &'static str;
    /// What it can be trained for.
    const TASKS: &'static [Task];
    /// Version of the stored form.
    const VERSION: u32;
    /// Its hyperparameters, declared once.
    type Params: Hyperparams;
    /// What fitting makes.
    type Model: Model + 'static;

    /// Learns from `data`. Polls `run` every few milliseconds; reserves memory before taking it.
    ///
    /// # Errors
    /// When the data cannot be learnt from, or the run was cancelled.
    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model>;

    /// As [`Estimator::fit`], of data that nobody needs afterwards: who copies them into another form frees them first.
    ///
    /// # Errors
    /// As there.
    fn fit_owned(params: &Self::Params, data: Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        Self::fit(params, &data, task, run)
    }

    /// Rebuilds a model from its stored form.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when the parts do not make a model.
    fn decode(parts: &Parts) -> Result<Self::Model>;

    /// Reads a model that the original library saved (XGBoost JSON or UBJSON, LightGBM text).
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for algorithms without a foreign format.
    fn import(_bytes: &[u8]) -> Result<Imported<Self::Model>> {
        bail!(NotSupported, "algorithm \"{}\" has no foreign format to import", Self::NAME)
    }
}

/// A model read from another library's file.
#[derive(Debug)]
pub struct Imported<M> {
    /// The model.
    pub model: M,
    /// What it was trained for.
    pub task: Task,
    /// The classes it tells apart; 0 unless the task is classification.
    pub n_classes: usize,
    /// Names of its features, where the file tells them.
    pub feature_names: Vec<String>,
    /// The hyperparameters that the file tells.
    pub hyperparams: Map<String, Value>,
}

/// A trained model. Immutable; shared by threads.
///
/// `predict_into` writes, per row: the value (regression, one per target), the class index (classification), the
/// cluster (clustering; −1 for a row that belongs to none), the first component (decomposition), or −1 for an anomaly and
/// 1 for any other row (anomaly detection, as scikit-learn).
pub trait Model: Send + Sync {
    /// How many features a row has.
    fn n_features(&self) -> usize;

    /// How many values a prediction has: the number of targets for joint regression, else 1.
    fn n_outputs(&self) -> usize {
        1
    }

    /// Predicts `rows` into `out`, `n_rows × n_outputs`, without allocating per row.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`] when `rows` or `out` have the wrong shape (see [`expect_shape`]).
    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()>;

    /// The stored form.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when a value has no stored form.
    fn encode(&self) -> Result<Parts>;

    /// Bytes of memory that the model takes, roughly.
    fn bytes(&self) -> usize;

    /// Class probabilities, for classifiers that have them.
    fn classifier(&self) -> Option<&dyn Classifier> {
        None
    }

    /// Components, for decompositions.
    fn transformer(&self) -> Option<&dyn Transform> {
        None
    }

    /// How strange rows are, for anomaly detection.
    fn anomaly_detector(&self) -> Option<&dyn AnomalyDetector> {
        None
    }

    /// What each feature adds to a prediction, for models that know it exactly.
    fn explainer(&self) -> Option<&dyn Explain> {
        None
    }

    /// Metrics that only the model knows, such as explained variance.
    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// A model with class probabilities.
pub trait Classifier {
    /// How many classes it tells apart.
    fn n_classes(&self) -> usize;
    /// Writes `n_rows × n_classes` probabilities; each row sums to 1.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`] when `rows` or `out` have the wrong shape.
    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()>;
}

/// A model that expresses rows in other dimensions.
pub trait Transform {
    /// How many components a row becomes.
    fn n_components(&self) -> usize;
    /// Writes `n_rows × n_components` values.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`] when `rows` or `out` have the wrong shape.
    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()>;
}

/// A model that tells strange rows from others.
pub trait AnomalyDetector {
    /// Writes one score per row: the greater, the stranger. Above 0 exactly where the prediction is −1, an anomaly: it is
    /// scikit-learn's `decision_function` with the sign turned.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`] when `rows` or `out` have the wrong shape.
    fn anomaly_score_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()>;
}

/// Checks the shapes that every prediction checks.
///
/// # Errors
/// [`ErrorKind::WrongDimension`], naming both numbers.
pub fn expect_shape(rows: &MatrixRef<'_>, n_features: usize, out: &[f64], per_row: usize) -> Result<()> {
    if rows.n_features() != n_features {
        bail!(WrongDimension, "the model takes {n_features} features, but {} were given", rows.n_features());
    }
    if out.len() != rows.n_rows() * per_row {
        bail!(WrongDimension, "{} outputs do not fit {} rows of {per_row}", out.len(), rows.n_rows());
    }
    Ok(())
}

/// An algorithm with its types erased, as callers hold it.
pub trait Algorithm: Send + Sync {
    /// The SQL name.
    fn name(&self) -> &'static str;
    /// One sentence for a SQL user.
    fn description(&self) -> &'static str;
    /// The paper and the library it follows.
    fn source(&self) -> &'static str;
    /// What it can be trained for.
    fn tasks(&self) -> &'static [Task];
    /// Version of the stored form.
    fn version(&self) -> u32;
    /// Every hyperparameter.
    fn params(&self) -> &'static [ParamSpec];
    /// The parameters that `given` stands for: checked, under their main names, with defaults filled in.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for an unknown name or a value out of range.
    fn resolve_params(&self, given: &Map<String, Value>) -> Result<Map<String, Value>>;
    /// See [`Estimator::fit`].
    ///
    /// # Errors
    /// As there, and for parameters as [`Algorithm::resolve_params`].
    fn fit(&self, params: &Map<String, Value>, data: &Dataset, task: Task, run: &Run) -> Result<Box<dyn Model>>;
    /// See [`Estimator::fit_owned`].
    ///
    /// # Errors
    /// As there, and for parameters as [`Algorithm::resolve_params`].
    fn fit_owned(&self, params: &Map<String, Value>, data: Dataset, task: Task, run: &Run) -> Result<Box<dyn Model>> {
        self.fit(params, &data, task, run)
    }
    /// See [`Estimator::decode`].
    ///
    /// # Errors
    /// As there.
    fn decode(&self, parts: &Parts) -> Result<Box<dyn Model>>;
    /// See [`Estimator::import`].
    ///
    /// # Errors
    /// As there.
    fn import(&self, bytes: &[u8]) -> Result<Imported<Box<dyn Model>>>;
}

/// The erased form of an [`Estimator`], made of its type alone.
pub struct Entry<E>(PhantomData<fn() -> E>);

impl<E: Estimator> Entry<E> {
    /// The entry.
    pub const NEW: Self = Self(PhantomData);
}

impl<E: Estimator> Algorithm for Entry<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn description(&self) -> &'static str {
        E::DESCRIPTION
    }

    fn source(&self) -> &'static str {
        E::SOURCE
    }

    fn tasks(&self) -> &'static [Task] {
        E::TASKS
    }

    fn version(&self) -> u32 {
        E::VERSION
    }

    fn params(&self) -> &'static [ParamSpec] {
        E::Params::specs()
    }

    fn resolve_params(&self, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        Ok(E::Params::from_json(E::NAME, given)?.to_json())
    }

    fn fit(&self, params: &Map<String, Value>, data: &Dataset, task: Task, run: &Run) -> Result<Box<dyn Model>> {
        check_fit::<E>(data, task, run)?;
        Ok(Box::new(E::fit(&E::Params::from_json(E::NAME, params)?, data, task, run)?))
    }

    fn fit_owned(&self, params: &Map<String, Value>, data: Dataset, task: Task, run: &Run) -> Result<Box<dyn Model>> {
        check_fit::<E>(&data, task, run)?;
        Ok(Box::new(E::fit_owned(&E::Params::from_json(E::NAME, params)?, data, task, run)?))
    }

    fn decode(&self, parts: &Parts) -> Result<Box<dyn Model>> {
        let decode = |parts: &Parts| -> Result<Box<dyn Model>> { Ok(Box::new(E::decode(parts)?)) };
        if grouped::is_grouped(parts) { Ok(Box::new(Grouped::decode(parts, &decode)?)) } else { decode(parts) }
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported<Box<dyn Model>>> {
        let Imported { model, task, n_classes, feature_names, hyperparams } = E::import(bytes)?;
        Ok(Imported { model: Box::new(model), task, n_classes, feature_names, hyperparams })
    }
}

fn check_fit<E: Estimator>(data: &Dataset, task: Task, run: &Run) -> Result<()> {
    if !E::TASKS.contains(&task) {
        bail!(NotSupported, "{} does not support {task}", E::NAME);
    }
    if data.n_rows() == 0 {
        bail!(InvalidData, "there is no row to learn from");
    }
    run.check()
}

/// Finds an algorithm by its SQL name.
///
/// # Errors
/// [`ErrorKind::NotFound`], listing what is known.
pub fn find_algorithm(registry: &'static [&'static dyn Algorithm], name: &str) -> Result<&'static dyn Algorithm> {
    registry
        .iter()
        .copied()
        .find(|algorithm| algorithm.name() == name)
        .ok_or_else(|| unknown_name(ErrorKind::NotFound, "algorithm", name, registry.iter().map(|a| a.name())))
}
