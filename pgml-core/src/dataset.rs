//! Numbers to learn from: feature columns, targets, and optionally weights, groups and rows for validation.

use std::ops::Range;

use crate::{Result, bail};

/// A column of floats, in the narrowest type that holds its SQL type exactly. NaN means missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Floats {
    /// From `boolean`, `smallint` and `real`.
    F32(Vec<f32>),
    /// From every other numeric type.
    F64(Vec<f64>),
}

impl Floats {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of row `row`.
    ///
    /// # Panics
    /// When there is no such row, as slices do.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> f64 {
        match self {
            Self::F32(v) => f64::from(v[row]),
            Self::F64(v) => v[row],
        }
    }

    /// The values in row order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Whether all are numbers, and none infinite.
    #[must_use]
    pub fn are_finite(&self) -> bool {
        // Without leaving at the first that is not, a piece is compared in vector registers.
        fn all<T: Copy>(values: &[T], is_finite: impl Fn(T) -> bool) -> bool {
            values.chunks(1024).all(|piece| piece.iter().fold(true, |all, x| all & is_finite(*x)))
        }
        match self {
            Self::F32(values) => all(values, f32::is_finite),
            Self::F64(values) => all(values, f64::is_finite),
        }
    }

    /// The values of `rows`, in that order.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        match self {
            Self::F32(v) => Self::F32(rows.iter().map(|&row| v[row as usize]).collect()),
            Self::F64(v) => Self::F64(rows.iter().map(|&row| v[row as usize]).collect()),
        }
    }

    /// Bytes taken by the values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::F32(v) => 4 * v.len() as u64,
            Self::F64(v) => 8 * v.len() as u64,
        }
    }
}

impl From<Vec<f32>> for Floats {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
    }
}

impl From<Vec<f64>> for Floats {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(values)
    }
}

/// A feature column after preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The name shown in explanations, for instance `sex` or `image[3]` or `color=red`.
    pub name: String,
    /// One value per row; NaN means missing.
    pub values: Floats,
    /// The number of categories when the values are category codes `0..n`, else `None`.
    pub categories: Option<u32>,
}

impl Feature {
    /// A continuous feature.
    pub fn new(name: impl Into<String>, values: impl Into<Floats>) -> Self {
        Self { name: name.into(), values: values.into(), categories: None }
    }
}

/// Rows to learn from, column by column.
///
/// For classification the first target holds class indices `0..n_classes`; labels live outside, in
/// [`Labels`](crate::labels::Labels).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    features: Vec<Feature>,
    targets: Vec<Vec<f64>>,
    n_rows: usize,
    n_classes: usize,
    weight: Option<Vec<f64>>,
    group: Option<Vec<u32>>,
    validation: Option<Box<Dataset>>,
}

