//! One model per group: a column tells which of several models, all of one algorithm, answers for a row. Rows of groups
//! without a model of their own are answered by one of all rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::estimator::expect_shape;
use crate::{
    Algorithm, AnomalyDetector, Classifier, Dataset, Error, ErrorKind, Explain, MatrixRef, Model, Parts, Result, Run,
    Task, Transform, bail,
};

/// Models by the code of their group.
pub struct Grouped {
    /// Which feature tells the group.
    feature: usize,
    n_features: usize,
    models: BTreeMap<u32, Box<dyn Model>>,
    /// Of all rows, for groups without a model.
    all: Box<dyn Model>,
}

/// Fits a model for each group of rows: those of one category of the feature `feature`, which the models do not see; and one
/// for all rows, which answers for groups that are new or that cannot be learnt from alone.
///
/// # Errors
/// When a fit fails, but for groups that have too few rows or classes; on cancel.
pub fn fit(
    algorithm: &dyn Algorithm,
    params: &Map<String, Value>,
    data: &Dataset,
    feature: usize,
    task: Task,
    run: &Run,
) -> Result<Grouped> {
    let mut rows: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (row, code) in data.features()[feature].values.iter().enumerate() {
        if code.is_nan() {
            bail!(InvalidData, "the group of a row is missing");
        }
        rows.entry(code as u32).or_default().push(row as u32);
    }
    let total = rows.len() as u64;
    let all = algorithm.fit(params, &data.clone().without_feature(feature)?, task, run)?;
    let (mut models, mut refused) = (BTreeMap::new(), 0);
    for (done, (code, rows)) in rows.into_iter().enumerate() {
        run.check()?;
        run.progress("groups", done as u64, total);
        let of_group = data.select(&rows).without_feature(feature)?;
        match algorithm.fit_owned(params, of_group, task, run) {
            Ok(model) => drop(models.insert(code, model)),
            Err(error) if error.kind() == ErrorKind::InvalidData => refused += 1,
            Err(error) => return Err(error),
        }
    }
    if refused > 0 {
        run.warn(&format!(
            "{refused} of {total} groups cannot be learnt from alone: the model of all rows answers for them"
        ));
    }
    let grouped = Grouped { feature, n_features: data.n_features(), models, all };
    grouped.expect_same_shapes()?;
    Ok(grouped)
}

const MARK: &str = "grouped_by";
const ALL: &str = "all.";

/// Whether stored parts are those of [`Grouped`].
#[must_use]
pub fn is_grouped(parts: &Parts) -> bool {
    parts.meta.contains_key(MARK)
}

fn prefix(code: u32) -> String {
    format!("group{code}.")
}

impl Grouped {
    /// Rebuilds what [`Model::encode`] wrote; `decode` reads the model of one group.
    ///
    /// # Errors
    /// Those of `decode`; [`ErrorKind::Corrupted`] when the models do not fit together.
    pub fn decode(parts: &Parts, decode: &dyn Fn(&Parts) -> Result<Box<dyn Model>>) -> Result<Self> {
        let feature: usize = parts.meta(MARK)?;
        let codes = parts.array::<u32>("groups")?;
        let mut models: BTreeMap<u32, Box<dyn Model>> = BTreeMap::new();
        let of = |prefix: &str| decode(&parts.nested(prefix));
        for code in codes {
            models.insert(*code, of(&prefix(*code))?);
        }
        let all = of(ALL)?;
        if feature > all.n_features() || models.len() != codes.len() {
            bail!(Corrupted, "the stored models of {} groups do not fit together", codes.len());
        }
        let grouped = Self { feature, n_features: all.n_features() + 1, models, all };
        grouped.expect_same_shapes()?;
        Ok(grouped)
    }

    fn expect_same_shapes(&self) -> Result<()> {
        let shape = |model: &dyn Model| {
            let n_classes = model.classifier().map(|c| c.n_classes());
            (model.n_features(), model.n_outputs(), n_classes, model.transformer().map(|t| t.n_components()))
        };
        let expected = shape(self.all.as_ref());
        if self.models.values().any(|model| shape(model.as_ref()) != expected) {
            bail!(Corrupted, "the models of {} groups differ in what they take or give", self.models.len());
        }
        Ok(())
    }

