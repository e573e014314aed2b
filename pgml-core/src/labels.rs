//! Classes as users name them, and as models count them.

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Floats, Result, TableColumn, Values, bail};

/// Beyond this many different values, a label with fractions is a quantity rather than a class.
const MOST_FRACTIONAL_CLASSES: usize = 100;
/// Beyond this many classes nothing can be learnt in reasonable memory.
const MOST_CLASSES: usize = 65_536;

/// The classes of a classification target, in sorted order. A model tells apart their positions `0..n`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Each class as text, what `pgml.predict_label` returns.
    pub names: Vec<String>,
    /// Each class as number, what `pgml.predict` returns: numeric labels themselves; for text and boolean labels the
    /// position.
    pub values: Vec<f64>,
}

impl Labels {
    /// How many classes there are.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.names.len()
    }

    /// Whether `pgml.predict` returns the position itself.
    #[must_use]
    pub fn are_positions(&self) -> bool {
        self.values.iter().enumerate().all(|(position, value)| *value == position as f64)
    }

    /// The classes of a label column without NULLs, and the class of each row.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for arrays and for quantities, [`ErrorKind::InvalidData`] for NULL (see
    /// [`expect_no_null`]).
    pub fn of(column: &TableColumn) -> Result<(Self, Vec<u32>)> {
        match &column.values {
            Values::Array(_) => {
                bail!(WrongType, "column \"{}\" is an array, but a class is a single value", column.name)
            }
            Values::Number(values) => numeric_classes(column, values),
            Values::Text { codes, dictionary } => text_classes(column, codes, dictionary),
        }
    }

    /// The classes that `rows` have, and for each class its position among them, or `None` if it is not one of them.
    /// `positional` labels (texts) are numbered anew.
    #[must_use]
    pub fn restricted(&self, classes: &[u32], rows: &[u32], positional: bool) -> (Self, Vec<Option<u32>>) {
        let mut seen = vec![false; self.n_classes()];
        rows.iter().for_each(|row| seen[classes[*row as usize] as usize] = true);
        let mut next = 0..;
        let positions: Vec<Option<u32>> = seen.iter().map(|seen| seen.then(|| next.next()).flatten()).collect();
        let kept = || (0..self.n_classes()).filter(|class| seen[*class]);
        let names = kept().map(|class| self.names[class].clone()).collect();
        let value = |(position, class)| if positional { position as f64 } else { self.values[class] };
        let values = kept().enumerate().map(value).collect();
        (Self { names, values }, positions)
    }
}

fn numeric_classes(column: &TableColumn, values: &Floats) -> Result<(Labels, Vec<u32>)> {
    let mut distinct: Vec<f64> = Vec::new();
    let mut fractional = false;
    // Adding 0.0 turns -0.0 into 0.0.
    for x in values.iter().map(|x| x + 0.0) {
        if let Err(place) = distinct.binary_search_by(|d| d.total_cmp(&x)) {
            distinct.insert(place, x);
            fractional |= x.fract() != 0.0;
            if distinct.len() > if fractional { MOST_FRACTIONAL_CLASSES } else { MOST_CLASSES } {
                return Err(too_many(column, distinct.len()));
            }
        }
    }
    let class = |x: f64| distinct.partition_point(|d| *d < x + 0.0) as u32;
    let classes = values.iter().map(class).collect();
    let names = distinct.iter().map(|x| number_name(&column.pg_type, *x, matches!(values, Floats::F32(_)))).collect();
    Ok((Labels { names, values: distinct }, classes))
}

fn too_many(column: &TableColumn, at_least: usize) -> Error {
    let message = format!("column \"{}\" has {at_least} or more different values, too many for classes", column.name);
    Error::new(ErrorKind::WrongType, message).with_hint(
        "to predict a quantity, train with task => 'regression'; to predict a class, group the values in a view",
    )
}

fn text_classes(column: &TableColumn, codes: &[u32], dictionary: &[String]) -> Result<(Labels, Vec<u32>)> {
    let mut used = vec![false; dictionary.len()];
    codes.iter().for_each(|code| used[*code as usize] = true);
    let mut sorted: Vec<usize> = (1..dictionary.len()).filter(|code| used[*code]).collect();
    if sorted.len() > MOST_CLASSES {
        return Err(too_many(column, sorted.len()));
    }
    sorted.sort_unstable_by_key(|code| &dictionary[*code]);
    let mut class_of = vec![0_u32; dictionary.len()];
    for (class, code) in sorted.iter().enumerate() {
        class_of[*code] = class as u32;
    }
    let names: Vec<String> = sorted.iter().map(|code| dictionary[*code].clone()).collect();
    let values = (0..names.len()).map(|class| class as f64).collect();
    Ok((Labels { names, values }, codes.iter().map(|code| class_of[*code as usize]).collect()))
}

