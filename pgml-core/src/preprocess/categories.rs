//! From texts and other category names to codes: 0 for NULL, then 1, 2, … in sorted order, whatever the order of rows.

use std::collections::BTreeMap;

use crate::labels::number_name;
use crate::statistics::Category;
use crate::{Floats, Result, TableColumn, Values, bail};

use super::Encode;

/// The key under which NULL stands among the categories. A text that reads the same counts as NULL.
pub const NULL_CATEGORY: &str = "__NULL__";

/// The key of a category that is a number: its shortest decimal; `false` and `true` for `boolean`.
#[must_use]
pub fn category_key(pg_type: &str, x: f64) -> String {
    number_name(pg_type, x + 0.0, false)
}

/// A categorical column with its categories learnt from the training rows.
#[derive(Debug)]
pub struct CategoricalColumn {
    /// The categories by name, with their codes and members.
    pub categories: BTreeMap<String, Category>,
    /// The code of each entry of the dictionary; NaN for a category that training never saw.
    code_of: Vec<f64>,
    /// An entry of the dictionary per row; entry 0 is NULL.
    entries: Vec<u32>,
}

impl CategoricalColumn {
    /// Learns the categories of `column` from the rows `train`. An `ordinal` encoding brings its own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) when a training row has a value that is not in the
    /// ordinal list, [`ErrorKind::WrongType`](crate::ErrorKind::WrongType) for arrays.
    pub fn fit(column: TableColumn, train: &[u32], encode: &Encode) -> Result<Self> {
        let name = column.name;
        let is_text = matches!(column.values, Values::Text { .. });
        let (entries, dictionary) = match column.values {
            Values::Text { codes, dictionary } => (codes, dictionary),
            Values::Number(values) => number_entries(&column.pg_type, &values),
            Values::Array(_) => bail!(WrongType, "column \"{name}\" is an array and cannot be categorical"),
        };
        let mut members = vec![0_u64; dictionary.len().max(1)];
        train.iter().for_each(|row| members[entries[*row as usize] as usize] += 1);
        let known = match encode {
            Encode::Ordinal(list) => ordinal_entries(&dictionary, &members, list)?,
            _ => sorted_entries(&dictionary, &members, is_text),
        };
        let mut code_of = vec![f64::NAN; members.len()];
        code_of[0] = 0.0;
        let null = Category { value: 0.0, members: members[0], target: None };
        let mut categories = BTreeMap::from([(NULL_CATEGORY.to_owned(), null)]);
        for (position, (key, entry)) in known.into_iter().enumerate() {
            let value = (position + 1) as f64;
            let members = entry.map_or(0, |entry| members[entry]);
            if let Some(entry) = entry {
                code_of[entry] = value;
            }
            categories.insert(key, Category { value, members, target: None });
        }
        merge_null_text(&dictionary, &members, &mut code_of, &mut categories);
        Ok(Self { categories, code_of, entries })
    }

    /// The codes of `rows`, in that order.
    #[must_use]
    pub fn codes(&self, rows: &[u32]) -> Floats {
        let codes = rows.iter().map(|row| self.code_of[self.entries[*row as usize] as usize]);
        // f32 holds every whole number up to 2^24.
        if self.categories.len() <= 1 << 24 {
            Floats::F32(codes.map(|code| code as f32).collect())
        } else {
            Floats::F64(codes.collect())
        }
    }
}

/// The entries that training rows have, by name. Texts are sorted by their bytes; numbers come sorted already.
fn sorted_entries(dictionary: &[String], members: &[u64], by_name: bool) -> Vec<(String, Option<usize>)> {
    let mut seen: Vec<usize> =
        (1..dictionary.len()).filter(|e| members[*e] > 0 && dictionary[*e] != NULL_CATEGORY).collect();
    if by_name {
        seen.sort_unstable_by_key(|entry| &dictionary[*entry]);
    }
    seen.into_iter().map(|entry| (dictionary[entry].clone(), Some(entry))).collect()
}

