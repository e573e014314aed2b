//! The parameter `priors` of classifiers that weigh how frequent classes are.

use pgml_core::{Result, bail};
use serde_json::Value;

use crate::linear_model::Classes;

/// How probable each class that was seen is, in sum 1. `null` and `"empirical"` take the shares of the training rows,
/// `"uniform"` makes all the same; an array has one number per class, seen or not.
///
/// # Errors
/// [`InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) for anything else.
pub fn priors(param: &Value, target: &[f64], classes: &Classes) -> Result<Vec<f64>> {
    let numbers = |list: &[Value]| list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    let all = match param {
        Value::Null => counts(target, classes.n_classes),
        Value::String(text) if text == "empirical" => counts(target, classes.n_classes),
        Value::String(text) if text == "uniform" => vec![1.0; classes.n_classes],
        Value::Array(list) if list.len() == classes.n_classes => match numbers(list) {
            Some(numbers) if numbers.iter().all(|p| p.is_finite() && *p >= 0.0) => numbers,
            _ => bail!(InvalidParameter, "priors are {param}, but must be numbers of at least 0"),
        },
        other => bail!(
            InvalidParameter,
            "hyperparameter \"priors\" is {other}, but must be null, \"empirical\", \"uniform\" or an array of {} \
             numbers, one per class by its position among the sorted labels",
            classes.n_classes
        ),
    };
    let seen: Vec<f64> = classes.seen.iter().map(|class| all[*class as usize]).collect();
    let total: f64 = seen.iter().sum();
    if total <= 0.0 {
        bail!(InvalidParameter, "priors make every class of the training rows impossible");
    }
    Ok(seen.iter().map(|p| p / total).collect())
}

fn counts(target: &[f64], n_classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; n_classes];
    target.iter().for_each(|class| counts[*class as usize] += 1.0);
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn priors_of_classes_without_rows_are_shared_out() {
        let target = [0.0, 2.0, 2.0, 2.0];
        let classes = Classes::seen_in(&target, 3).expect("two classes");
        assert_eq!(priors(&json!(null), &target, &classes), Ok(vec![0.25, 0.75]));
        assert_eq!(priors(&json!("uniform"), &target, &classes), Ok(vec![0.5, 0.5]));
        assert_eq!(priors(&json!([0.3, 0.4, 0.3]), &target, &classes), Ok(vec![0.5, 0.5]));
        for bad in [json!("equal"), json!([1, 2]), json!([0, 1, 0]), json!([1, -1, 1]), json!(["a", 1, 1])] {
            assert!(priors(&bad, &target, &classes).is_err(), "{bad}");
        }
    }
}
