//! The workspace's packages and their dependencies, as `cargo metadata` tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::places;
use crate::process::run_silently;

/// A package of the dependency graph.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence expression, if it declares one.
    pub licence: Option<String>,
    /// True for the packages of this repository.
    pub is_ours: bool,
    /// Ids of what it is built from; not of what only its tests, examples and benchmarks use.
    pub dependencies: BTreeSet<String>,
}

/// Every package by its id.
pub type Graph = BTreeMap<String, Package>;

/// Asks cargo.
///
/// # Errors
/// When cargo fails, for example because `Cargo.lock` is out of date.
pub fn read() -> Result<Graph> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(places::repository()).args(["metadata", "--format-version", "1", "--all-features"]);
    // Packages of other systems are not built here and need not be fetched.
    let text = run_silently(cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]))?;
    let json: Value = serde_json::from_str(&text).context(|| "reading the output of cargo metadata".into())?;
    graph(&json).ok_or_else(|| Error::new("cargo metadata answered in a form that is not known here"))
}

fn graph(json: &Value) -> Option<Graph> {
    let mut graph = Graph::new();
    for package in json["packages"].as_array()? {
        let text = |key: &str| package[key].as_str().map(String::from);
        let new = Package {
            name: text("name")?,
            version: text("version")?,
            licence: text("license"),
            is_ours: package["source"].is_null(),
            ..Package::default()
        };
        graph.insert(text("id")?, new);
    }
    for node in json["resolve"]["nodes"].as_array()? {
        let package = graph.get_mut(node["id"].as_str()?)?;
        for dependency in node["deps"].as_array()? {
            let is_dev = |kind: &Value| kind["kind"] == "dev";
            if !dependency["dep_kinds"].as_array()?.iter().all(is_dev) {
                package.dependencies.insert(dependency["pkg"].as_str()?.to_owned());
            }
        }
    }
    Some(graph)
}
