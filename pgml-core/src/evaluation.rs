//! How well a trained model does on any relation: metrics, which classes are taken for which, and curves ready to plot.

use crate::labels::Labels;
use crate::metrics;
use crate::metrics::calibration::CalibrationBin;
use crate::metrics::roc::RocPoint;
use crate::predictor::Predictor;
use crate::table_rows::TableRows;
use crate::{Error, ErrorKind, Floats, Result, Run, Table, TableColumn, Task, Values, bail};

/// A relation's true answers beside those of a model.
#[derive(Debug)]
pub struct Evaluation {
    task: Task,
    /// Every class by name: the model's, then those that it does not know.
    classes: Vec<String>,
    /// One column per target; class positions for classification.
    actual: Vec<Vec<f64>>,
    /// As `n_rows × n_targets`.
    predicted: Vec<f64>,
    /// `n_rows × n_known`, for classifiers that have probabilities.
    proba: Option<Vec<f64>>,
    n_known: usize,
}

impl Evaluation {
    /// Predicts every row of `table`, which has the model's columns and the label columns `labels`, in training's order.
    ///
    /// # Errors
    /// For a task without true answers, a column that is missing or of another kind, and NULL labels; on cancel.
    pub fn new(predictor: &Predictor, table: &Table, labels: &[String], run: &Run) -> Result<Self> {
        let task = predictor.task();
        if !matches!(task, Task::Regression | Task::Classification) {
            bail!(NotSupported, "a {task} model has no label to compare its answers with");
        }
        if table.n_rows == 0 {
            bail!(InvalidData, "the relation has no rows to evaluate on");
        }
        let mut classes = predictor.labels().map(|labels| labels.names.clone()).unwrap_or_default();
        let n_known = classes.len();
        let mut actual = Vec::new();
        for label in labels {
            let column = &table.columns[table.position(label)?];
            expect_labels(column)?;
            match predictor.labels() {
                Some(known) => actual.push(positions(column, known, &mut classes)?),
                None => actual.extend(numbers(column)?),
            }
        }
        if actual.len() != predictor.n_outputs() {
            bail!(WrongDimension, "{} label columns for a model of {} targets", actual.len(), predictor.n_outputs());
        }
        let n_rows = table.n_rows;
        let per_row = predictor.n_outputs() + predictor.n_classes();
        let _memory = run.reserve(8 * (n_rows * per_row) as u64, "predicting the relation")?;
        let mut predicted = vec![0.0; n_rows * predictor.n_outputs()];
        let mut proba = (predictor.n_classes() > 0).then(|| vec![0.0; n_rows * n_known]);
        TableRows::new(predictor, table)?.each_block(run, |first, rows| {
            let n_outputs = predictor.n_outputs();
            predictor.predict_positions(rows, &mut predicted[first * n_outputs..][..rows.n_rows() * n_outputs])?;
            match &mut proba {
                Some(proba) => predictor.predict_proba(rows, &mut proba[first * n_known..][..rows.n_rows() * n_known]),
                None => Ok(()),
            }
        })?;
        Ok(Self { task, classes, actual, predicted, proba, n_known })
    }

