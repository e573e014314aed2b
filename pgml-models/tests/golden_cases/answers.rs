//! Compares all that a model answers with what the reference answers.

use pgml_core::{MatrixRef, Model, Run};

use super::{Case, assert_close, cases, every, numbers, predictions, probabilities, sample};

/// Fits each case of `tests/golden/{file}.json` that `filter` keeps, stores and reads it, and compares predictions and,
/// where the reference has them, `probabilities`, `components` and `scores` of anomalies, to `relative`. Where a case has
/// `decided`, only the rows that it marks count.
pub fn agree(file: &str, relative: f64, filter: impl Fn(&Case) -> bool) {
    every(cases(file).into_iter().filter(filter), |case| compare(case, relative));
}

fn compare(case: &Case, relative: f64) {
    let algorithm = pgml_models::algorithm(&case.algorithm).expect("registered");
    let run = Run::new().with_seed(1);
    let fitted =
        algorithm.fit(&case.params, &case.data, case.task, &run).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let model = algorithm.decode(&fitted.encode().expect("encodes")).expect("decodes");
    let model = model.as_ref();
    for (what, reference) in &case.expected {
        let (ours, floor) = match what.as_str() {
            "predictions" => (predictions(model, &case.data), 1e-3),
            "probabilities" => (probabilities(model, &case.data), 1.0),
            "components" => (components(model, case), 1.0),
            "scores" => (scores(model, case), 1.0),
            _ => continue,
        };
        let (ours, reference) = decided(case, &ours, &numbers(reference));
        assert_close(&format!("{}: {what}", case.name), &ours, &reference, relative, floor);
    }
}

fn components(model: &dyn Model, case: &Case) -> Vec<f64> {
    let rows = sample(&case.data);
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let transformer = model.transformer().expect("has components");
    let mut out = vec![0.0; rows.n_rows() * transformer.n_components()];
    transformer.transform_into(rows, &mut out).expect("transforms");
    out
}

fn scores(model: &dyn Model, case: &Case) -> Vec<f64> {
    let rows = sample(&case.data);
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows()];
    model.anomaly_detector().expect("scores anomalies").anomaly_score_into(rows, &mut out).expect("scores");
    out
}

/// The values of the rows that count.
fn decided(case: &Case, ours: &[f64], reference: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let Some(marks) = case.expected.get("decided") else { return (ours.to_vec(), reference.to_vec()) };
    let marks: Vec<bool> = marks.as_array().expect("a list").iter().map(|mark| mark == true).collect();
    let width = reference.len() / marks.len();
    let keep = |values: &[f64]| {
        let rows = values.chunks_exact(width).zip(&marks);
        rows.filter(|(_, mark)| **mark).flat_map(|(row, _)| row.iter().copied()).collect::<Vec<_>>()
    };
    (keep(ours), keep(reference))
}
