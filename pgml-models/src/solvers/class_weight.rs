//! The parameter `class_weight` of scikit-learn's classifiers.

use pgml_core::{Dataset, Result, bail};
use serde_json::Value;

/// One factor per class: `null` is 1 for all; `"balanced"` makes all classes weigh the same in sum; an object such as
/// `{"0": 1, "2": 5}` or an array names factors by position among the sorted labels.
///
/// # Errors
/// [`InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) for anything else.
pub fn factors(param: &Value, classes: &[f64], n_classes: usize, weight: Option<&[f64]>) -> Result<Vec<f64>> {
    match param {
        Value::Null => Ok(vec![1.0; n_classes]),
        Value::String(text) if text == "balanced" => Ok(balanced(classes, n_classes, weight)),
        Value::Array(list) if list.len() == n_classes => list.iter().map(factor).collect(),
        Value::Object(map) => {
            let mut factors = vec![1.0; n_classes];
            for (key, value) in map {
                match key.parse::<usize>().ok().filter(|class| *class < n_classes) {
                    Some(class) => factors[class] = factor(value)?,
                    None => bail!(
                        InvalidParameter,
                        "class_weight names class \"{key}\", but classes are the positions 0..{n_classes} among the \
                         sorted labels"
                    ),
                }
            }
            Ok(factors)
        }
        other => bail!(
            InvalidParameter,
            "hyperparameter \"class_weight\" is {other}, but must be null, \"balanced\", an object from class to \
             weight, or an array of {n_classes} weights"
        ),
    }
}

/// The weight of each row times the factor of its class, as [`factors`] reads it; `None` when all are 1.
///
/// # Errors
/// As [`factors`], and when the data have no target.
pub fn times_rows(param: &Value, data: &Dataset, weight: Option<&[f64]>) -> Result<Option<Vec<f64>>> {
    if param.is_null() {
        return Ok(weight.map(<[f64]>::to_vec));
    }
    let classes = data.target()?;
    let factors = factors(param, classes, data.n_classes(), weight)?;
    let of_row = |row: usize| weight.map_or(1.0, |weight| weight[row]);
    Ok(Some(classes.iter().enumerate().map(|(row, class)| of_row(row) * factors[*class as usize]).collect()))
}

fn factor(value: &Value) -> Result<f64> {
    match value.as_f64().filter(|w| w.is_finite() && *w >= 0.0) {
        Some(weight) => Ok(weight),
        None => bail!(InvalidParameter, "class_weight has {value} where a number of at least 0 belongs"),
    }
}

/// The factor that makes classes weigh the same in sum: `Σ weight / (classes seen · Σ weight of the class)`.
#[must_use]
pub fn balanced(classes: &[f64], n_classes: usize, weight: Option<&[f64]>) -> Vec<f64> {
    let mut totals = vec![0.0; n_classes];
    for (row, class) in classes.iter().enumerate() {
        totals[*class as usize] += weight.map_or(1.0, |w| w[row]);
    }
    let seen = totals.iter().filter(|t| **t > 0.0).count() as f64;
    let all: f64 = totals.iter().sum();
    totals.iter().map(|t| if *t > 0.0 { all / (seen * t) } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn balanced_classes_weigh_the_same_in_sum() {
        let classes = [0.0, 0.0, 0.0, 1.0];
        assert_eq!(factors(&json!("balanced"), &classes, 2, None), Ok(vec![4.0 / 6.0, 2.0]));
        assert_eq!(factors(&json!({"1": 3}), &classes, 2, None), Ok(vec![1.0, 3.0]));
        assert_eq!(factors(&json!([1, 2]), &classes, 2, None), Ok(vec![1.0, 2.0]));
    }

    #[test]
    fn what_is_no_class_weight_is_refused() {
        for bad in [json!("unbalanced"), json!({"2": 1}), json!({"0": -1}), json!([1]), json!(3)] {
            assert!(factors(&bad, &[0.0, 1.0], 2, None).is_err(), "{bad}");
        }
    }
}
