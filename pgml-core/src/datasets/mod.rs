//! The six data sets that pgml brings along, with scikit-learn's values: what `pgml.load_dataset('iris')` loads.

mod catalog;

use std::borrow::Cow;

pub use catalog::ALL;

use crate::error::unknown_name;
use crate::{Error, ErrorKind, Floats, Result, Table, TableColumn, Values, bail};

/// One column of a [`BuiltIn`] data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnDef {
    /// The column's name; it may need quotes in SQL.
    pub name: &'static str,
    /// The SQL type, as `CREATE TABLE` takes it: `real`, `integer`, `boolean`, `smallint`, `smallint[][]`.
    pub sql_type: &'static str,
    /// The lengths of an array's dimensions; empty for scalars.
    pub shape: &'static [usize],
}

/// A small, well-known data set, embedded in the program.
#[derive(Debug)]
pub struct BuiltIn {
    /// The name that users load it by.
    pub name: &'static str,
    /// One sentence: what its rows are and what is to be predicted.
    pub description: &'static str,
    /// Who published it.
    pub source: &'static str,
    /// The columns, in table order.
    pub columns: &'static [ColumnDef],
    /// The columns that are predicted from the others.
    pub labels: &'static [&'static str],
    /// The lines of values. An array is one word with a base-17 digit (`0` to `g`) per element.
    csv: &'static str,
}

/// Finds a data set by its name.
///
/// # Errors
/// [`ErrorKind::NotFound`], listing what is known.
pub fn find(name: &str) -> Result<&'static BuiltIn> {
    let found = ALL.iter().copied().find(|set| set.name == name);
    found.ok_or_else(|| unknown_name(ErrorKind::NotFound, "data set", name, ALL.iter().map(|set| set.name)))
}

impl ColumnDef {
    /// The type's internal name without array marks, as [`TableColumn::pg_type`] holds it.
    #[must_use]
    pub fn pg_type(&self) -> &'static str {
        match self.sql_type.trim_end_matches("[]") {
            "real" => "float4",
            "smallint" => "int2",
            "integer" => "int4",
            "boolean" => "bool",
            other => other,
        }
    }

    /// How many values a cell has.
    fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

impl BuiltIn {
    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.csv.lines().count()
    }

    /// The cells of each row, in column order, as texts that PostgreSQL reads: `5.1`, `t`, `{{0,5},{13,9}}`.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Cow<'static, str>>> + '_ {
        self.csv.lines().map(|line| line.split(',').zip(self.columns).map(|(cell, c)| sql_text(cell, c)).collect())
    }

    /// The whole data set as a relation in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the embedded text is not as declared, which the tests rule out.
    pub fn table(&self) -> Result<Table> {
        let mut cells: Vec<Vec<&str>> = vec![Vec::with_capacity(self.n_rows()); self.columns.len()];
        for line in self.csv.lines() {
            line.split(',').zip(&mut cells).for_each(|(cell, column)| column.push(cell));
        }
        let columns = self.columns.iter().zip(&cells).map(|(column, cells)| {
            Ok(TableColumn {
                name: column.name.to_owned(),
                pg_type: column.pg_type().to_owned(),
                nullable: true,
                values: values(column, cells)?,
            })
        });
        Table::new(columns.collect::<Result<_>>()?)
    }
}