    /// The metrics of the task, as training reports them for the rows held out.
    #[must_use]
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        if self.task == Task::Regression {
            let targets: Vec<&[f64]> = self.actual.iter().map(Vec::as_slice).collect();
            return metrics::regression(&targets, &self.predicted);
        }
        // A class that the model does not know has no probability to be judged by.
        let proba = self.proba.as_deref().filter(|_| self.classes.len() == self.n_known);
        metrics::classification(&self.actual[0], &self.predicted, proba, self.classes.len())
    }

    /// For each true class and each class, how many rows of the first are taken for the second.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] unless the task is classification.
    pub fn confusion(&self) -> Result<Vec<(&str, &str, u64)>> {
        self.require_classes()?;
        let n = self.classes.len();
        let mut counts = vec![0_u64; n * n];
        for (y, guess) in self.actual[0].iter().zip(&self.predicted) {
            counts[*y as usize * n + *guess as usize] += 1;
        }
        let name = |class: usize| self.classes[class].as_str();
        Ok(counts.into_iter().enumerate().map(|(cell, count)| (name(cell / n), name(cell % n), count)).collect())
    }

    /// The corners of the curve that tells rows of one class (`None`: the last) from all others by its probability.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] without probabilities, [`ErrorKind::NotFound`] for a class that the model does not know.
    pub fn roc(&self, class: Option<&str>) -> Result<Vec<RocPoint>> {
        let (class, score) = self.probabilities_of(class)?;
        Ok(metrics::roc::roc_points(&self.actual[0], &score, class as f64))
    }

    /// How often rows that are given some probability of one class (`None`: the last) are of it, in `n_bins` bins of equal
    /// width; empty ones are left out.
    ///
    /// # Errors
    /// As [`Evaluation::roc`], and for no bins.
    pub fn calibration(&self, class: Option<&str>, n_bins: usize) -> Result<Vec<CalibrationBin>> {
        if !(1..=10_000).contains(&n_bins) {
            bail!(InvalidParameter, "n_bins is {n_bins}, but must be from 1 to 10000");
        }
        let (class, score) = self.probabilities_of(class)?;
        Ok(metrics::calibration_curve(&self.actual[0], &score, class as f64, n_bins))
    }

    fn require_classes(&self) -> Result<()> {
        if self.task != Task::Classification {
            bail!(NotSupported, "a {} model has no classes", self.task);
        }
        Ok(())
    }

    fn probabilities_of(&self, class: Option<&str>) -> Result<(usize, Vec<f64>)> {
        self.require_classes()?;
        let Some(proba) = &self.proba else {
            bail!(NotSupported, "the model gives no class probabilities to draw a curve by");
        };
        let known = &self.classes[..self.n_known];
        let class = match class {
            None => self.n_known - 1,
            Some(name) => known.iter().position(|known| known == name).ok_or_else(|| {
                crate::error::unknown_name(ErrorKind::NotFound, "class", name, known.iter().map(String::as_str))
            })?,
        };
        Ok((class, proba.iter().skip(class).step_by(self.n_known).copied().collect()))
    }
}

fn expect_labels(column: &TableColumn) -> Result<()> {
    let missing = match &column.values {
        Values::Number(values) => values.iter().filter(|x| !x.is_finite()).count(),
        Values::Array(elements) => elements.iter().flat_map(Floats::iter).filter(|x| !x.is_finite()).count(),
        Values::Text { codes, .. } => codes.iter().filter(|code| **code == 0).count(),
    };
    if missing > 0 {
        let name = &column.name;
        let message = format!("the label column \"{name}\" is NULL or not finite in {missing} rows");
        return Err(Error::new(ErrorKind::InvalidData, message)
            .with_hint(format!("leave those rows out in a view: WHERE \"{name}\" IS NOT NULL")));
    }
    Ok(())
}

/// The class of each row by name; classes that the model does not know are added to `classes`.
fn positions(column: &TableColumn, known: &Labels, classes: &mut Vec<String>) -> Result<Vec<f64>> {
    let (labels, rows) = Labels::of(column)?;
    let place: Vec<f64> = labels
        .names
        .iter()
        .zip(&labels.values)
        .map(|(name, value)| {
            // 0.1 as float4 and as float8 has other digits, but is the same label.
            let is_number = !matches!(column.values, Values::Text { .. }) && column.pg_type != "bool";
            let same = |i: &usize| {
                is_number && (known.values[*i] as f32) == *value as f32 && known.names[*i].parse::<f64>().is_ok()
            };
            let by_name = known.names.iter().position(|other| other == name);
            let position = by_name.or_else(|| (0..known.n_classes()).find(same));
            position.unwrap_or_else(|| {
                classes.push(name.clone());
                classes.len() - 1
            }) as f64
        })
        .collect();
    Ok(rows.into_iter().map(|class| place[class as usize]).collect())
}

fn numbers(column: &TableColumn) -> Result<Vec<Vec<f64>>> {
    match &column.values {
        Values::Number(values) => Ok(vec![values.iter().collect()]),
        Values::Array(elements) => Ok(elements.iter().map(|values| values.iter().collect()).collect()),
        Values::Text { .. } => {
            bail!(WrongType, "the label column \"{}\" is text, but the model predicts a number", column.name)
        }
    }
}
