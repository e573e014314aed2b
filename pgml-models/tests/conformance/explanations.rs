//! What features add to a prediction, for models that tell exactly.

use pgml_core::{MatrixRef, Model, Run, Task};

use crate::data;
use crate::subject::{Answers, Finding, Subject};

/// How far rounding may take a sum of contributions: scores of the real XGBoost are sums of 32-bit floats, and each of a
/// hundred trees added to a mean of 20 may lose half of 2⁻²³ of it.
const ROUNDING: f64 = 1e-5;

pub fn contributions_sum_to_the_score(subject: &Subject) -> Finding {
    let data = data::small(subject.task);
    let model = subject.fit(&data)?;
    let Some(explainer) = model.explainer() else { return Ok(()) };
    let rows = data.to_rows();
    let n_outputs = if subject.task == Task::Classification { data.n_classes() } else { model.n_outputs() };
    let typical = vec![0.25; 4];
    for row in rows.chunks(4).take(20) {
        let mut scores = Vec::new();
        for output in 0..n_outputs {
            let mut amounts = vec![0.0; 4];
            let base = explainer.explain_row(row, &typical, output, &mut amounts, &Run::new());
            let base = base.map_err(|e| format!("cannot explain: {e}"))?;
            scores.push(base + amounts.iter().sum::<f64>());
        }
        agrees(subject, &*model, explainer.unit(), row, &scores)?;
    }
    Ok(())
}

/// Whether no feature counts: an L1 penalty of default strength may leave none.
fn predicts_a_constant(model: &dyn Model) -> Result<bool, String> {
    let answers = Answers::of(model, &data::small(Task::Regression).to_rows()).map_err(|e| e.to_string())?;
    Ok(answers.predictions().windows(2).all(|pair| pair[0] == pair[1]))
}

/// The explained scores are those behind the model's answer.
fn agrees(subject: &Subject, model: &dyn Model, unit: &str, row: &[f64], scores: &[f64]) -> Finding {
    let rows = MatrixRef::new(row, row.len()).map_err(|e| e.to_string())?;
    let mut predicted = vec![0.0; model.n_outputs()];
    model.predict_into(rows, &mut predicted).map_err(|e| e.to_string())?;
    let close = |a: f64, b: f64| (a - b).abs() <= ROUNDING * (1.0 + a.abs().max(b.abs()));
    let expected: Vec<f64> = match (subject.task, model.classifier(), unit) {
        (Task::Classification, Some(classifier), "probability" | "log-odds") => {
            let mut proba = vec![0.0; classifier.n_classes()];
            classifier.predict_proba_into(rows, &mut proba).map_err(|e| e.to_string())?;
            let odds = |p: f64| if unit == "log-odds" { (p / (1.0 - p)).ln() } else { p };
            proba.into_iter().map(odds).collect()
        }
        (Task::Classification, ..) => {
            let best = (0..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best });
            let is_predicted = close(scores[best], scores[predicted[0] as usize]);
            return if is_predicted {
                Ok(())
            } else {
                Err(format!("predicts {predicted:?} with the scores {scores:?}"))
            };
        }
        (_, _, "logarithm") => predicted.iter().map(|y| y.ln()).collect(),
        (_, _, "value") => predicted,
        // What a score is made of and how are for the algorithm's own tests.
        (Task::AnomalyDetection, ..) => return Ok(()),
        (_, _, other) => return Err(format!("explains an unknown unit \"{other}\"")),
    };
    match scores.iter().zip(&expected).find(|(a, b)| !close(**a, **b)) {
        Some((ours, score)) => Err(format!("contributions and base sum to {ours}, but the {unit} is {score}")),
        None => Ok(()),
    }
}

pub fn importance_is_shares_and_finds_the_feature_that_counts(subject: &Subject) -> Finding {
    if !subject.task.is_supervised() {
        return Ok(());
    }
    let model = subject.fit(&data::small(subject.task))?;
    let Some(explainer) = model.explainer() else { return Ok(()) };
    if predicts_a_constant(&*model)? {
        return Ok(());
    }
    let shares = explainer.importance(&[1.15; 4]).map_err(|e| e.to_string())?;
    let total: f64 = shares.iter().sum();
    if shares.len() != 4 || shares.iter().any(|share| !(0.0..=1.0).contains(share)) || (total - 1.0).abs() > 1e-9 {
        return Err(format!("{shares:?} are no shares of 1"));
    }
    // Only the first feature has to do with the target.
    if shares[1..].iter().all(|share| *share < shares[0]) { Ok(()) } else { Err(format!("{shares:?}")) }
}
