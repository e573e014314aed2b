//! How a deployed model does on any relation: `pgml.evaluate` and its relatives, what it relies on there, and `pgml.drift`.

use pgml_core::Result;
use pgrx::prelude::*;

use crate::encoding::TextOut;
use crate::evaluating::{drift_of, evaluate as evaluation_of, importance_of_columns};
use crate::relation::Relation;
use crate::report::{Report, SqlResult, sql};

/// NULL for what is not defined.
fn defined(x: f64) -> Option<f64> {
    (!x.is_nan()).then_some(x)
}

type MetricRows = TableIterator<'static, (name!(metric, TextOut), name!(value, Option<f64>))>;

#[pg_extern(sql = false)]
fn evaluate(project_name: &str, relation_name: &str) -> SqlResult<MetricRows> {
    sql(|| {
        let metrics = evaluation_of(project_name, relation_name)?.metrics();
        Ok(TableIterator::new(metrics.into_iter().map(|(name, value)| (name.into(), defined(value)))))
    })
}

type ConfusionRows = TableIterator<'static, (name!(actual, TextOut), name!(predicted, TextOut), name!(count, i64))>;

#[pg_extern(sql = false)]
fn confusion_matrix(project_name: &str, relation_name: &str) -> SqlResult<ConfusionRows> {
    sql(|| {
        let evaluation = evaluation_of(project_name, relation_name)?;
        let row = |(actual, predicted, count): (&str, &str, u64)| (actual.into(), predicted.into(), count as i64);
        Ok(TableIterator::new(evaluation.confusion()?.into_iter().map(row).collect::<Vec<_>>()))
    })
}

type RocRows = TableIterator<
    'static,
    (name!(threshold, f64), name!(false_positive_rate, Option<f64>), name!(true_positive_rate, Option<f64>)),
>;

#[pg_extern(sql = false)]
fn roc_curve(project_name: Option<&str>, relation_name: Option<&str>, class: Option<&str>) -> SqlResult<RocRows> {
    sql(|| {
        let points = evaluation_of(given(project_name)?, given(relation_name)?)?.roc(class)?;
        let row = |p: pgml_core::metrics::roc::RocPoint| {
            (p.threshold, defined(p.false_positive_rate), defined(p.true_positive_rate))
        };
        Ok(TableIterator::new(points.into_iter().map(row)))
    })
}

type CalibrationRows = TableIterator<
    'static,
    (name!(bin_from, f64), name!(bin_to, f64), name!(count, i64), name!(mean_predicted, f64), name!(share, f64)),
>;

#[pg_extern(sql = false)]
fn calibration(
    project_name: Option<&str>,
    relation_name: Option<&str>,
    class: Option<&str>,
    n_bins: Option<i32>,
) -> SqlResult<CalibrationRows> {
    sql(|| {
        let n_bins = usize::try_from(n_bins.unwrap_or(10)).unwrap_or(0);
        let bins = evaluation_of(given(project_name)?, given(relation_name)?)?.calibration(class, n_bins)?;
        let row = |b: pgml_core::metrics::calibration::CalibrationBin| {
            (b.from, b.to, b.count as i64, b.mean_predicted, b.share)
        };
        Ok(TableIterator::new(bins.into_iter().map(row)))
    })
}

type DriftRows = TableIterator<
    'static,
    (
        name!(feature, TextOut),
        name!(psi, Option<f64>),
        name!(ks, Option<f64>),
        name!(missing_before, f64),
        name!(missing_now, f64),
        name!(drift, TextOut),
    ),
>;

#[pg_extern(sql = false)]
fn drift(project_name: &str, relation_name: &str) -> SqlResult<DriftRows> {
    let row = |d: pgml_core::drift::Drift| {
        let words = d.in_words();
        (TextOut(d.feature), defined(d.psi), defined(d.ks), d.missing_before, d.missing_now, words.into())
    };
    drift_of(project_name, relation_name).map(|drifts| TableIterator::new(drifts.into_iter().map(row))).report()
}

type ImportanceRows = TableIterator<'static, (name!(feature, TextOut), name!(importance, Option<f64>))>;

#[pg_extern(sql = false)]
fn importance_by_shuffling(project_name: &str, relation_name: &str) -> SqlResult<ImportanceRows> {
    let row = |(column, fall): (String, f64)| (TextOut(column), defined(fall));
    importance_of_columns(project_name, relation_name)
        .map(|falls| TableIterator::new(falls.into_iter().map(row)))
        .report()
}

/// The relation that a user names, as SQL writes it under any search path.
#[pg_extern(sql = false)]
fn quoted_relation(relation_name: &str) -> SqlResult<TextOut> {
    Relation::find(relation_name).map(|relation| TextOut(relation.quoted)).report()
}

/// Whether the project's model answers with labels.
#[pg_extern(sql = false)]
fn predicts_labels(project_name: &str) -> SqlResult<bool> {
    crate::cache::deployed(project_name).map(|model| model.predictor.labels().is_some()).report()
}

fn given(argument: Option<&str>) -> Result<&str> {
    argument.ok_or_else(|| {
        let message = "project_name and relation_name must not be NULL";
        pgml_core::Error::new(pgml_core::ErrorKind::InvalidParameter, message)
    })
}
