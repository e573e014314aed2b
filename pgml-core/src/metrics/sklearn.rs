//! What the SQL functions `pgml.sklearn_*` return, as scikit-learn computes it from arrays of `real`.

use super::confusion::distinct;
use super::{Average, ConfusionMatrix, mean_absolute_error, mean_squared_error, r2, roc_auc};
use crate::{Error, ErrorKind, Result, bail};

/// The F1 score of label 1 among two labels.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when more than two labels occur, two that do not include 1, an array is empty or a value
/// is no whole number; [`ErrorKind::WrongDimension`] when the lengths differ.
pub fn f1_score(ground_truth: &[f32], y_hat: &[f32]) -> Result<f64> {
    let (y, yhat) = labels(ground_truth, y_hat)?;
    let matrix = ConfusionMatrix::new(&y, &yhat);
    if matrix.labels().len() > 2 {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("the binary f1 score takes two labels, but {} occur", matrix.labels().len()),
        )
        .with_hint("pgml.sklearn_classification_metrics gives the macro average for more labels"));
    }
    Ok(matrix.f1(binary(&matrix)?))
}

/// The coefficient of determination; NaN below two rows.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when the arrays are empty or hold NaN or infinity; [`ErrorKind::WrongDimension`] when
/// the lengths differ.
pub fn r2_score(ground_truth: &[f32], y_hat: &[f32]) -> Result<f64> {
    let (y, yhat) = numbers(ground_truth, y_hat)?;
    Ok(r2(&y, &yhat))
}

/// `r2`, `mse` and `mae`.
///
/// # Errors
/// As [`r2_score`].
pub fn regression_metrics(ground_truth: &[f32], y_hat: &[f32]) -> Result<Vec<(&'static str, f64)>> {
    let (y, yhat) = numbers(ground_truth, y_hat)?;
    Ok(vec![("r2", r2(&y, &yhat)), ("mse", mean_squared_error(&y, &yhat)), ("mae", mean_absolute_error(&y, &yhat))])
}

/// `f1`, `f1_micro`, `precision`, `recall`, `accuracy`, `mcc`, and `roc_auc` when `n_classes` is 2.
///
/// When more than two distinct labels occur, `f1`, `precision` and `recall` are the plain mean over them; else they
/// are those of label 1.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when two labels occur that do not include 1, `n_classes` is 2 and more than two labels
/// occur in the ground truth, an array is empty or a value is no whole number; [`ErrorKind::WrongDimension`] when the
/// lengths differ.
pub fn classification_metrics(ground_truth: &[f32], y_hat: &[f32], n_classes: i64) -> Result<Vec<(&'static str, f64)>> {
    let (y, yhat) = labels(ground_truth, y_hat)?;
    let matrix = ConfusionMatrix::new(&y, &yhat);
    let average = if matrix.labels().len() > 2 { Average::Macro } else { binary(&matrix)? };
    let mut metrics = vec![
        ("f1", matrix.f1(average)),
        ("f1_micro", matrix.f1(Average::Micro)),
        ("precision", matrix.precision(average)),
        ("recall", matrix.recall(average)),
        ("accuracy", matrix.accuracy()),
        ("mcc", matrix.mcc()),
    ];
    if n_classes == 2 {
        metrics.push(("roc_auc", roc_auc_of_labels(&y, &yhat)?));
    }
    Ok(metrics)
}

/// The greater of the two true labels is the positive one.
fn roc_auc_of_labels(y: &[f64], yhat: &[f64]) -> Result<f64> {
    match distinct(y.iter().copied()).as_slice() {
        [] | [_] => Ok(f64::NAN),
        [_, positive] => Ok(roc_auc(y, yhat, *positive)),
        more => bail!(InvalidData, "roc_auc of 2 classes takes two labels, but the ground truth has {}", more.len()),
    }
}

/// Label 1 counts, unless two others occur: then nothing says which of them is meant.
fn binary(matrix: &ConfusionMatrix) -> Result<Average> {
    match matrix.labels() {
        [a, b] if *a != 1.0 && *b != 1.0 => {
            bail!(InvalidData, "label 1 is the positive one, but the labels are {a} and {b}")
        }
        _ => Ok(Average::Binary(1.0)),
    }
}

fn labels(ground_truth: &[f32], y_hat: &[f32]) -> Result<(Vec<f64>, Vec<f64>)> {
    let (y, yhat) = numbers(ground_truth, y_hat)?;
    if let Some(bad) = y.iter().chain(&yhat).find(|label| label.fract() != 0.0) {
        bail!(InvalidData, "label {bad} is no whole number");
    }
    Ok((y, yhat))
}

fn numbers(ground_truth: &[f32], y_hat: &[f32]) -> Result<(Vec<f64>, Vec<f64>)> {
    if ground_truth.len() != y_hat.len() {
        bail!(WrongDimension, "ground_truth has {} values, y_hat {}", ground_truth.len(), y_hat.len());
    }
    if ground_truth.is_empty() {
        bail!(InvalidData, "ground_truth and y_hat are empty");
    }
    for (name, values) in [("ground_truth", ground_truth), ("y_hat", y_hat)] {
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            bail!(InvalidData, "{name} holds {bad}, which is no finite number");
        }
    }
    let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect();
    Ok((wide(ground_truth), wide(y_hat)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_or_empty_arrays_are_refused_with_their_lengths() {
        let error = r2_score(&[1.0, 2.0], &[1.0]).expect_err("two and one");
        assert_eq!((error.kind(), error.message()), (ErrorKind::WrongDimension, "ground_truth has 2 values, y_hat 1"));
        for kind in [r2_score(&[], &[]), f1_score(&[], &[]), f1_score(&[f32::NAN], &[1.0]), f1_score(&[0.5], &[1.0])]
            .map(|result| result.expect_err("no labels").kind())
        {
            assert_eq!(kind, ErrorKind::InvalidData);
        }
    }

    #[test]
    fn the_binary_f1_score_refuses_three_labels_and_two_without_label_one() {
        let error = f1_score(&[0.0, 1.0, 2.0], &[0.0, 1.0, 1.0]).expect_err("three labels");
        assert!(error.message().contains("but 3 occur"), "{error}");
        assert!(f1_score(&[2.0, 3.0], &[2.0, 3.0]).is_err());
        assert_eq!(f1_score(&[1.0, 2.0], &[1.0, 1.0]), Ok(2.0 / 3.0));
    }

    #[test]
    fn roc_auc_is_there_for_two_classes_alone() {
        let keys = |n| -> Vec<&str> {
            let metrics = classification_metrics(&[0.0, 1.0], &[0.0, 1.0], n).expect("two labels");
            metrics.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(keys(2), ["f1", "f1_micro", "precision", "recall", "accuracy", "mcc", "roc_auc"]);
        assert!(!keys(3).contains(&"roc_auc"));
    }
}
