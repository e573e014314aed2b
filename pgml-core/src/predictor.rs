//! Everything needed to predict: the columns as they were trained on, the classes, and the model.

use std::fmt;

use crate::finite::name_column;
use crate::labels::Labels;
use crate::preprocess::{NULL_CATEGORY, Step, category_key};
use crate::schema::{ColumnSchema, Schema};
use crate::{Error, ErrorKind, MatrixRef, Model, Result, Task, bail};

/// How many rows are preprocessed at a time: enough to amortise the call, few enough to stay in the cache.
const BLOCK: usize = 256;

/// One value of a row, before any preprocessing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// A number; a boolean as 0 or 1.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// An array of numbers, flattened.
    Numbers(&'a [f64]),
}

/// A trained model with what it was trained on.
pub struct Predictor {
    algorithm: String,
    task: Task,
    schema: Schema,
    labels: Option<Labels>,
    model: Box<dyn Model>,
    steps: Vec<Step>,
    identity: bool,
    n_raw_features: usize,
    /// Whether class positions must be mapped to the numbers that users know.
    maps_classes: bool,
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor")
            .field("algorithm", &self.algorithm)
            .field("task", &self.task)
            .field("n_raw_features", &self.n_raw_features)
            .finish_non_exhaustive()
    }
}

impl Predictor {
    /// Puts a predictor together, as after loading its artifact.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when schema, labels and model do not fit together.
    pub fn from_parts(
        algorithm: impl Into<String>,
        task: Task,
        schema: Schema,
        labels: Option<Labels>,
        model: Box<dyn Model>,
    ) -> Result<Self> {
        let steps = schema.steps()?;
        let n_model_features: usize = steps.iter().map(Step::n_features).sum();
        if n_model_features != model.n_features() {
            bail!(
                Corrupted,
                "the schema makes {n_model_features} features, but the model takes {}",
                model.n_features()
            );
        }
        if let Some(labels) = &labels {
            expect_classes(labels, model.as_ref())?;
        }
        Ok(Self {
            algorithm: algorithm.into(),
            task,
            identity: steps.iter().all(Step::is_identity),
            n_raw_features: schema.n_raw_features(),
            maps_classes: labels.as_ref().is_some_and(|labels| !labels.are_positions()),
            steps,
            schema,
            labels,
            model,
        })
    }

    /// The SQL name of its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// What it was trained for.
    #[must_use]
    pub fn task(&self) -> Task {
        self.task
    }

    /// The columns it was trained on.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The classes, for classification.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// The model behind the preprocessing.
    #[must_use]
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// How many numbers the array form takes per row.
    #[must_use]
    pub fn n_raw_features(&self) -> usize {
        self.n_raw_features
    }

