//! How well a fitted model does on rows that it has not seen.

use crate::metrics::silhouette::SAMPLE_ROWS;
use crate::{Dataset, MatrixRef, Model, Result, Run, Task, metrics};

/// How many rows are predicted between two looks at the run.
const BLOCK: usize = 4096;

/// Metric names and values, in the order in which they are reported. NaN where the rows do not define one.
pub type Metrics = Vec<(&'static str, f64)>;

/// Rows with their true answers.
#[derive(Debug)]
pub struct HeldOut {
    /// The features, as the model sees them.
    pub rows: Dataset,
    /// The true values, one column per target; class positions for classification.
    pub targets: Vec<Vec<f64>>,
    /// How many classes there are, those that the training rows miss included; 0 when the target is no class.
    pub n_classes: usize,
}

/// The metrics of `task` that `model` reaches on `held_out`, with scikit-learn's definitions. Rows count equally.
///
/// # Errors
/// When the model refuses the rows, or the run is cancelled.
pub fn score(model: &dyn Model, held_out: &HeldOut, task: Task, run: &Run) -> Result<Metrics> {
    match task {
        Task::Regression => {
            let predictions = predictions(model, &held_out.rows, run)?;
            let targets: Vec<&[f64]> = held_out.targets.iter().map(Vec::as_slice).collect();
            Ok(metrics::regression(&targets, &predictions))
        }
        Task::Classification => classification(model, held_out, run),
        Task::AnomalyDetection => Ok(vec![("anomaly_share", anomaly_share(model, &held_out.rows, run)?)]),
        Task::Clustering => Ok(vec![("silhouette", silhouette(model, &held_out.rows, run)?)]),
        _ => Ok(model.own_metrics()),
    }
}

fn classification(model: &dyn Model, held_out: &HeldOut, run: &Run) -> Result<Metrics> {
    let y = held_out.targets.first().map_or(&[][..], Vec::as_slice);
    let classes = predictions(model, &held_out.rows, run)?;
    // A class that the model does not know has no probability to be judged by.
    let classifier = model.classifier().filter(|c| c.n_classes() == held_out.n_classes);
    let proba = classifier
        .map(|c| in_blocks(&held_out.rows, c.n_classes(), run, |rows, out| c.predict_proba_into(rows, out)))
        .transpose()?;
    let mut metrics = metrics::classification(y, &classes, proba.as_deref(), held_out.n_classes);
    if y.is_empty() {
        // scikit-learn's zeros of no rows would pass for a bad model's.
        metrics.iter_mut().for_each(|(_, value)| *value = f64::NAN);
    }
    Ok(metrics)
}

/// The share of rows that are anomalies.
fn anomaly_share(model: &dyn Model, rows: &Dataset, run: &Run) -> Result<f64> {
    let signs = predictions(model, rows, run)?;
    Ok(signs.iter().filter(|sign| **sign < 0.0).count() as f64 / signs.len() as f64)
}

fn silhouette(model: &dyn Model, rows: &Dataset, run: &Run) -> Result<f64> {
    // The metric would draw a sample of this size; rows stand in an order of chance already.
    let mut sample = Vec::new();
    rows.rows_into(0..rows.n_rows().min(SAMPLE_ROWS), &mut sample);
    let sample = MatrixRef::new(&sample, rows.n_features())?;
    let mut clusters = vec![0.0; sample.n_rows()];
    model.predict_into(sample, &mut clusters)?;
    metrics::silhouette(sample, &clusters, run)
}

fn predictions(model: &dyn Model, rows: &Dataset, run: &Run) -> Result<Vec<f64>> {
    in_blocks(rows, model.n_outputs(), run, |rows, out| model.predict_into(rows, out))
}

/// What `each` writes for all rows, block by block.
fn in_blocks(
    data: &Dataset,
    per_row: usize,
    run: &Run,
    each: impl Fn(MatrixRef<'_>, &mut [f64]) -> Result<()>,
) -> Result<Vec<f64>> {
    let n_values = data.n_rows() * per_row;
    let _memory = run.reserve(8 * n_values as u64, "predicting the held-out rows")?;
    let mut out = vec![0.0; n_values];
    let mut block = Vec::new();
    for (index, out) in out.chunks_mut((BLOCK * per_row).max(1)).enumerate() {
        run.check()?;
        let start = index * BLOCK;
        data.rows_into(start..data.n_rows().min(start + BLOCK), &mut block);
        each(MatrixRef::new(&block, data.n_features())?, out)?;
    }
    Ok(out)
}