/// The entries of an ordinal list, in its order.
fn ordinal_entries(dictionary: &[String], members: &[u64], list: &[String]) -> Result<Vec<(String, Option<usize>)>> {
    let unknown = |entry: &usize| members[*entry] > 0 && !list.contains(&dictionary[*entry]);
    if let Some(entry) = (1..dictionary.len()).find(unknown) {
        bail!(InvalidData, "value is not present in ordinal: \"{}\". Valid values: {list:?}", dictionary[entry]);
    }
    let entry = |key: &String| dictionary.iter().skip(1).position(|text| text == key).map(|p| p + 1);
    Ok(list.iter().map(|key| (key.clone(), entry(key))).collect())
}

/// A text that reads like NULL's key is NULL.
fn merge_null_text(
    dictionary: &[String],
    members: &[u64],
    code_of: &mut [f64],
    categories: &mut BTreeMap<String, Category>,
) {
    if let Some(entry) = dictionary.iter().position(|text| text == NULL_CATEGORY) {
        code_of[entry] = 0.0;
        if let Some(null) = categories.get_mut(NULL_CATEGORY) {
            null.members += members[entry];
        }
    }
}

/// Numbers as entries of a dictionary, which is in ascending order.
fn number_entries(pg_type: &str, values: &Floats) -> (Vec<u32>, Vec<String>) {
    let mut distinct: Vec<f64> = values.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0).collect();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    let entry = |x: f64| if x.is_nan() { 0 } else { distinct.partition_point(|d| *d < x) as u32 + 1 };
    let entries = values.iter().map(entry).collect();
    let keys = distinct.iter().map(|x| category_key(pg_type, *x));
    (entries, std::iter::once(String::new()).chain(keys).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(codes: &[u32], dictionary: &[&str]) -> TableColumn {
        TableColumn {
            name: "color".to_owned(),
            pg_type: "text".to_owned(),
            nullable: true,
            values: Values::Text {
                codes: codes.to_vec(),
                dictionary: dictionary.iter().map(|s| (*s).to_owned()).collect(),
            },
        }
    }

    fn codes(fitted: &CategoricalColumn, rows: &[u32]) -> Vec<f64> {
        fitted.codes(rows).iter().collect()
    }

    #[test]
    fn codes_follow_the_sorted_names_of_the_training_rows() {
        let column = text(&[2, 1, 0, 3], &["", "red", "blue", "zinc"]);
        let fitted = CategoricalColumn::fit(column, &[0, 1, 2], &Encode::Native).expect("a text column");
        assert_eq!(codes(&fitted, &[0, 1, 2]), [1.0, 2.0, 0.0]);
        assert!(codes(&fitted, &[3])[0].is_nan(), "zinc is in no training row");
        assert_eq!(fitted.categories.keys().collect::<Vec<_>>(), ["__NULL__", "blue", "red"]);
        assert_eq!(fitted.categories["__NULL__"].members, 1);
    }

    #[test]
    fn an_ordinal_list_gives_positions_and_refuses_strangers() {
        let column = || text(&[1, 2], &["", "high", "low"]);
        let ordinal = |list: &[&str]| Encode::Ordinal(list.iter().map(|s| (*s).to_owned()).collect());
        let fitted = CategoricalColumn::fit(column(), &[0, 1], &ordinal(&["low", "mid", "high"])).expect("known");
        assert_eq!(codes(&fitted, &[0, 1]), [3.0, 1.0]);
        let error = CategoricalColumn::fit(column(), &[0, 1], &ordinal(&["low"])).expect_err("high is missing");
        assert_eq!(error.message(), "value is not present in ordinal: \"high\". Valid values: [\"low\"]");
    }

    #[test]
    fn numbers_become_categories_in_numeric_order() {
        let column = TableColumn {
            name: "zip".to_owned(),
            pg_type: "int4".to_owned(),
            nullable: true,
            values: Values::Number(vec![100.0, 9.0, f64::NAN, 100.0].into()),
        };
        let fitted = CategoricalColumn::fit(column, &[0, 1, 2, 3], &Encode::Native).expect("a number column");
        assert_eq!(codes(&fitted, &[0, 1, 2, 3]), [2.0, 1.0, 0.0, 2.0]);
        assert_eq!(fitted.categories["100"].members, 2);
    }
}