fn sql_text(cell: &'static str, column: &ColumnDef) -> Cow<'static, str> {
    if column.shape.is_empty() {
        return Cow::Borrowed(cell);
    }
    let elements: Vec<String> =
        cell.chars().map(|digit| digit.to_digit(17).map_or_else(String::new, |d| d.to_string())).collect();
    Cow::Owned(nested(&elements, column.shape))
}

/// Elements in row-major order as PostgreSQL's text of a nested array.
fn nested(elements: &[String], shape: &[usize]) -> String {
    let inner: Vec<String> = match shape {
        [] | [_] => elements.to_vec(),
        [_, rest @ ..] => {
            elements.chunks(rest.iter().product::<usize>().max(1)).map(|part| nested(part, rest)).collect()
        }
    };
    format!("{{{}}}", inner.join(","))
}

fn values(column: &ColumnDef, cells: &[&str]) -> Result<Values> {
    if !column.shape.is_empty() {
        let elements =
            (0..column.size()).map(|i| cells.iter().map(|cell| digit(cell, i)).collect::<Result<Vec<f32>>>());
        return Ok(Values::Array(elements.map(|e| e.map(Floats::F32)).collect::<Result<_>>()?));
    }
    Ok(Values::Number(match column.pg_type() {
        "bool" => Floats::F32(cells.iter().map(|cell| f32::from(u8::from(*cell == "t"))).collect()),
        "float4" | "int2" => Floats::F32(cells.iter().map(|cell| number(cell)).collect::<Result<_>>()?),
        _ => Floats::F64(cells.iter().map(|cell| number(cell)).collect::<Result<_>>()?),
    }))
}

fn digit(cell: &str, element: usize) -> Result<f32> {
    match cell.as_bytes().get(element).and_then(|byte| char::from(*byte).to_digit(17)) {
        Some(digit) => Ok(digit as f32),
        None => bail!(Internal, "element {element} of a built-in array is no base-17 digit: \"{cell}\""),
    }
}

fn number<T: std::str::FromStr>(cell: &str) -> Result<T> {
    cell.parse().map_err(|_| Error::new(ErrorKind::Internal, format!("built-in value \"{cell}\" is no number")))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Made by `tests/golden/datasets.py` with scikit-learn 1.9.1.
    const GOLDEN: &str = include_str!("../../../tests/golden/datasets.json");

    fn fnv1a(values: impl Iterator<Item = f32>) -> String {
        let step = |digest: u64, byte: u8| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let digest = values.flat_map(f32::to_le_bytes).fold(0xcbf2_9ce4_8422_2325, step);
        format!("{digest:016x}")
    }

    /// The values in row-major order, as scikit-learn stores images.
    fn flattened(values: &Values, n_rows: usize) -> Vec<f64> {
        match values {
            Values::Number(numbers) => numbers.iter().collect(),
            Values::Array(elements) => (0..n_rows).flat_map(|row| elements.iter().map(move |e| e.get(row))).collect(),
            Values::Text { .. } => Vec::new(),
        }
    }

    #[test]
    fn every_value_is_scikit_learns_to_the_bit() {
        let golden: Value = serde_json::from_str(GOLDEN).expect("JSON");
        assert_eq!(golden.as_object().map(|sets| sets.len()), Some(ALL.len()));
        for set in ALL {
            let (table, golden) = (set.table().expect("well-formed"), &golden[set.name]);
            assert_eq!(golden["rows"], table.n_rows, "{}", set.name);
            assert_eq!(golden["columns"].as_array().map(Vec::len), Some(table.columns.len()), "{}", set.name);
            for (column, golden) in table.columns.iter().zip(golden["columns"].as_array().expect("columns")) {
                let values = flattened(&column.values, table.n_rows);
                let sum = golden["sum"].as_f64().expect("a sum");
                let context = format!("{}.{}", set.name, column.name);
                assert!((values.iter().sum::<f64>() - sum).abs() <= 1e-9 * sum.abs(), "sum of {context}");
                assert_eq!(golden["fnv1a"], fnv1a(values.iter().map(|x| *x as f32)), "bits of {context}");
            }
        }
    }

    #[test]
    fn the_classes_are_as_many_as_published() {
        let counts = |set: &str, label: &str| -> Vec<usize> {
            let table = find(set).and_then(BuiltIn::table).expect("a data set");
            let column = &table.columns[table.position(label).expect("its label")];
            let mut counts = vec![0; 10];
            flattened(&column.values, table.n_rows).iter().for_each(|class| counts[*class as usize] += 1);
            counts.into_iter().filter(|count| *count > 0).collect()
        };
        assert_eq!(counts("iris", "target"), [50, 50, 50]);
        assert_eq!(counts("wine", "target"), [59, 71, 48]);
        assert_eq!(counts("breast_cancer", "malignant"), [357, 212]);
        assert_eq!(counts("digits", "target"), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn the_text_for_sql_says_the_same_as_the_table() {
        for set in ALL {
            let table = set.table().expect("well-formed");
            assert_eq!(set.rows().count(), set.n_rows());
            for (row, cells) in set.rows().enumerate() {
                assert_eq!(cells.len(), set.columns.len(), "{} row {row}", set.name);
                for (cell, column) in cells.iter().zip(&table.columns) {
                    let flat: Vec<f64> = cell
                        .split(|c| "{},".contains(c))
                        .filter(|word| !word.is_empty())
                        .map(|word| match word {
                            "t" => 1.0,
                            "f" => 0.0,
                            // As PostgreSQL reads a real: straight to single precision.
                            number => f64::from(number.parse::<f32>().expect("a number")),
                        })
                        .collect();
                    let width = column.values.size();
                    let wanted = &flattened(&column.values, table.n_rows)[row * width..(row + 1) * width];
                    assert_eq!(flat, wanted, "{} row {row} \"{}\"", set.name, column.name);
                }
            }
        }
    }

    #[test]
    fn a_digit_is_an_array_of_eight_times_eight() {
        let digits = find("digits").expect("built in");
        let first = digits.rows().next().expect("1797 rows");
        assert!(first[0].starts_with("{{0,0,5,13,9,1,0,0},{0,0,13,15,10,15,5,0},"), "{}", first[0]);
        assert!(first[0].ends_with("{0,0,6,13,10,0,0,0}}"), "{}", first[0]);
        assert_eq!(first[0].matches('{').count(), 9);
    }

    #[test]
    fn wine_colour_is_strong_and_hue_about_one() {
        let first = find("wine").expect("built in").rows().next().expect("178 rows");
        let cell = |name| {
            let columns = find("wine").expect("built in").columns;
            first[columns.iter().position(|c| c.name == name).expect("a column")].as_ref()
        };
        assert_eq!((cell("hue"), cell("color_intensity")), ("1.04", "5.64"));
    }

    #[test]
    fn labels_are_columns_and_an_unknown_set_lists_the_known() {
        for set in ALL {
            for label in set.labels {
                assert!(set.columns.iter().any(|c| c.name == *label), "{} {label}", set.name);
            }
        }
        let error = find("irs").expect_err("a misspelling");
        assert_eq!(error.message(), "unknown data set \"irs\"; did you mean \"iris\"?");
    }
}
