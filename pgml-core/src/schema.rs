//! The columns a model was trained on: what each is for, how it is preprocessed, and its statistics.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::preprocess::{Encode, Impute, Preprocessor, Role, Scale, Step};
use crate::statistics::Statistics;
use crate::{Error, ErrorKind, Result, bail};

/// The most features that a stored schema may claim, so that a forged one cannot exhaust memory.
const MOST_FEATURES: usize = 1 << 24;

/// What is known about one column, as stored in `pgml.snapshots.columns`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// The column's name.
    pub name: String,
    /// Its SQL type, with `[]` for arrays.
    pub pg_type: String,
    /// Whether the relation allows NULL in it.
    pub nullable: bool,
    /// Whether it is to be predicted.
    pub label: bool,
    /// Its place in the relation, from 1.
    pub position: usize,
    /// How many numbers it holds: the length of its arrays, else 1.
    pub size: usize,
    /// Whether it holds arrays.
    pub array: bool,
    /// What it is for.
    #[serde(default)]
    pub role: Role,
    /// How it is preprocessed.
    #[serde(default)]
    pub preprocessor: Preprocessor,
    /// Its statistics over the training rows, of what the encoding makes of it when that is `target`.
    #[serde(default)]
    pub statistics: Statistics,
    /// The statistics of each element of an array.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Statistics>,
}

impl ColumnSchema {
    /// Whether its role is one that `preprocess` must name.
    fn role_is_said(&self) -> bool {
        !matches!(self.role, Role::Feature | Role::Label)
    }

    /// Whether models see it.
    #[must_use]
    pub fn is_feature(&self) -> bool {
        matches!(self.role, Role::Feature | Role::Categorical)
    }

    /// Whether its raw values are category codes.
    #[must_use]
    pub fn is_categorical(&self) -> bool {
        self.statistics.categories.is_some()
    }

    /// Whether its preprocessing learns from the training rows, so that each fold of a search must learn its own.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        let Preprocessor { encode, impute, scale } = &self.preprocessor;
        *encode == Encode::Target
            || *scale != Scale::Preserve
            || !matches!(impute, Impute::None | Impute::Error | Impute::Zero)
    }

    /// The statistics of its element `element`.
    #[must_use]
    pub fn element(&self, element: usize) -> &Statistics {
        self.elements.get(element).unwrap_or(&self.statistics)
    }

    /// The name of its element `element` as a raw feature: `image[3]`, counted from 1 as SQL does.
    #[must_use]
    pub fn element_name(&self, element: usize) -> String {
        if self.array { format!("{}[{}]", self.name, element + 1) } else { self.name.clone() }
    }
}

/// All columns of a relation, in table order. Serialises to the JSON array of `pgml.snapshots.columns`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    /// The columns.
    pub columns: Vec<ColumnSchema>,
}

impl Schema {
    /// A schema of `names` as plain numbers, for models that were trained elsewhere.
    #[must_use]
    pub fn plain(names: &[String]) -> Self {
        let column = |(index, name): (usize, &String)| ColumnSchema {
            name: name.clone(),
            pg_type: "float8".to_owned(),
            nullable: true,
            label: false,
            position: index + 1,
            size: 1,
            array: false,
            role: Role::Feature,
            preprocessor: Preprocessor::default(),
            statistics: Statistics::default(),
            elements: Vec::new(),
        };
        Self { columns: names.iter().enumerate().map(column).collect() }
    }

    /// The `preprocess` argument that gives these columns their roles and preprocessing again.
    #[must_use]
    pub fn preprocess(&self) -> Map<String, Value> {
        let said = |c: &&ColumnSchema| c.preprocessor != Preprocessor::default() || c.role_is_said();
        let entry = |c: &ColumnSchema| {
            let mut settings = match serde_json::to_value(&c.preprocessor) {
                Ok(Value::Object(settings)) => settings,
                _ => Map::new(),
            };
            if c.role_is_said() {
                settings.insert("role".to_owned(), serde_json::to_value(c.role).unwrap_or_default());
            }
            (c.name.clone(), Value::Object(settings))
        };
        self.columns.iter().filter(said).map(entry).collect()
    }

    /// The columns that models see, in table order.
    pub fn features(&self) -> impl Iterator<Item = &ColumnSchema> {
        self.columns.iter().filter(|c| c.is_feature())
    }

    /// The columns to be predicted, in table order.
    pub fn labels(&self) -> impl Iterator<Item = &ColumnSchema> {
        self.columns.iter().filter(|c| c.label)
    }

    /// How many numbers the array form of `pgml.predict` takes per row.
    #[must_use]
    pub fn n_raw_features(&self) -> usize {
        self.features().fold(0, |total, c| total.saturating_add(c.size))
    }

    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// What happens to each raw feature before the model sees it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when a stored schema makes no sense, [`ErrorKind::InvalidData`] when a statistic that
    /// preprocessing needs does not exist.
    pub fn steps(&self) -> Result<Vec<Step>> {
        self.check_sizes()?;
        let mut steps = Vec::new();
        for column in self.features() {
            for element in 0..column.size {
                steps.push(Step::of(column, element)?);
            }
        }
        Ok(steps)
    }

    fn check_sizes(&self) -> Result<()> {
        let corrupt = |column: &ColumnSchema, why: &str| {
            Err(Error::new(ErrorKind::Corrupted, format!("stored schema of column \"{}\" {why}", column.name)))
        };
        let mut total = 0_usize;
        for column in self.features() {
            total = total.saturating_add(column.size);
            if column.size == 0 || total > MOST_FEATURES {
                return corrupt(column, &format!("claims {} values per row", column.size));
            }
            if !column.array && column.size != 1 {
                return corrupt(column, &format!("is no array, but claims {} values per row", column.size));
            }
            if column.is_categorical() && column.array {
                return corrupt(column, "has categories of arrays");
            }
        }
        if total == 0 {
            bail!(Corrupted, "stored schema has no feature column");
        }
        Ok(())
    }
}