impl Dataset {
    /// A data set of features alone.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`](crate::ErrorKind::WrongDimension) when columns differ in length, and
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) when there is no column.
    pub fn new(features: Vec<Feature>) -> Result<Self> {
        let Some(first) = features.first() else {
            bail!(InvalidData, "there is no feature column to learn from");
        };
        let n_rows = first.values.len();
        for feature in &features {
            expect_rows(&feature.name, feature.values.len(), n_rows)?;
        }
        Ok(Self { features, n_rows, ..Self::default() })
    }

    /// A data set from rows in row-major order, for tests and Rust programs.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn from_rows(rows: &[f64], n_features: usize) -> Result<Self> {
        let rows = crate::MatrixRef::new(rows, n_features)?;
        let column = |f: usize| Feature::new(format!("x{f}"), rows.rows().map(|r| r[f]).collect::<Vec<f64>>());
        Self::new((0..n_features).map(column).collect())
    }

    /// Adds a target column.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`](crate::ErrorKind::WrongDimension) when its length is not the number of rows.
    pub fn with_target(mut self, target: Vec<f64>) -> Result<Self> {
        expect_rows("target", target.len(), self.n_rows)?;
        self.targets.push(target);
        Ok(self)
    }

    /// Puts `target` in the place of all targets, for algorithms that learn several one after another.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`](crate::ErrorKind::WrongDimension) when its length is not the number of rows.
    pub fn with_only_target(mut self, target: Vec<f64>) -> Result<Self> {
        self.targets.clear();
        self.with_target(target)
    }

    /// Adds class indices `0..n_classes` as the target.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) when a value is no such index.
    pub fn with_classes(mut self, classes: Vec<f64>, n_classes: usize) -> Result<Self> {
        if let Some(bad) = classes.iter().find(|c| c.fract() != 0.0 || !(0.0..n_classes as f64).contains(*c)) {
            bail!(InvalidData, "class index {bad} is not in 0..{n_classes}");
        }
        self = self.with_target(classes)?;
        self.n_classes = n_classes;
        Ok(self)
    }

    /// Adds a weight per row.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) when a weight is negative or not finite, or all are 0.
    pub fn with_weight(mut self, weight: Vec<f64>) -> Result<Self> {
        expect_rows("weight", weight.len(), self.n_rows)?;
        if let Some((row, bad)) = weight.iter().enumerate().find(|(_, w)| !w.is_finite() || **w < 0.0) {
            bail!(InvalidData, "weight {bad} of row {row} is not a finite number of at least 0");
        }
        if !weight.iter().any(|w| *w > 0.0) {
            bail!(InvalidData, "every row has weight 0");
        }
        self.weight = Some(weight);
        Ok(self)
    }

    /// Adds a group per row, for ranking objectives.
    ///
    /// # Errors
    /// [`ErrorKind::WrongDimension`](crate::ErrorKind::WrongDimension) when its length is not the number of rows.
    pub fn with_group(mut self, group: Vec<u32>) -> Result<Self> {
        expect_rows("group", group.len(), self.n_rows)?;
        self.group = Some(group);
        Ok(self)
    }

    /// Adds rows that the algorithm may watch while it fits (early stopping), never learn from.
    #[must_use]
    pub fn with_validation(mut self, validation: Dataset) -> Self {
        self.validation = Some(Box::new(validation));
        self
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many features each row has.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.features.len()
    }

    /// How many classes the target has; 0 when it is no class.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The feature columns.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The target columns: none for unsupervised tasks, several for joint ones.
    #[must_use]
    pub fn targets(&self) -> &[Vec<f64>] {
        &self.targets
    }

    /// The single target.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`](crate::ErrorKind::NotSupported) when there is none or more than one.
    pub fn target(&self) -> Result<&[f64]> {
        match self.targets.as_slice() {
            [target] => Ok(target),
            [] => bail!(NotSupported, "this algorithm needs a target column"),
            several => bail!(NotSupported, "this algorithm learns one target, not {}", several.len()),
        }
    }

    /// The weights, if rows are weighted.
    #[must_use]
    pub fn weight(&self) -> Option<&[f64]> {
        self.weight.as_deref()
    }

    /// The groups, if rows are grouped.
    #[must_use]
    pub fn group(&self) -> Option<&[u32]> {
        self.group.as_deref()
    }

    /// Rows that may be watched while fitting.
    #[must_use]
    pub fn validation(&self) -> Option<&Dataset> {
        self.validation.as_deref()
    }

    /// Writes the features of `rows` in row-major order into `out`, which is resized to fit.
    pub fn rows_into(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let n_features = self.n_features();
        out.clear();
        out.resize(rows.len() * n_features, 0.0);
        // A few rows at a time, which stay in the cache until they have all their features.
        const ROWS: usize = 128;
        for (out, first) in out.chunks_mut(ROWS * n_features.max(1)).zip(rows.clone().step_by(ROWS)) {
            let rows = first..rows.end.min(first + ROWS);
            for (f, feature) in self.features.iter().enumerate() {
                let cells = out.iter_mut().skip(f).step_by(n_features);
                match &feature.values {
                    Floats::F32(v) => cells.zip(&v[rows.clone()]).for_each(|(cell, x)| *cell = f64::from(*x)),
                    Floats::F64(v) => cells.zip(&v[rows.clone()]).for_each(|(cell, x)| *cell = *x),
                }
            }
        }
    }

    /// All features in row-major order.
    #[must_use]
    pub fn to_rows(&self) -> Vec<f64> {
        let mut out = Vec::new();
        self.rows_into(0..self.n_rows, &mut out);
        out
    }

    /// The given rows, in that order, with their targets, weights and groups but without the validation part.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let pick = |values: &Vec<f64>| rows.iter().map(|&row| values[row as usize]).collect::<Vec<f64>>();
        Self {
            features: self
                .features
                .iter()
                .map(|f| Feature { name: f.name.clone(), values: f.values.select(rows), categories: f.categories })
                .collect(),
            targets: self.targets.iter().map(pick).collect(),
            n_rows: rows.len(),
            n_classes: self.n_classes,
            weight: self.weight.as_ref().map(pick),
            group: self.group.as_ref().map(|g| rows.iter().map(|&row| g[row as usize]).collect()),
            validation: None,
        }
    }

    /// The same rows without one feature.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) when it is the only one.
    pub fn without_feature(mut self, feature: usize) -> Result<Self> {
        if self.features.len() < 2 {
            bail!(InvalidData, "there is no feature column to learn from beside \"{}\"", self.features[feature].name);
        }
        self.features.remove(feature);
        Ok(self)
    }

    /// Bytes taken by the values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let features: u64 = self.features.iter().map(|f| f.values.bytes()).sum();
        let per_row = 8 * (self.targets.len() as u64 + u64::from(self.weight.is_some()));
        features + per_row * self.n_rows as u64
    }

    /// Fails when a feature value is missing (NaN) or infinite, for algorithms that cannot cope with either.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData), naming the first such column.
    pub fn require_finite(&self) -> Result<()> {
        for feature in self.features.iter().filter(|feature| !feature.values.are_finite()) {
            if let Some(bad) = feature.values.iter().find(|x| !x.is_finite()) {
                let what = if bad.is_nan() { "a missing value (NULL or NaN)" } else { "an infinite value" };
                return Err(crate::Error::new(
                    crate::ErrorKind::InvalidData,
                    format!("feature \"{}\" has {what}, which this algorithm cannot use", feature.name),
                )
                .with_hint(format!(
                    "impute it, for example preprocess => '{{\"{}\": {{\"impute\": \"mean\"}}}}', or filter the rows in a view",
                    feature.name
                )));
            }
        }
        Ok(())
    }
}

