//! Rows of the wrong width and outputs of the wrong length are refused, not read past.

use pgml_core::{Error, ErrorKind, MatrixRef, Task};

use crate::data;
use crate::subject::{Finding, Subject};

pub fn rows_of_another_width_are_refused(subject: &Subject) -> Finding {
    let model = subject.fit(&data::small(subject.task))?;
    for width in [model.n_features() - 1, model.n_features() + 1] {
        let values = vec![0.5; 2 * width];
        let rows = MatrixRef::new(&values, width).map_err(|e| e.to_string())?;
        let mut out = vec![0.0; 2 * model.n_outputs()];
        expect_wrong_dimension(model.predict_into(rows, &mut out), &format!("predicting {width} features"))?;
        if let Some(classifier) = model.classifier() {
            let mut out = vec![0.0; 2 * classifier.n_classes()];
            let result = classifier.predict_proba_into(rows, &mut out);
            expect_wrong_dimension(result, &format!("probabilities of {width} features"))?;
        }
        if let Some(transformer) = model.transformer() {
            let mut out = vec![0.0; 2 * transformer.n_components()];
            let result = transformer.transform_into(rows, &mut out);
            expect_wrong_dimension(result, &format!("components of {width} features"))?;
        }
        if let Some(detector) = model.anomaly_detector() {
            let result = detector.anomaly_score_into(rows, &mut [0.0; 2]);
            expect_wrong_dimension(result, &format!("anomaly scores of {width} features"))?;
        }
    }
    Ok(())
}

pub fn outputs_of_another_length_are_refused(subject: &Subject) -> Finding {
    let model = subject.fit(&data::small(subject.task))?;
    let values = vec![0.5; 2 * model.n_features()];
    let rows = MatrixRef::new(&values, model.n_features()).map_err(|e| e.to_string())?;
    for off in [-1_isize, 1] {
        let wrong = |right: usize| vec![0.0; right.saturating_add_signed(off)];
        let result = model.predict_into(rows, &mut wrong(2 * model.n_outputs()));
        expect_wrong_dimension(result, "predicting into the wrong length")?;
        if let Some(classifier) = model.classifier() {
            let result = classifier.predict_proba_into(rows, &mut wrong(2 * classifier.n_classes()));
            expect_wrong_dimension(result, "probabilities into the wrong length")?;
        }
        if let Some(transformer) = model.transformer() {
            let result = transformer.transform_into(rows, &mut wrong(2 * transformer.n_components()));
            expect_wrong_dimension(result, "components into the wrong length")?;
        }
        if let Some(detector) = model.anomaly_detector() {
            let result = detector.anomaly_score_into(rows, &mut wrong(2));
            expect_wrong_dimension(result, "anomaly scores into the wrong length")?;
        }
    }
    Ok(())
}

pub fn tasks_that_are_not_listed_are_refused(subject: &Subject) -> Finding {
    for task in Task::ALL.iter().filter(|task| !subject.algorithm.tasks().contains(task)) {
        let other = Subject { task: *task, ..*subject };
        match other.try_fit(&data::small(subject.task)) {
            Err(error) if error.kind() == ErrorKind::NotSupported => {}
            Err(error) => return Err(format!("{task} is refused as {:?}: {error}", error.kind())),
            Ok(_) => return Err(format!("fits {task}, which it does not list")),
        }
    }
    Ok(())
}

fn expect_wrong_dimension(result: Result<(), Error>, what: &str) -> Finding {
    match result {
        Err(error) if error.kind() == ErrorKind::WrongDimension => Ok(()),
        Err(error) => Err(format!("{what}: error of kind {:?}: {error}", error.kind())),
        Ok(()) => Err(format!("{what} is accepted")),
    }
}
