//! Hyperparameters are what their declaration says: defaults, aliases, bounds, choices and types.

use pgml_core::hyperparams::ParamSpec;
use pgml_core::{Error, ErrorKind, Run};
use serde_json::{Map, Value, json};

use crate::data;
use crate::edges::predicts_well_formed;
use crate::subject::{Finding, Subject, unless_refused};

pub fn defaults_resolve_and_come_back(subject: &Subject) -> Finding {
    let resolved = subject.algorithm.resolve_params(&Map::new()).map_err(|e| e.to_string())?;
    for spec in subject.algorithm.params() {
        if resolved.get(spec.name) != Some(&(spec.default)()) {
            return Err(format!("default of {} resolves to {:?}", spec.name, resolved.get(spec.name)));
        }
    }
    let again = subject.algorithm.resolve_params(&resolved).map_err(|e| format!("defaults given in full: {e}"))?;
    if again == resolved { Ok(()) } else { Err(format!("{resolved:?} resolves to {again:?}")) }
}

pub fn aliases_mean_their_parameter(subject: &Subject) -> Finding {
    let specs = subject.algorithm.params();
    let names = || specs.iter().flat_map(|s| s.aliases.iter().chain([&s.name]));
    for name in names() {
        if names().filter(|other| *other == name).count() > 1 {
            return Err(format!("the name {name} stands for two parameters"));
        }
    }
    for spec in specs {
        for (alias, value) in spec.aliases.iter().flat_map(|alias| allowed(spec).map(move |value| (alias, value))) {
            let under = |name: &str| resolve(subject, name, &value);
            if under(alias).ok() != under(spec.name).ok() {
                return Err(format!("{alias} = {value} is not {} = {value}", spec.name));
            }
        }
    }
    Ok(())
}

pub fn values_out_of_bounds_are_refused(subject: &Subject) -> Finding {
    for spec in subject.algorithm.params() {
        for value in forbidden(spec) {
            match resolve(subject, spec.name, &value) {
                Err(e) if e.kind() == ErrorKind::InvalidParameter && e.message().contains(spec.name) => {}
                Err(e) => return Err(format!("{} = {value} is refused as {:?}: {e}", spec.name, e.kind())),
                Ok(_) => return Err(format!("{} = {value} is accepted", spec.name)),
            }
        }
    }
    match resolve(subject, "no_such_parameter", &json!(1)) {
        Err(e) if e.kind() == ErrorKind::InvalidParameter && e.detail().is_some() => Ok(()),
        other => Err(format!("an unknown parameter gives {other:?}")),
    }
}

pub fn values_within_bounds_are_accepted(subject: &Subject) -> Finding {
    for spec in subject.algorithm.params() {
        for value in allowed(spec) {
            resolve(subject, spec.name, &value).map_err(|e| format!("{} = {value}: {e}", spec.name))?;
        }
    }
    Ok(())
}

/// The smallest values and every choice: they fit, or are refused with a reason (some choices exclude each other).
pub fn every_choice_and_lower_bound_fits_or_is_refused(subject: &Subject) -> Finding {
    let data = data::small(subject.task);
    for spec in subject.algorithm.params() {
        let values = spec.choices.iter().map(|choice| json!(choice)).chain(bound(spec, spec.range.min));
        for value in values {
            let given = Map::from_iter([(spec.name.to_owned(), value.clone())]);
            let fitted = subject.fit_with(&given, &data, &Run::new());
            let complain = |e: String| format!("{} = {value}: {e}", spec.name);
            let refusals = [ErrorKind::InvalidParameter, ErrorKind::NotSupported, ErrorKind::InvalidData];
            if let Some(model) = unless_refused(fitted, &refusals).map_err(complain)? {
                predicts_well_formed(subject, &data, &*model).map_err(complain)?;
            }
        }
    }
    Ok(())
}

fn resolve(subject: &Subject, name: &str, value: &Value) -> Result<Map<String, Value>, Error> {
    subject.algorithm.resolve_params(&Map::from_iter([(name.to_owned(), value.clone())]))
}

/// The default, the bounds that are included, and every choice.
fn allowed(spec: &ParamSpec) -> impl Iterator<Item = Value> {
    let min = bound(spec, spec.range.min.filter(|_| !spec.range.above_min));
    let max = bound(spec, spec.range.max.filter(|_| !spec.range.below_max));
    let choices = spec.choices.iter().map(|choice| json!(choice));
    [(spec.default)()].into_iter().chain(min).chain(max).chain(choices)
}

/// Values beyond the bounds, unknown choices and other types.
fn forbidden(spec: &ParamSpec) -> Vec<Value> {
    let mut values = match spec.kind {
        "boolean" => vec![json!("maybe"), json!(2), json!([])],
        "integer" => vec![json!("many"), json!(1.5), json!(true), json!({})],
        "number" => vec![json!("much"), json!(true), json!([])],
        "text" => vec![json!(17), json!(true), json!([])],
        _ => Vec::new(),
    };
    if spec.kind.contains("integer") || spec.kind.contains("number") {
        values.extend(spec.range.min.map(|min| json!(min - 1.0)));
        values.extend(spec.range.max.map(|max| json!(max + 1.0)));
        values.extend(spec.range.min.filter(|_| spec.range.above_min).map(|min| json!(min)));
        values.extend(spec.range.max.filter(|_| spec.range.below_max).map(|max| json!(max)));
    }
    if !spec.choices.is_empty() {
        values.push(json!("no such choice"));
    }
    values
}

/// A bound as JSON of the parameter's type; nothing when an integer cannot have it.
fn bound(spec: &ParamSpec, bound: Option<f64>) -> Option<Value> {
    let x = bound?;
    let excluded = spec.range.above_min && spec.range.min == Some(x);
    match spec.kind {
        kind if kind.contains("number") => Some(json!(if excluded { x + 1e-3 } else { x })),
        kind if kind.contains("integer") => Some(json!(x as i64 + i64::from(excluded))),
        _ => None,
    }
}
