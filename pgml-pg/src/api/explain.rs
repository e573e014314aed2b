//! Why a model says what it says: `pgml.explain` and `pgml.feature_importance`.

use std::rc::Rc;

use pgml_core::explain::{self, Explanation};
use pgml_core::{Error, ErrorKind, Result};
use pgrx::prelude::*;
use pgrx::{AnyArray, AnyElement};

use super::predict::{Input, with_features};
use crate::cache::{self, Loaded};
use crate::encoding::TextOut;
use crate::features;
use crate::interrupts::interruptible;
use crate::report::{Report, SqlResult};

type ExplanationRows = TableIterator<
    'static,
    (
        name!(feature, TextOut),
        name!(value, Option<TextOut>),
        name!(contribution, f64),
        name!(base, f64),
        name!(prediction, f64),
        name!(unit, TextOut),
        name!(explains, Option<TextOut>),
    ),
>;

fn explain(model: &Rc<Loaded>, input: &Input<'_>, top_k: Option<i32>) -> Result<ExplanationRows> {
    let most = top_k.map(|k| {
        usize::try_from(k).ok().filter(|k| *k > 0).ok_or_else(|| {
            Error::new(ErrorKind::InvalidParameter, format!("top_k is {k}, but must be at least 1"))
                .with_hint("leave it out to see every feature")
        })
    });
    let most = most.transpose()?;
    let explanation = with_features(model, input, |raw, _| {
        features::expect_one_row(raw.len(), model)?;
        explain::explain(&model.predictor, raw, &interruptible())
    })?;
    let class = model.predictor.labels().and_then(|labels| labels.names.get(explanation.output).cloned());
    let shown = match most {
        Some(most) => explanation.largest(most),
        None => explanation,
    };
    let Explanation { base, prediction, unit, contributions, .. } = shown;
    Ok(TableIterator::new(contributions.into_iter().map(move |c| {
        (TextOut(c.feature), c.value.map(TextOut), c.amount, base, prediction, unit.into(), class.clone().map(TextOut))
    })))
}

fn given<T>(argument: Option<T>, name: &str) -> Result<T> {
    argument.ok_or_else(|| Error::new(ErrorKind::InvalidParameter, format!("{name} must not be NULL")))
}

#[pg_extern(sql = false)]
fn explain_project(
    project: Option<&str>,
    features: Option<AnyArray>,
    top_k: Option<i32>,
) -> SqlResult<ExplanationRows> {
    given(project, "project_name")
        .and_then(cache::deployed)
        .and_then(|model| explain(&model, &Input::Array(&given(features, "features")?), top_k))
        .report()
}

#[pg_extern(sql = false)]
fn explain_project_row(
    project: Option<&str>,
    row: Option<AnyElement>,
    top_k: Option<i32>,
) -> SqlResult<ExplanationRows> {
    given(project, "project_name")
        .and_then(cache::deployed)
        .and_then(|model| explain(&model, &Input::Row(&given(row, "row")?), top_k))
        .report()
}

#[pg_extern(sql = false)]
fn explain_model(model: Option<i64>, features: Option<AnyArray>, top_k: Option<i32>) -> SqlResult<ExplanationRows> {
    given(model, "model_id")
        .and_then(cache::model)
        .and_then(|model| explain(&model, &Input::Array(&given(features, "features")?), top_k))
        .report()
}

#[pg_extern(sql = false)]
fn explain_model_row(model: Option<i64>, row: Option<AnyElement>, top_k: Option<i32>) -> SqlResult<ExplanationRows> {
    given(model, "model_id")
        .and_then(cache::model)
        .and_then(|model| explain(&model, &Input::Row(&given(row, "row")?), top_k))
        .report()
}

type ImportanceRows = TableIterator<'static, (name!(feature, TextOut), name!(importance, f64))>;

fn importance(model: &Rc<Loaded>) -> Result<ImportanceRows> {
    let shares = explain::importance(&model.predictor)?;
    Ok(TableIterator::new(shares.into_iter().map(|(feature, share)| (TextOut(feature), share))))
}

#[pg_extern(sql = false)]
fn importance_project(project: &str) -> SqlResult<ImportanceRows> {
    cache::deployed(project).and_then(|model| importance(&model)).report()
}

#[pg_extern(sql = false)]
fn importance_model(model: i64) -> SqlResult<ImportanceRows> {
    cache::model(model).and_then(|model| importance(&model)).report()
}
