//! Checks that algorithms for several tasks share.

use pgml_core::{Dataset, Error, ErrorKind, Hyperparams, Result, Task, bail};

/// Refuses parameters that belong to the algorithm's other tasks: accepting them silently would promise an effect.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] when one of `names` has another value than its default.
pub fn refuse_other_tasks<P: Hyperparams>(algorithm: &str, params: &P, task: Task, names: &[&str]) -> Result<()> {
    refuse_unless_default(algorithm, params, &task.to_string(), names)
}

/// Refuses parameters that have no meaning for `what` is asked for.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] when one of `names` has another value than its default.
pub fn refuse_unless_default<P: Hyperparams>(algorithm: &str, params: &P, what: &str, names: &[&str]) -> Result<()> {
    let (given, defaults) = (params.to_json(), P::default().to_json());
    match names.iter().find(|name| given.get(**name) != defaults.get(**name)) {
        Some(name) => Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("hyperparameter \"{name}\" of {algorithm} has no meaning for {what}"),
        )),
        None => Ok(()),
    }
}

/// The target columns of a regression, at least one, all finite.
///
/// # Errors
/// [`ErrorKind::InvalidData`] otherwise.
pub fn regression_targets(data: &Dataset) -> Result<Vec<&[f64]>> {
    if data.targets().is_empty() {
        bail!(NotSupported, "this algorithm needs a target column");
    }
    for target in data.targets() {
        if let Some((row, bad)) = target.iter().enumerate().find(|(_, y)| !y.is_finite()) {
            bail!(InvalidData, "the target of row {row} is {bad}, which is not a finite number");
        }
    }
    Ok(data.targets().iter().map(Vec::as_slice).collect())
}