    /// Whether the model sees raw rows, without any preprocessing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.identity
    }

    /// Bytes of memory that it takes, roughly: the model, and what is known about columns and classes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const PER_CATEGORY: usize = 96;
        const PER_COLUMN: usize = 1024;
        let categories = |c: &ColumnSchema| c.statistics.categories.as_ref().map_or(0, |c| c.len());
        let column = |c: &ColumnSchema| PER_COLUMN + PER_CATEGORY * categories(c) + 256 * c.elements.len();
        let columns: usize = self.schema.columns.iter().map(column).sum();
        self.model.bytes() + columns + PER_CATEGORY * self.labels.as_ref().map_or(0, Labels::n_classes)
    }

    /// How many numbers a prediction has.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.model.n_outputs()
    }

    /// Predicts raw rows into `out`, `n_rows × n_outputs`: values, class numbers as in [`Labels::values`], clusters, or
    /// the first component. Does not allocate per row.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`] when `raw` or `out` have the wrong shape; [`ErrorKind::InvalidData`] for a missing
    /// value where `impute` is `error`.
    pub fn predict(&self, raw: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.by_blocks(raw, out, self.n_outputs(), |rows, out| self.model.predict_into(rows, out))?;
        if self.maps_classes {
            let labels = self.expect_labels()?;
            for class in out {
                *class = *labels.values.get(position(*class)?).ok_or_else(|| unknown_class(*class))?;
            }
        }
        Ok(())
    }

    /// As [`Predictor::predict`], with classes by their position among the labels.
    ///
    /// # Errors
    /// As there.
    pub fn predict_positions(&self, raw: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.by_blocks(raw, out, self.n_outputs(), |rows, out| self.model.predict_into(rows, out))
    }

    /// Writes one anomaly score per raw row: above 0 for anomalies, the greater the stranger.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when the model detects no anomalies, otherwise as [`Predictor::predict`].
    pub fn anomaly_score(&self, raw: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(detector) = self.model.anomaly_detector() else {
            bail!(NotSupported, "{} for {} detects no anomalies", self.algorithm, self.task);
        };
        self.by_blocks(raw, out, 1, |rows, out| detector.anomaly_score_into(rows, out))
    }

    /// Writes `n_rows × n_classes` class probabilities of raw rows.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when the model has none, otherwise as [`Predictor::predict`].
    pub fn predict_proba(&self, raw: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let classifier = match (self.task, self.model.classifier()) {
            (Task::Classification, Some(classifier)) => classifier,
            (Task::Classification, None) => {
                bail!(NotSupported, "{} does not give class probabilities", self.algorithm)
            }
            (task, _) => bail!(NotSupported, "You can't predict probabilities for a {task} model"),
        };
        self.by_blocks(raw, out, classifier.n_classes(), |rows, out| classifier.predict_proba_into(rows, out))
    }

    /// How many classes [`Predictor::predict_proba`] writes per row; 0 when it has none.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.model.classifier().map_or(0, |c| c.n_classes())
    }

    /// Writes `n_rows × n_components` components of raw rows.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when the model is no decomposition, otherwise as [`Predictor::predict`].
    pub fn transform(&self, raw: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(transformer) = self.model.transformer() else {
            bail!(NotSupported, "{} for {} does not decompose rows into components", self.algorithm, self.task);
        };
        self.by_blocks(raw, out, transformer.n_components(), |rows, out| transformer.transform_into(rows, out))
    }

    /// How many components [`Predictor::transform`] writes per row; 0 when it has none.
    #[must_use]
    pub fn n_components(&self) -> usize {
        self.model.transformer().map_or(0, |t| t.n_components())
    }

    /// The label of each raw row, as text.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when the task is not classification, otherwise as [`Predictor::predict`].
    pub fn predict_label(&self, raw: MatrixRef<'_>) -> Result<Vec<&str>> {
        let labels = self.expect_labels()?;
        let mut classes = vec![0.0; raw.n_rows()];
        self.by_blocks(raw, &mut classes, 1, |rows, out| self.model.predict_into(rows, out))?;
        let name = |class: f64| labels.names.get(position(class)?).ok_or_else(|| unknown_class(class));
        classes.into_iter().map(|class| name(class).map(String::as_str)).collect()
    }

    /// Appends one row of raw features, as [`Predictor::predict`] takes them, from the values of the feature columns in
    /// schema order ([`Schema::features`]): categories are looked up, arrays must have their trained length.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] or [`ErrorKind::WrongDimension`], naming the column; and those of `values`.
    pub fn encode_row<'a>(&self, values: &mut dyn FnMut(usize) -> Result<Cell<'a>>, out: &mut Vec<f64>) -> Result<()> {
        for (index, column) in self.schema.features().enumerate() {
            encode_cell(column, values(index)?, out)?;
        }
        Ok(())
    }

    fn expect_labels(&self) -> Result<&Labels> {
        self.labels.as_ref().ok_or_else(|| {
            let message = format!("a {} model has no class labels", self.task);
            Error::new(ErrorKind::NotSupported, message).with_hint("use pgml.predict")
        })
    }

    /// Calls `each` with blocks of rows as the model sees them, and the part of `out` that belongs to them.
    fn by_blocks(
        &self,
        raw: MatrixRef<'_>,
        out: &mut [f64],
        per_row: usize,
        each: impl Fn(MatrixRef<'_>, &mut [f64]) -> Result<()>,
    ) -> Result<()> {
        if raw.n_features() != self.n_raw_features {
            bail!(
                WrongDimension,
                "the model takes {} features, but {} were given",
                self.n_raw_features,
                raw.n_features()
            );
        }
        let each = |rows: MatrixRef<'_>, out: &mut [f64]| {
            each(rows, out).map_err(|error| name_column(error, &rows, |feature| self.feature_name(feature)))
        };
        if self.identity {
            return each(raw, out);
        }
        if out.len() != raw.n_rows() * per_row {
            bail!(WrongDimension, "{} outputs do not fit {} rows of {per_row}", out.len(), raw.n_rows());
        }
        let mut block = Vec::with_capacity(raw.n_rows().min(BLOCK) * self.model.n_features());
        let raw_blocks = raw.as_slice().chunks(BLOCK * self.n_raw_features);
        for (rows, out) in raw_blocks.zip(out.chunks_mut(BLOCK * per_row)) {
            block.clear();
            for row in rows.chunks_exact(self.n_raw_features) {
                for (step, x) in self.steps.iter().zip(row) {
                    step.push(*x, &mut block)?;
                }
            }
            each(MatrixRef::new(&block, self.model.n_features())?, out)?;
        }
        Ok(())
    }

    /// The one raw row as the model sees it.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn model_row(&self, raw: &[f64]) -> Result<Vec<f64>> {
        if raw.len() != self.n_raw_features {
            bail!(WrongDimension, "the model takes {} features, but {} were given", self.n_raw_features, raw.len());
        }
        let mut row = Vec::with_capacity(self.model.n_features());
        for (step, x) in self.steps.iter().zip(raw) {
            step.push(*x, &mut row)?;
        }
        Ok(row)
    }

    /// What each feature of the model is on average over the training rows; 0 where nobody knows.
    #[must_use]
    pub fn typical_row(&self) -> Vec<f64> {
        self.moments().map(|(mean, _)| if mean.is_finite() { mean } else { 0.0 }).collect()
    }

    /// The standard deviation of each feature of the model over the training rows; 1 where nobody knows.
    #[must_use]
    pub fn feature_deviations(&self) -> Vec<f64> {
        self.moments().map(|(_, deviation)| if deviation.is_finite() { deviation } else { 1.0 }).collect()
    }

    fn moments(&self) -> impl Iterator<Item = (f64, f64)> {
        let elements = self.schema.features().flat_map(|c| (0..c.size).map(move |e| (c, c.element(e))));
        let each = self.steps.iter().zip(elements);
        each.flat_map(|(step, (column, statistics))| step.moments(column, statistics.mean, statistics.std_dev))
    }

    /// The names of the model's features: columns, `image[3]` for an element of an array, `color=red` for a category of its
    /// own.
    #[must_use]
    pub fn feature_names(&self) -> Vec<String> {
        self.steps.iter().flat_map(Step::feature_names).collect()
    }

    /// A raw row as the user would write it, one text per feature of the model; `None` where it is missing.
    #[must_use]
    pub fn shown_values(&self, raw: &[f64]) -> Vec<Option<String>> {
        let columns = self.schema.features().flat_map(|c| std::iter::repeat_n(c, c.size));
        let shown = |(column, x): (&ColumnSchema, &f64)| {
            let mut categories = column.statistics.categories.iter().flatten();
            match categories.find(|(_, category)| category.value == *x) {
                Some((name, _)) => (name != NULL_CATEGORY).then(|| name.clone()),
                None => (!x.is_nan()).then(|| x.to_string()),
            }
        };
        let each = self.steps.iter().zip(columns.zip(raw).map(shown));
        each.flat_map(|(step, value)| std::iter::repeat_n(value, step.n_features())).collect()
    }

    /// What the model's feature `feature` is called: a column, or `image[3]` for an element of an array.
    fn feature_name(&self, feature: usize) -> Option<String> {
        let mut names = self.steps.iter().flat_map(|step| std::iter::repeat_n(step.name(), step.n_features()));
        names.nth(feature).map(str::to_owned)
    }
}

