//! What is to be predicted, read from the label columns.

use crate::labels::{Labels, expect_no_null};
use crate::sampling::Rows;
use crate::schema::ColumnSchema;
use crate::statistics::{Category, Statistics};
use crate::{Error, ErrorKind, Floats, Result, TableColumn, Task, Values, bail};

/// The answers of every row.
#[derive(Debug)]
pub enum Targets {
    /// Unsupervised: none.
    None,
    /// One or more numbers per row, column by column.
    Numbers(Vec<Floats>),
    /// A class per row.
    Classes {
        /// All classes of the relation.
        labels: Labels,
        /// The class of each row.
        classes: Vec<u32>,
        /// Whether classes are numbered by their position rather than by themselves.
        positional: bool,
    },
}

/// The answers of one part of the rows.
#[derive(Debug, Default)]
pub struct PartTargets {
    /// One column per target; class positions for classification.
    pub columns: Vec<Vec<f64>>,
}

/// The answers of both parts, and the classes that the training part has.
#[derive(Debug, Default)]
pub struct SplitTargets {
    /// Of the training rows.
    pub train: PartTargets,
    /// Of the test rows. Classes that no training row has come after those that have one.
    pub test: PartTargets,
    /// The classes of the training rows.
    pub labels: Option<Labels>,
    /// How many classes both parts have; 0 without classes.
    pub n_classes: usize,
    /// Whether the labels are texts.
    pub texts: bool,
}

impl Targets {
    /// Reads the label columns, in the order in which they were named.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] for NULL, infinite or too few labels; [`ErrorKind::WrongType`] for types that the task
    /// cannot predict.
    pub fn read(columns: Vec<TableColumn>, task: Task) -> Result<Self> {
        match task {
            Task::Classification => {
                let Some(column) = columns.first() else {
                    bail!(InvalidParameter, "classification needs a label column");
                };
                expect_no_null(column)?;
                expect_finite(column)?;
                let (labels, classes) = Labels::of(column)?;
                let positional = matches!(column.values, Values::Text { .. });
                Ok(Self::Classes { labels, classes, positional })
            }
            Task::Regression => {
                let mut numbers = Vec::new();
                for column in columns {
                    expect_no_null(&column)?;
                    expect_finite(&column)?;
                    match column.values {
                        Values::Number(values) => numbers.push(values),
                        Values::Array(elements) => numbers.extend(elements),
                        Values::Text { .. } => return Err(text_target(&column.name)),
                    }
                }
                Ok(Self::Numbers(numbers))
            }
            _ => Ok(Self::None),
        }
    }

    /// The class of each row, where there are classes.
    #[must_use]
    pub fn classes(&self) -> Option<&[u32]> {
        match self {
            Self::Classes { classes, .. } => Some(classes),
            _ => None,
        }
    }

    /// The answers of both parts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when the training rows have one class only.
    pub fn split(self, rows: &Rows, label: &str) -> Result<SplitTargets> {
        match self {
            Self::None => Ok(SplitTargets::default()),
            Self::Numbers(columns) => {
                let part = |rows: &[u32]| PartTargets {
                    columns: columns.iter().map(|c| rows.iter().map(|row| c.get(*row as usize)).collect()).collect(),
                };
                Ok(SplitTargets { train: part(&rows.train), test: part(&rows.test), ..SplitTargets::default() })
            }
            Self::Classes { labels: all, classes, positional } => {
                let (labels, positions) = all.restricted(&classes, &rows.train, positional);
                if labels.n_classes() < 2 {
                    return Err(one_class(label, &all, &labels));
                }
                let mut unknown = labels.n_classes() as u32..;
                let place: Vec<u32> =
                    positions.into_iter().map(|p| p.or_else(|| unknown.next()).unwrap_or_default()).collect();
                let part = |rows: &[u32]| PartTargets {
                    columns: vec![rows.iter().map(|r| f64::from(place[classes[*r as usize] as usize])).collect()],
                };
                let (train, test) = (part(&rows.train), part(&rows.test));
                Ok(SplitTargets { train, test, n_classes: all.n_classes(), labels: Some(labels), texts: positional })
            }
        }
    }
}

impl SplitTargets {
    /// Fills in the statistics of the label columns over the training rows.
    pub fn describe(&self, columns: &mut [ColumnSchema], order: &[String]) {
        let mut targets = self.train.columns.iter();
        for name in order {
            let Some(column) = columns.iter_mut().find(|c| c.name == *name) else { continue };
            let mut of_next = || targets.next().map(|t| Statistics::of(&Floats::F64(self.named_values(t))));
            let elements: Vec<Statistics> = (0..column.size).map_while(|_| of_next()).collect();
            column.statistics = match elements.as_slice() {
                [single] if !column.array => single.clone(),
                several => Statistics::pooled(several, self.train.columns.first().map_or(0, Vec::len)),
            };
            if let (Some(labels), true) = (&self.labels, self.texts) {
                column.statistics.categories = Some(self.label_categories(labels));
            }
        }
    }

    /// The numbers behind the training targets: what `pgml.predict` would return for them.
    #[must_use]
    pub fn named_values(&self, target: &[f64]) -> Vec<f64> {
        match &self.labels {
            Some(labels) => target.iter().map(|class| labels.values[*class as usize]).collect(),
            None => target.to_vec(),
        }
    }

    fn label_categories(&self, labels: &Labels) -> std::collections::BTreeMap<String, Category> {
        let classes = self.train.columns.first().map_or(&[][..], Vec::as_slice);
        let mut members = vec![0; labels.n_classes()];
        classes.iter().for_each(|class| members[*class as usize] += 1);
        let category = |(class, name): (usize, &String)| {
            (name.clone(), Category { value: labels.values[class], members: members[class], target: None })
        };
        labels.names.iter().enumerate().map(category).collect()
    }
}

fn one_class(label: &str, all: &Labels, seen: &Labels) -> Error {
    let only = seen.names.first().map_or("", String::as_str);
    let message =
        format!("column \"{label}\" has only one class, \"{only}\", in the training rows; classification needs two");
    let error = Error::new(ErrorKind::InvalidData, message);
    match all.n_classes() {
        0 | 1 => error.with_hint("train on rows of at least two classes"),
        _ => error.with_hint("the other classes are in the test rows: use test_sampling => 'stratified'"),
    }
}

fn text_target(name: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("column \"{name}\" is text, but regression predicts a number"))
        .with_hint("to predict a class, train with task => 'classification'")
}

/// Refuses a column with infinite values.
///
/// # Errors
/// [`ErrorKind::InvalidData`], naming the column and how many rows are concerned.
pub fn expect_finite(column: &TableColumn) -> Result<()> {
    let infinite = match &column.values {
        Values::Number(values) => count_infinite(values),
        Values::Array(elements) => elements.iter().map(count_infinite).sum(),
        Values::Text { .. } => 0,
    };
    if infinite > 0 {
        let name = &column.name;
        return Err(Error::new(ErrorKind::InvalidData, format!("column \"{name}\" has {infinite} infinite values"))
            .with_hint(format!("replace or filter them in a view, for example WHERE \"{name}\" < 'infinity'")));
    }
    Ok(())
}

fn count_infinite(values: &Floats) -> usize {
    match values {
        Floats::F32(v) => v.iter().filter(|x| x.is_infinite()).count(),
        Floats::F64(v) => v.iter().filter(|x| x.is_infinite()).count(),
    }
}
