//! A relation's rows as a trained model takes them: columns found by name, categories by their text.

use crate::error::{did_you_mean, guess_or};
use crate::predictor::{Cell, Predictor};
use crate::{Error, ErrorKind, MatrixRef, Result, Run, Table, TableColumn, Values};

/// Rows that are encoded and predicted at a time.
const BLOCK: usize = 1024;

/// The rows of a table, in terms of one model's raw features.
#[derive(Debug)]
pub struct TableRows<'a> {
    predictor: &'a Predictor,
    /// The column of each feature column of the schema.
    columns: Vec<&'a TableColumn>,
    n_rows: usize,
}

impl<'a> TableRows<'a> {
    /// Finds the model's columns in `table` by name; others are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedColumn`] for a column that the table lacks.
    pub fn new(predictor: &'a Predictor, table: &'a Table) -> Result<Self> {
        let column = |name: &str| {
            table.columns.iter().find(|column| column.name == name).ok_or_else(|| {
                let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
                let message = format!("the relation has no column \"{name}\", which the model needs");
                Error::new(ErrorKind::UndefinedColumn, message)
                    .with_detail(format!("its columns: {}", known.join(", ")))
                    .with_hint(guess_or(
                        did_you_mean(name, known.iter().copied()),
                        "rename or add the column in a view",
                    ))
            })
        };
        let columns = predictor.schema().features().map(|c| column(&c.name)).collect::<Result<_>>()?;
        Ok(Self { predictor, columns, n_rows: table.n_rows })
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Calls `each` with some rows of raw features after another, and the number of the first.
    ///
    /// # Errors
    /// Those of `each`; [`ErrorKind::WrongType`] or [`ErrorKind::WrongDimension`] for a column of another kind than in
    /// training; on cancel.
    pub fn each_block(&self, run: &Run, mut each: impl FnMut(usize, MatrixRef<'_>) -> Result<()>) -> Result<()> {
        let width = self.predictor.n_raw_features();
        let (mut raw, mut numbers) = (Vec::new(), Vec::new());
        for start in (0..self.n_rows).step_by(BLOCK) {
            run.check()?;
            run.progress("predicting", start as u64, self.n_rows as u64);
            raw.clear();
            for row in start..self.n_rows.min(start + BLOCK) {
                // The arrays of one row, one after another, because cells borrow them.
                numbers.clear();
                let ends: Vec<usize> = self.columns.iter().map(|column| array_end(column, row, &mut numbers)).collect();
                let cell = |index: usize| {
                    let start = if index == 0 { 0 } else { ends[index - 1] };
                    Ok(cell(self.columns[index], row, &numbers[start..ends[index]]))
                };
                self.predictor.encode_row(&mut { cell }, &mut raw)?;
            }
            each(start, MatrixRef::new(&raw, width)?)?;
        }
        Ok(())
    }
}

/// Appends the row's array, if the column has arrays; returns where it ends.
fn array_end(column: &TableColumn, row: usize, numbers: &mut Vec<f64>) -> usize {
    if let Values::Array(elements) = &column.values {
        numbers.extend(elements.iter().map(|values| values.get(row)));
    }
    numbers.len()
}

fn cell<'a>(column: &'a TableColumn, row: usize, numbers: &'a [f64]) -> Cell<'a> {
    match &column.values {
        Values::Number(values) => match values.get(row) {
            x if x.is_nan() => Cell::Null,
            x => Cell::Number(x),
        },
        Values::Array(_) => Cell::Numbers(numbers),
        Values::Text { codes, dictionary } => match codes[row] {
            0 => Cell::Null,
            code => Cell::Text(&dictionary[code as usize]),
        },
    }
}
