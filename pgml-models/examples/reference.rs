//! Writes the reference pages that come from the registry: `cargo run -p pgml-models --example reference docs/reference`.
//!
//! The output depends on nothing but the declarations, so that a stale page shows as a difference.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use pgml_core::Algorithm;
use pgml_core::hyperparams::ParamSpec;
use pgml_models::ALGORITHMS;

const HEAD: &str = "\
# Algorithms

<!-- Written by `cargo run -p pgml-models --example reference docs/reference`; change the declarations instead. -->

Name one of these as `algorithm` of `pgml.train`, and set its hyperparameters in `hyperparams`, a JSON object. A name
that is not listed, or a value out of range, is an error that says what is allowed.

";

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: reference <folder>");
        return ExitCode::FAILURE;
    };
    let path = folder.join("algorithms.md");
    match std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, page())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// The whole page: an overview, then one section per algorithm, by name.
pub fn page() -> String {
    let mut algorithms: Vec<&dyn Algorithm> = ALGORITHMS.to_vec();
    algorithms.sort_unstable_by_key(|algorithm| algorithm.name());
    let overview = algorithms.iter().map(|a| {
        let name = a.name();
        format!("| [{name}](#{name}) | {} | {} |\n", tasks(*a), cell(a.description().trim_end_matches('.')))
    });
    let overview: String = overview.collect();
    let sections: Vec<String> = algorithms.iter().map(|a| section(*a)).collect();
    format!("{HEAD}| algorithm | tasks | what it does |\n|---|---|---|\n{overview}\n{}", sections.join("\n"))
}

fn section(algorithm: &dyn Algorithm) -> String {
    let mut text = format!("## {}\n\n{}.\n\n", algorithm.name(), algorithm.description().trim_end_matches('.'));
    let _ = write!(text, "- Tasks: {}\n- Source: {}\n\n", tasks(algorithm), algorithm.source());
    if algorithm.params().is_empty() {
        return text + "It has no hyperparameters.\n";
    }
    text += "| hyperparameter | type | default | allowed | aliases | meaning |\n|---|---|---|---|---|---|\n";
    algorithm.params().iter().for_each(|spec| text += &row(spec));
    text
}

fn row(spec: &ParamSpec) -> String {
    let default = (spec.default)();
    let effect = if spec.no_effect { " Accepted without effect." } else { "" };
    format!(
        "| `{}` | {} | `{}` | {} | {} | {}{effect} |\n",
        spec.name,
        spec.kind,
        cell(&default.to_string()),
        allowed(spec),
        names(spec.aliases),
        cell(spec.doc),
    )
}

fn tasks(algorithm: &dyn Algorithm) -> String {
    algorithm.tasks().iter().map(|task| task.display_name()).collect::<Vec<_>>().join(", ")
}

/// Bounds in words and the choices; null where it is the default.
fn allowed(spec: &ParamSpec) -> String {
    let takes_both = spec.kind.contains(" or ") && !spec.choices.is_empty();
    let bounds = match spec.range.describe() {
        bounds if bounds.is_empty() && takes_both => "any number".to_owned(),
        bounds => bounds,
    };
    let null = if (spec.default)().is_null() { "null" } else { "" };
    let parts = [bounds, names(spec.choices), null.to_owned()];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.concat() == null { "any".to_owned() } else { parts.join(", or ") }
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A bar would end the table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