fn expect_rows(what: &str, given: usize, n_rows: usize) -> Result<()> {
    if given != n_rows {
        bail!(WrongDimension, "column \"{what}\" has {given} rows where others have {n_rows}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_by_three() -> Dataset {
        Dataset::new(vec![
            Feature::new("a", vec![1.0_f32, 2.0, 3.0]),
            Feature::new("b", vec![10.0_f64, 20.0, f64::NAN]),
        ])
        .and_then(|d| d.with_target(vec![0.0, 1.0, 0.0]))
        .expect("three rows each")
    }

    #[test]
    fn rows_are_row_major_and_selectable() {
        let data = two_by_three();
        let mut rows = Vec::new();
        data.rows_into(0..2, &mut rows);
        assert_eq!(rows, [1.0, 10.0, 2.0, 20.0]);
        let picked = data.select(&[1, 0]);
        assert_eq!(picked.to_rows(), [2.0, 20.0, 1.0, 10.0]);
        assert_eq!(picked.target(), Ok(&[1.0, 0.0][..]));
    }

    #[test]
    fn columns_of_different_length_are_refused() {
        let error = Dataset::new(vec![Feature::new("a", vec![1.0_f32]), Feature::new("b", vec![1.0_f64, 2.0])])
            .expect_err("one row and two rows");
        assert_eq!(error.message(), "column \"b\" has 2 rows where others have 1");
    }

    #[test]
    fn a_missing_value_is_named_with_its_column() {
        let error = two_by_three().require_finite().expect_err("b is NaN in row 2");
        assert!(error.message().contains("\"b\""), "{error}");
    }

    #[test]
    fn a_class_outside_its_range_is_refused() {
        let data = Dataset::from_rows(&[1.0, 2.0], 1).expect("two rows");
        assert!(data.with_classes(vec![0.0, 2.0], 2).is_err());
    }
}