    /// Calls `each` with the rows of one group after another that stand together, without the feature that tells the group,
    /// and the part of `out` that is theirs.
    fn by_group(
        &self,
        rows: MatrixRef<'_>,
        out: &mut [f64],
        per_row: usize,
        each: impl Fn(&dyn Model, MatrixRef<'_>, &mut [f64]) -> Result<()>,
    ) -> Result<()> {
        expect_shape(&rows, self.n_features, out, per_row)?;
        let mut buffer = Vec::new();
        let mut out = out;
        let same = |a: &&[f64], b: &&[f64]| a[self.feature] == b[self.feature];
        let all: Vec<&[f64]> = rows.rows().collect();
        for run in all.chunk_by(same) {
            let model = self.model_for(run[0][self.feature]);
            buffer.clear();
            for row in run {
                buffer.extend_from_slice(&row[..self.feature]);
                buffer.extend_from_slice(&row[self.feature + 1..]);
            }
            let (now, rest) = out.split_at_mut(run.len() * per_row);
            each(model, MatrixRef::new(&buffer, self.n_features - 1)?, now)?;
            out = rest;
        }
        Ok(())
    }

    fn model_for(&self, code: f64) -> &dyn Model {
        let known = (code >= 0.0 && code.fract() == 0.0).then(|| self.models.get(&(code as u32))).flatten();
        known.unwrap_or(&self.all).as_ref()
    }
}

impl Model for Grouped {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_outputs(&self) -> usize {
        self.all.n_outputs()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.by_group(rows, out, self.n_outputs(), |model, rows, out| model.predict_into(rows, out))
    }

    fn encode(&self) -> Result<Parts> {
        let codes: Vec<u32> = self.models.keys().copied().collect();
        let mut all = Parts::new().with("groups", codes).with_meta(MARK, &self.feature)?;
        let named = self.models.iter().map(|(code, model)| (prefix(*code), model));
        for (prefix, model) in named.chain([(ALL.to_owned(), &self.all)]) {
            all = all.with_nested(&prefix, model.encode()?);
        }
        Ok(all)
    }

    fn bytes(&self) -> usize {
        self.models.values().chain([&self.all]).map(|model| model.bytes()).sum()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.all.classifier().map(|_| self as &dyn Classifier)
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        self.all.transformer().map(|_| self as &dyn Transform)
    }

    fn anomaly_detector(&self) -> Option<&dyn AnomalyDetector> {
        self.all.anomaly_detector().map(|_| self as &dyn AnomalyDetector)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        self.all.explainer().map(|_| self as &dyn Explain)
    }
}

fn lacking<T>(capability: Option<T>) -> Result<T> {
    capability
        .ok_or_else(|| Error::new(ErrorKind::Corrupted, "the models of a project's groups differ in what they can do"))
}

impl Classifier for Grouped {
    fn n_classes(&self) -> usize {
        self.all.classifier().map_or(0, |classifier| classifier.n_classes())
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.by_group(rows, out, self.n_classes(), |model, rows, out| {
            lacking(model.classifier())?.predict_proba_into(rows, out)
        })
    }
}

impl Transform for Grouped {
    fn n_components(&self) -> usize {
        self.all.transformer().map_or(0, |transformer| transformer.n_components())
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.by_group(rows, out, self.n_components(), |model, rows, out| {
            lacking(model.transformer())?.transform_into(rows, out)
        })
    }
}

impl AnomalyDetector for Grouped {
    fn anomaly_score_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.by_group(rows, out, 1, |model, rows, out| lacking(model.anomaly_detector())?.anomaly_score_into(rows, out))
    }
}

impl Explain for Grouped {
    fn unit(&self) -> &'static str {
        self.all.explainer().map_or("value", |explainer| explainer.unit())
    }

    /// The group itself adds nothing: the row is explained by the model of its group.
    fn explain_row(
        &self,
        row: &[f64],
        typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        let without = |row: &[f64]| [&row[..self.feature], &row[self.feature + 1..]].concat();
        let mut amounts = vec![0.0; self.n_features - 1];
        let explainer = lacking(self.model_for(row[self.feature]).explainer())?;
        let base = explainer.explain_row(&without(row), &without(typical), output, &mut amounts, run)?;
        amounts.insert(self.feature, 0.0);
        contributions.copy_from_slice(&amounts);
        Ok(base)
    }

    fn importance(&self, deviations: &[f64]) -> Result<Vec<f64>> {
        let deviations = [&deviations[..self.feature], &deviations[self.feature + 1..]].concat();
        let mut sums = vec![0.0; self.n_features - 1];
        for model in self.models.values() {
            let shares = lacking(model.explainer())?.importance(&deviations)?;
            sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
        }
        sums.insert(self.feature, 0.0);
        Ok(crate::explain::shares(sums))
    }
}
