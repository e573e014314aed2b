//! What a data set may bring beside features and target: weights, categories, a part to watch; and a memory budget.

use pgml_core::{Dataset, ErrorKind, Feature, Run};
use serde_json::Map;

use crate::data;
use crate::determinism::expect_same_parts;
use crate::edges::predicts_well_formed;
use crate::subject::{Answers, Finding, Subject, unless_refused};

/// Weights that are silently ignored would be a wrong answer.
pub fn weights_change_what_is_learnt_or_are_refused(subject: &Subject) -> Finding {
    if !subject.task.is_supervised() {
        return Ok(());
    }
    let plain = data::small(subject.task);
    let weight = plain.features()[0].values.iter().map(|x| if x > 0.0 { 20.0 } else { 0.05 }).collect();
    let weighted = plain.clone().with_weight(weight).expect("positive weights");
    let refusals = [ErrorKind::NotSupported, ErrorKind::InvalidData];
    let Some(model) = unless_refused(subject.try_fit(&weighted), &refusals)? else { return Ok(()) };
    predicts_well_formed(subject, &weighted, &*model)?;
    let rows = plain.to_rows();
    let answers = |model: &dyn pgml_core::Model| Answers::of(model, &rows).map_err(|e| e.to_string());
    let parts = |model: &dyn pgml_core::Model| model.encode().map_err(|e| e.to_string());
    // What knows its rows by heart, as a tree without limits does, says the same of them, but knows what they weigh.
    let unweighted = subject.fit(&plain)?;
    let same = answers(&*model)?.expect_same(&answers(&*unweighted)?).is_ok()
        && expect_same_parts(&parts(&*model)?, &parts(&*unweighted)?).is_ok();
    if same { Err("weights change nothing".to_owned()) } else { Ok(()) }
}

pub fn categories_are_learnt(subject: &Subject) -> Finding {
    let plain = data::small(subject.task);
    let codes: Vec<f64> = plain.features()[0].values.iter().map(|x| (x + 2.0).floor()).collect();
    let category = Feature { categories: Some(4), ..Feature::new("category", codes) };
    let features = [vec![category], plain.features()[1..].to_vec()].concat();
    let data = copy_target(&plain, Dataset::new(features).expect("equal lengths"));
    let model = subject.fit(&data)?;
    predicts_well_formed(subject, &data, &*model)?;
    // Codes that training never saw, among them no codes at all.
    let mut unseen = vec![0.5; 4 * model.n_features()];
    unseen.iter_mut().step_by(model.n_features()).zip([4.0, 1e9, -1.0, 0.5]).for_each(|(cell, code)| *cell = code);
    match unless_refused(Answers::of(&*model, &unseen), &[ErrorKind::InvalidData])? {
        Some(answers) => answers.expect_finite(),
        None => Ok(()),
    }
}

pub fn rows_to_watch_are_not_learnt_from_without_being_asked(subject: &Subject) -> Finding {
    let plain = data::small(subject.task);
    let watched = plain.clone().with_validation(data::synthetic(subject.task, 30, 4));
    let rows = plain.to_rows();
    let answers = |data: &Dataset| Answers::of(&*subject.fit(data)?, &rows).map_err(|e| e.to_string());
    answers(&plain)?.expect_same(&answers(&watched)?)
}

pub fn reserved_memory_is_given_back(subject: &Subject) -> Finding {
    let run = Run::new().with_memory_limit(1 << 30);
    let model = subject.fit_with(&Map::new(), &data::small(subject.task), &run).map_err(|e| e.to_string())?;
    if run.reserved() > 0 {
        return Err(format!("{} bytes stay reserved after the fit", run.reserved()));
    }
    if model.bytes() == 0 { Err("the model says that it takes no memory".to_owned()) } else { Ok(()) }
}

pub fn a_tight_memory_budget_is_an_error_or_enough(subject: &Subject) -> Finding {
    let run = Run::new().with_memory_limit(1 << 10);
    let data = data::synthetic(subject.task, 2_000, 4);
    unless_refused(subject.fit_with(&Map::new(), &data, &run), &[ErrorKind::OutOfMemory])?;
    match run.reserved() {
        0 => Ok(()),
        left => Err(format!("{left} bytes stay reserved after the fit")),
    }
}

fn copy_target(from: &Dataset, to: Dataset) -> Dataset {
    match from.targets().first().cloned() {
        Some(classes) if from.n_classes() > 0 => to.with_classes(classes, from.n_classes()).expect("known classes"),
        Some(target) => to.with_target(target).expect("as many rows"),
        None => to,
    }
}