/// A number as users write it: `false` and `true` for `boolean`, the shortest decimal otherwise.
pub(crate) fn number_name(pg_type: &str, x: f64, single: bool) -> String {
    match (pg_type, x) {
        ("bool", 0.0) => "false".to_owned(),
        ("bool", _) => "true".to_owned(),
        _ if single => (x as f32).to_string(),
        _ => x.to_string(),
    }
}

/// Refuses a label column with NULLs, in whichever part they are.
///
/// # Errors
/// [`ErrorKind::InvalidData`], with the number of NULLs and what to do.
pub fn expect_no_null(column: &TableColumn) -> Result<()> {
    let nulls = match &column.values {
        Values::Number(values) => values.iter().filter(|x| x.is_nan()).count(),
        Values::Array(elements) => elements.iter().flat_map(Floats::iter).filter(|x| x.is_nan()).count(),
        Values::Text { codes, .. } => codes.iter().filter(|code| **code == 0).count(),
    };
    if nulls > 0 {
        let name = &column.name;
        bail!(
            InvalidData,
            "The training data labels in \"{name}\" contain {nulls} NULL values. Consider filtering these values from \
             the training data by creating a VIEW that includes a SQL filter like `WHERE {name} IS NOT NULL`."
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(pg_type: &str, values: Values) -> TableColumn {
        TableColumn { name: "y".to_owned(), pg_type: pg_type.to_owned(), nullable: true, values }
    }

    fn text(codes: &[u32], dictionary: &[&str]) -> TableColumn {
        let dictionary = dictionary.iter().map(|s| (*s).to_owned()).collect();
        column("text", Values::Text { codes: codes.to_vec(), dictionary })
    }

    #[test]
    fn text_classes_are_sorted_and_null_is_none_of_them() {
        let (labels, classes) = Labels::of(&text(&[2, 1, 2], &["", "b", "a", "unused"])).expect("two classes");
        assert_eq!(labels.names, ["a", "b"]);
        assert_eq!((labels.values, classes), (vec![0.0, 1.0], vec![0, 1, 0]));
    }

    #[test]
    fn booleans_are_positions_and_numbers_are_themselves() {
        let bools = column("bool", Values::Number(vec![1.0_f32, 0.0].into()));
        let (labels, classes) = Labels::of(&bools).expect("two classes");
        assert_eq!((labels.names, classes), (vec!["false".to_owned(), "true".to_owned()], vec![1, 0]));
        let stars = column("float4", Values::Number(vec![5.0_f32, 0.1, -0.0, 0.0].into()));
        let (labels, classes) = Labels::of(&stars).expect("three classes");
        assert_eq!(labels.names, ["0", "0.1", "5"]);
        assert_eq!((labels.values[2], classes), (5.0, vec![2, 1, 0, 0]));
    }

    #[test]
    fn a_quantity_is_no_class() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i) + 0.5).collect();
        let error = Labels::of(&column("float8", Values::Number(values.into()))).expect_err("200 fractions");
        assert!(error.hint().is_some_and(|h| h.contains("regression")), "{error}");
        let ids: Vec<f64> = (0..200).map(f64::from).collect();
        assert!(Labels::of(&column("int4", Values::Number(ids.into()))).is_ok(), "200 whole numbers may be classes");
    }

    #[test]
    fn null_labels_are_counted() {
        let error = expect_no_null(&text(&[0, 1, 0], &["", "a"])).expect_err("two NULLs");
        assert!(error.message().contains("\"y\" contain 2 NULL values"), "{error}");
    }

    #[test]
    fn classes_without_a_training_row_are_left_out() {
        let (labels, classes) = Labels::of(&text(&[1, 2, 3], &["", "a", "b", "c"])).expect("three classes");
        let (kept, positions) = labels.restricted(&classes, &[0, 2], true);
        assert_eq!((kept.names, kept.values), (vec!["a".to_owned(), "c".to_owned()], vec![0.0, 1.0]));
        assert_eq!(positions, [Some(0), None, Some(1)]);
        let digits = column("int2", Values::Number(vec![0.0_f32, 1.0, 2.0].into()));
        let (labels, classes) = Labels::of(&digits).expect("three classes");
        assert_eq!(labels.restricted(&classes, &[0, 2], false).0.values, [0.0, 2.0], "numbers stay themselves");
    }
}
