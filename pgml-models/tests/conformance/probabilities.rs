//! Probabilities are such, and the prediction is the most probable class.

use pgml_core::Task;

use crate::data;
use crate::subject::{Answers, Finding, Subject};

pub fn probabilities_lie_in_range_and_sum_to_one(subject: &Subject) -> Finding {
    for (n_classes, proba, _) in answers(subject)? {
        for (row, proba) in proba.chunks(n_classes).enumerate() {
            if let Some(bad) = proba.iter().find(|p| !(0.0..=1.0).contains(*p)) {
                return Err(format!("{n_classes} classes: probability {bad} in row {row}"));
            }
            let sum: f64 = proba.iter().sum();
            if (sum - 1.0).abs() > tolerance(proba) {
                return Err(format!("{n_classes} classes: row {row} sums to {sum}"));
            }
        }
    }
    Ok(())
}

/// 1e-9; a library that computes in single precision, whose very numbers are passed on, cannot sum better than that.
fn tolerance(proba: &[f64]) -> f64 {
    let single = proba.iter().all(|p| f64::from(*p as f32) == *p);
    if single { proba.len() as f64 * f64::from(f32::EPSILON) } else { 1e-9 }
}

pub fn the_most_probable_class_is_predicted(subject: &Subject) -> Finding {
    for (n_classes, proba, predictions) in answers(subject)? {
        for (row, (proba, class)) in proba.chunks(n_classes).zip(&predictions).enumerate() {
            let most = proba.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if proba[*class as usize] < most {
                return Err(format!("{n_classes} classes: row {row} is given class {class} of {proba:?}"));
            }
        }
    }
    Ok(())
}

/// Number of classes, probabilities, predictions.
type Answered = (usize, Vec<f64>, Vec<f64>);

/// The answers for iris (three classes) and breast cancer (two), on rows to learn
/// from and others; nothing for models without probabilities.
fn answers(subject: &Subject) -> Result<Vec<Answered>, String> {
    let mut all = Vec::new();
    if subject.task != Task::Classification {
        return Ok(all);
    }
    for set in ["iris", "breast_cancer"] {
        let data::Split { train, test } = data::built_in(set, subject.task);
        let model = subject.fit(&train)?;
        let Some(classifier) = model.classifier() else { continue };
        if classifier.n_classes() != train.n_classes() {
            return Err(format!("{} classes after learning {}", classifier.n_classes(), train.n_classes()));
        }
        let rows = [train.to_rows(), test.to_rows()].concat();
        let answers = Answers::of(&*model, &rows).map_err(|e| format!("cannot predict: {e}"))?;
        all.push((train.n_classes(), answers.parts[1].1.clone(), answers.predictions().to_vec()));
    }
    Ok(all)
}
