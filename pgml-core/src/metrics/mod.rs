//! How good a model is, with scikit-learn's definitions: what `pgml.models.metrics` holds.
//!
//! Every metric has one small function in the file of its name; [`regression`], [`classification`] and [`silhouette()`]
//! gather what a task reports. A metric that the data do not define is NaN, which becomes NULL in SQL: a test set that
//! misses a class never makes a training fail.

pub mod calibration;
pub mod confusion;
pub mod log_loss;
pub mod residuals;
pub mod roc;
pub mod silhouette;
pub mod sklearn;

pub use calibration::calibration_curve;
pub use confusion::{Average, ConfusionMatrix};
pub use log_loss::log_loss;
pub use residuals::{mean_absolute_error, mean_squared_error, r2};
pub use roc::{roc_auc, roc_auc_one_vs_rest, roc_curve};
pub use silhouette::silhouette;

/// The metrics of regression, each the plain mean over the `k` targets: `r2`, `mean_absolute_error`,
/// `mean_squared_error`.
///
/// `targets` holds `k` columns of `n` values, `predictions` is `n × k` in row-major order. Without rows or targets
/// everything is NaN; `r2` needs two rows.
///
/// # Panics
/// When the lengths do not agree: that is the caller's defect, not the data's.
#[must_use]
pub fn regression(targets: &[&[f64]], predictions: &[f64]) -> Vec<(&'static str, f64)> {
    let k = targets.len();
    let n: usize = targets.iter().map(|target| target.len()).sum();
    assert_eq!(n, predictions.len(), "every target value has its prediction");
    let mut sums = [0.0; 3];
    for (output, target) in targets.iter().enumerate() {
        let predicted: Vec<f64> = predictions.iter().skip(output).step_by(k).copied().collect();
        sums[0] += r2(target, &predicted);
        sums[1] += mean_absolute_error(target, &predicted);
        sums[2] += mean_squared_error(target, &predicted);
    }
    let names = ["r2", "mean_absolute_error", "mean_squared_error"];
    names.into_iter().zip(sums).map(|(name, sum)| (name, sum / k as f64)).collect()
}

/// The metrics of classification: `roc_auc`, `log_loss`, `f1`, `precision`, `recall`, `accuracy`, `mcc`.
///
/// `y` and `yhat` hold class indices `0..n_classes`, `proba` is `n × n_classes` in row-major order. With two classes
/// `f1`, `precision` and `recall` are those of class 1; else they are the plain mean over the classes that occur in
/// `y` or `yhat`, 0 where one is undefined. `log_loss` needs probabilities and is left out without them. `roc_auc` is
/// the mean of one class against the rest; two classes have it without probabilities too, from the predicted classes.
/// It is NaN when `y` misses a class.
///
/// # Panics
/// When the lengths do not agree: that is the caller's defect, not the data's.
#[must_use]
pub fn classification(y: &[f64], yhat: &[f64], proba: Option<&[f64]>, n_classes: usize) -> Vec<(&'static str, f64)> {
    let mut metrics = Vec::with_capacity(7);
    match proba {
        Some(proba) => {
            metrics.push(("roc_auc", roc_auc_one_vs_rest(y, proba, n_classes)));
            metrics.push(("log_loss", log_loss(y, proba, n_classes)));
        }
        None if n_classes == 2 => metrics.push(("roc_auc", roc_auc(y, yhat, 1.0))),
        None => {}
    }
    let matrix = ConfusionMatrix::new(y, yhat);
    let average = if n_classes == 2 { Average::Binary(1.0) } else { Average::Macro };
    metrics.push(("f1", matrix.f1(average)));
    metrics.push(("precision", matrix.precision(average)));
    metrics.push(("recall", matrix.recall(average)));
    metrics.push(("accuracy", matrix.accuracy()));
    metrics.push(("mcc", matrix.mcc()));
    metrics
}
