//! A relation as it was read: typed columns in table order, before sampling and preprocessing.

use crate::{Error, ErrorKind, Floats, Result, bail};

/// A relation in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns, in table order.
    pub columns: Vec<TableColumn>,
    /// How many rows each column has.
    pub n_rows: usize,
}

/// One column of a [`Table`].
#[derive(Debug, Clone, PartialEq)]
pub struct TableColumn {
    /// The column's name.
    pub name: String,
    /// The SQL type's internal name without array marks: `float4`, `int2`, `text`, `bool`, `numeric`, …
    pub pg_type: String,
    /// Whether the relation allows NULL in it.
    pub nullable: bool,
    /// The values.
    pub values: Values,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// A scalar number; NULL is NaN.
    Number(Floats),
    /// An array of numbers, flattened: one entry per element, each with one value per row.
    Array(Vec<Floats>),
    /// A text, as index into a dictionary whose entry 0 stands for NULL.
    Text {
        /// One index per row.
        codes: Vec<u32>,
        /// The distinct texts in any order; entry 0 is NULL's place and empty.
        dictionary: Vec<String>,
    },
}

impl Values {
    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Array(elements) => elements.first().map_or(0, Floats::len),
            Self::Text { codes, .. } => codes.len(),
        }
    }

    /// How many features it makes before encoding: the length of an array, else 1.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Array(elements) => elements.len(),
            _ => 1,
        }
    }

    /// Bytes taken by the values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Number(values) => values.bytes(),
            Self::Array(elements) => elements.iter().map(Floats::bytes).sum(),
            Self::Text { codes, dictionary } => {
                4 * codes.len() as u64 + dictionary.iter().map(|s| s.len() as u64 + 24).sum::<u64>()
            }
        }
    }
}

impl Table {
    /// A table of columns.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`] when columns differ in length.
    pub fn new(columns: Vec<TableColumn>) -> Result<Self> {
        let n_rows = columns.first().map_or(0, |c| c.values.n_rows());
        for column in &columns {
            let given = column.values.n_rows();
            if given != n_rows {
                bail!(WrongDimension, "column \"{}\" has {given} rows where others have {n_rows}", column.name);
            }
        }
        Ok(Self { columns, n_rows })
    }

    /// The position of the column `name`.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedColumn`], listing the columns there are.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.columns.iter().position(|c| c.name == name).ok_or_else(|| {
            let known = self.columns.iter().map(|c| c.name.as_str());
            let error = crate::error::unknown_name(ErrorKind::UndefinedColumn, "column", name, known);
            Error::with_hint(error, "did you pass the correct column name in y_column_name or preprocess?")
        })
    }

    /// Bytes taken by the values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.columns.iter().map(|c| c.values.bytes()).sum()
    }
}
