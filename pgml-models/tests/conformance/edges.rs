//! Data at the edge of what can be learnt from: it works, or is refused with a reason, and never panics.

use pgml_core::{Dataset, ErrorKind, Task};

use crate::data;
use crate::subject::{Answers, Finding, Subject, unless_refused};

const REFUSALS: &[ErrorKind] = &[ErrorKind::InvalidData, ErrorKind::InvalidParameter, ErrorKind::NotSupported];

pub fn one_row_is_learnt_or_refused(subject: &Subject) -> Finding {
    works_or_refuses(subject, &data::synthetic(subject.task, 1, 3))
}

pub fn two_rows_are_learnt_or_refused(subject: &Subject) -> Finding {
    works_or_refuses(subject, &data::synthetic(subject.task, 2, 3))
}

pub fn one_feature_is_enough(subject: &Subject) -> Finding {
    works(subject, &data::synthetic(subject.task, 60, 1))
}

pub fn more_features_than_rows_are_learnt(subject: &Subject) -> Finding {
    works(subject, &data::synthetic(subject.task, 20, 50))
}

pub fn a_constant_column_does_no_harm(subject: &Subject) -> Finding {
    let mut rows = data::small(subject.task).to_rows();
    rows.iter_mut().skip(1).step_by(4).for_each(|cell| *cell = 5.0);
    works(subject, &data::with_target(subject.task, &rows, 4, |row, _| row[0] * 3.0))
}

pub fn nothing_but_constant_columns_is_learnt_or_refused(subject: &Subject) -> Finding {
    works_or_refuses(subject, &data::with_target(subject.task, &[5.0; 60], 2, |_, i| i as f64 - 15.0))
}

pub fn columns_that_repeat_each_other_do_no_harm(subject: &Subject) -> Finding {
    let one = data::synthetic(subject.task, 60, 1).to_rows();
    let rows: Vec<f64> = one.iter().flat_map(|x| [*x, 2.0 * x, *x]).collect();
    works(subject, &data::with_target(subject.task, &rows, 3, |row, _| row[0] * 3.0))
}

pub fn a_constant_target_is_learnt_or_refused(subject: &Subject) -> Finding {
    let rows = data::small(subject.task).to_rows();
    let data = Dataset::from_rows(&rows, 4).expect("whole rows");
    let n_rows = data.n_rows();
    let data = match subject.task {
        Task::Regression => data.with_target(vec![3.5; n_rows]),
        Task::Classification => data.with_classes(vec![0.0; n_rows], 1),
        _ => return Ok(()),
    };
    works_or_refuses(subject, &data.expect("one target per row"))
}

pub fn a_class_without_rows_is_never_sure(subject: &Subject) -> Finding {
    if subject.task != Task::Classification {
        return Ok(());
    }
    let rows = data::small(subject.task).to_rows();
    let classes = rows.chunks(4).map(|row| if row[0] > 0.0 { 2.0 } else { 0.0 }).collect();
    let data = Dataset::from_rows(&rows, 4).and_then(|d| d.with_classes(classes, 4)).expect("of four classes");
    works_or_refuses(subject, &data)
}

pub fn two_targets_are_learnt_jointly_or_refused(subject: &Subject) -> Finding {
    if subject.task != Task::Regression {
        return Ok(());
    }
    let data = data::small(subject.task);
    let second = data.target().map(|y| y.iter().map(|y| 1.0 - y).collect()).expect("a target");
    works_or_refuses(subject, &data.with_target(second).expect("as many rows"))
}

pub fn missing_and_infinite_values_work_or_are_refused_in_training(subject: &Subject) -> Finding {
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut rows = data::small(subject.task).to_rows();
        rows.iter_mut().skip(2).step_by(13).for_each(|cell| *cell = strange);
        let noise = |i: usize| f64::from(i as u32 % 7) - 3.0;
        let data = data::with_target(subject.task, &rows, 4, |_, i| noise(i));
        works_or_refuses(subject, &data).map_err(|e| format!("{strange} in training: {e}"))?;
    }
    Ok(())
}

pub fn missing_and_infinite_values_work_or_are_refused_in_prediction(subject: &Subject) -> Finding {
    let model = subject.fit(&data::small(subject.task))?;
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for position in 0..model.n_features() {
            let mut rows = vec![0.25; 3 * model.n_features()];
            rows[model.n_features() + position] = strange;
            let answers = unless_refused(Answers::of(&*model, &rows), &[ErrorKind::InvalidData])
                .map_err(|e| format!("{strange} in prediction: {e}"))?;
            let is_nan = |a: Answers| a.parts.iter().any(|(_, values)| values.iter().any(|v| v.is_nan()));
            if answers.is_some_and(is_nan) {
                return Err(format!("{strange} in feature {position} is answered by NaN"));
            }
        }
    }
    Ok(())
}

pub fn huge_and_tiny_numbers_work_or_are_refused(subject: &Subject) -> Finding {
    for scale in [1e-30, 1e30] {
        let rows: Vec<f64> = data::small(subject.task).to_rows().iter().map(|x| x * scale).collect();
        let data = data::with_target(subject.task, &rows, 4, |row, _| row[0] / scale * 3.0);
        works_or_refuses(subject, &data).map_err(|e| format!("numbers of {scale:e}: {e}"))?;
    }
    Ok(())
}

fn works(subject: &Subject, data: &Dataset) -> Finding {
    let model = subject.fit(data)?;
    predicts_well_formed(subject, data, &*model)
}

fn works_or_refuses(subject: &Subject, data: &Dataset) -> Finding {
    match unless_refused(subject.try_fit(data), REFUSALS)? {
        Some(model) => predicts_well_formed(subject, data, &*model),
        None => Ok(()),
    }
}

/// Finite numbers; classes that there are; whole cluster numbers. Rows with missing values may be refused.
pub fn predicts_well_formed(subject: &Subject, data: &Dataset, model: &dyn pgml_core::Model) -> Finding {
    if model.n_features() != data.n_features() {
        return Err(format!("takes {} features after learning {}", model.n_features(), data.n_features()));
    }
    let Some(answers) = unless_refused(Answers::of(model, &data.to_rows()), &[ErrorKind::InvalidData])? else {
        return if data.require_finite().is_err() { Ok(()) } else { Err("refuses what it learnt".to_owned()) };
    };
    answers.expect_finite()?;
    let numbers = match subject.task {
        Task::Classification => 0..data.n_classes() as i64,
        // A row that belongs to no cluster is in cluster −1.
        Task::Clustering => -1..data.n_rows() as i64,
        Task::AnomalyDetection => return anomalies_score_above_zero(&answers),
        _ => return Ok(()),
    };
    match answers.predictions().iter().find(|p| p.fract() != 0.0 || !numbers.contains(&(**p as i64))) {
        Some(bad) => Err(format!("predicts {bad}, which is no whole number in {numbers:?}")),
        None => Ok(()),
    }
}

fn anomalies_score_above_zero(answers: &Answers) -> Finding {
    let Some((_, scores)) = answers.parts.iter().find(|(what, _)| *what == "anomaly score") else {
        return Err("has no anomaly scores".to_owned());
    };
    let agree = |(sign, score): (&f64, &f64)| *sign == if *score > 0.0 { -1.0 } else { 1.0 };
    match answers.predictions().iter().zip(scores).find(|pair| !agree(*pair)) {
        Some((sign, score)) => Err(format!("predicts {sign} where the anomaly score is {score}")),
        None => Ok(()),
    }
}
