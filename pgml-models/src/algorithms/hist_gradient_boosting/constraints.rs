//! Parameters that name features: which are categories, which predictions rise or fall with, and which may meet.

use pgml_core::{Dataset, Result, bail};
use serde_json::Value;

/// Whether each feature is a category.
pub(super) fn categorical(given: &Value, data: &Dataset) -> Result<Vec<bool>> {
    let n = data.n_features();
    match given {
        Value::Null => Ok(vec![false; n]),
        Value::String(text) if text == "from_dtype" => {
            Ok(data.features().iter().map(|feature| feature.categories.is_some()).collect())
        }
        Value::Array(flags) if flags.len() == n && flags.iter().all(Value::is_boolean) => {
            Ok(flags.iter().map(|flag| flag == &Value::Bool(true)).collect())
        }
        Value::Array(list) => {
            let mut is_categorical = vec![false; n];
            for feature in list {
                is_categorical[position("categorical_features", feature, data)?] = true;
            }
            Ok(is_categorical)
        }
        other => bail!(
            InvalidParameter,
            "hyperparameter \"categorical_features\" is {other}, but must be \"from_dtype\", null, or a list of features"
        ),
    }
}

/// For each feature 1 where predictions must not fall as it grows, −1 where they must not rise, else 0.
pub(super) fn monotonic(given: &Value, data: &Dataset) -> Result<Vec<i8>> {
    let mut signs = vec![0; data.n_features()];
    match given {
        Value::Null => {}
        Value::Object(by_name) => {
            for (name, value) in by_name {
                signs[position("monotonic_cst", &Value::from(name.as_str()), data)?] = sign(value)?;
            }
        }
        Value::Array(list) if list.len() == signs.len() => {
            for (to, value) in signs.iter_mut().zip(list) {
                *to = sign(value)?;
            }
        }
        other => bail!(
            InvalidParameter,
            "hyperparameter \"monotonic_cst\" is {other}, but must be null, an object from feature to -1, 0 or 1, or a \
             list of {} such numbers",
            signs.len()
        ),
    }
    Ok(signs)
}

/// The sets of features that may meet in a branch; none when all may. Features of no set are a set of their own.
pub(super) fn interactions(given: &Value, data: &Dataset) -> Result<Vec<Vec<usize>>> {
    let n = data.n_features();
    let mut sets: Vec<Vec<usize>> = match given {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) if text == "no_interactions" => (0..n).map(|feature| vec![feature]).collect(),
        Value::String(text) if text == "pairwise" => (0..n).flat_map(|a| (a + 1..n).map(move |b| vec![a, b])).collect(),
        Value::Array(list) if list.iter().all(Value::is_array) => {
            let set = |set: &Value| {
                set.as_array().into_iter().flatten().map(|f| position("interaction_cst", f, data)).collect()
            };
            list.iter().map(set).collect::<Result<_>>()?
        }
        other => bail!(
            InvalidParameter,
            "hyperparameter \"interaction_cst\" is {other}, but must be null, \"pairwise\", \"no_interactions\", or a \
             list of lists of features"
        ),
    };
    let rest: Vec<usize> = (0..n).filter(|feature| !sets.iter().flatten().any(|other| other == feature)).collect();
    if !rest.is_empty() {
        sets.push(rest);
    }
    Ok(sets)
}

/// The position of a feature given by name or position.
fn position(parameter: &str, feature: &Value, data: &Dataset) -> Result<usize> {
    let found = match (feature.as_str(), feature.as_u64()) {
        (Some(name), _) => data.features().iter().position(|feature| feature.name == name),
        (None, Some(position)) => usize::try_from(position).ok().filter(|position| *position < data.n_features()),
        _ => None,
    };
    match found {
        Some(position) => Ok(position),
        None => bail!(
            InvalidParameter,
            "hyperparameter \"{parameter}\" names the feature {feature}, but features are {} or the positions 0..{}",
            data.features().iter().map(|feature| feature.name.as_str()).take(20).collect::<Vec<_>>().join(", "),
            data.n_features()
        ),
    }
}

fn sign(value: &Value) -> Result<i8> {
    match value.as_f64() {
        Some(1.0) => Ok(1),
        Some(0.0) => Ok(0),
        Some(-1.0) => Ok(-1),
        _ => bail!(InvalidParameter, "monotonic_cst has {value} where -1, 0 or 1 belongs"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data() -> Dataset {
        Dataset::from_rows(&[1.0, 2.0, 3.0], 3).expect("one row")
    }

    #[test]
    fn features_are_named_or_counted() {
        assert_eq!(categorical(&json!(["x1", 2]), &data()), Ok(vec![false, true, true]));
        assert_eq!(categorical(&json!([true, false, false]), &data()), Ok(vec![true, false, false]));
        assert_eq!(monotonic(&json!({"x2": -1}), &data()), Ok(vec![0, 0, -1]));
        assert_eq!(monotonic(&json!([1, 0, -1]), &data()), Ok(vec![1, 0, -1]));
        assert_eq!(interactions(&json!([[0, "x1"]]), &data()), Ok(vec![vec![0, 1], vec![2]]));
        assert_eq!(interactions(&json!("pairwise"), &data()).map(|sets| sets.len()), Ok(3));
    }

    #[test]
    fn what_names_no_feature_is_refused() {
        for bad in [json!(["x3"]), json!([3]), json!("all"), json!(1)] {
            assert!(categorical(&bad, &data()).is_err(), "{bad}");
        }
        for bad in [json!([1, 2, 0]), json!([1]), json!({"y": 1}), json!("up")] {
            assert!(monotonic(&bad, &data()).is_err(), "{bad}");
        }
        for bad in [json!([[0, 9]]), json!([1, 2]), json!("none")] {
            assert!(interactions(&bad, &data()).is_err(), "{bad}");
        }
    }
}