fn expect_classes(labels: &Labels, model: &dyn Model) -> Result<()> {
    let n_classes = model.classifier().map_or(labels.n_classes(), |c| c.n_classes());
    if labels.names.len() != labels.values.len() || labels.n_classes() != n_classes {
        bail!(
            Corrupted,
            "{} class names and {} class values do not fit a model of {n_classes} classes",
            labels.names.len(),
            labels.values.len()
        );
    }
    Ok(())
}

fn position(class: f64) -> Result<usize> {
    if class >= 0.0 && class.fract() == 0.0 { Ok(class as usize) } else { Err(unknown_class(class)) }
}

fn unknown_class(class: f64) -> Error {
    Error::new(ErrorKind::Internal, format!("the model predicts class {class}, which it has no label for"))
}

fn encode_cell(column: &ColumnSchema, cell: Cell<'_>, out: &mut Vec<f64>) -> Result<()> {
    match (column.is_categorical(), cell) {
        (true, Cell::Null) => out.push(code(column, NULL_CATEGORY)),
        (true, Cell::Text(text)) => out.push(code(column, text)),
        (true, Cell::Number(x)) if x.is_nan() => out.push(code(column, NULL_CATEGORY)),
        (true, Cell::Number(x)) => out.push(code(column, &category_key(&column.pg_type, x))),
        (false, Cell::Null) => out.extend(std::iter::repeat_n(f64::NAN, column.size)),
        (false, Cell::Number(x)) if !column.array => out.push(x),
        (false, Cell::Numbers(numbers)) if column.array => {
            if numbers.len() != column.size {
                bail!(
                    WrongDimension,
                    "Mismatched array length for feature `{}`. Expected: {} Received: {}",
                    column.name,
                    column.size,
                    numbers.len()
                );
            }
            out.extend_from_slice(numbers);
        }
        (_, cell) => return Err(wrong_cell(column, cell)),
    }
    Ok(())
}

/// The code of a category; NaN for one that training never saw.
fn code(column: &ColumnSchema, key: &str) -> f64 {
    let categories = column.statistics.categories.as_ref();
    categories.and_then(|c| c.get(key)).map_or(f64::NAN, |category| category.value)
}

fn wrong_cell(column: &ColumnSchema, cell: Cell<'_>) -> Error {
    let given = match cell {
        Cell::Null => "NULL",
        Cell::Number(_) => "a number",
        Cell::Text(_) => "a text",
        Cell::Numbers(_) => "an array",
    };
    let message = format!("column \"{}\" was trained as {}, but {given} was given", column.name, column.pg_type);
    Error::new(ErrorKind::WrongType, message).with_hint(format!("cast the value to {}", column.pg_type))
}
