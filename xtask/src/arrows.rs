//! Which crate may depend on which: the arrows of `ARCHITECTURE.md`, as a check.

use std::collections::BTreeSet;

use crate::metadata::{Graph, Package};

/// Crates (`name` or `prefix*`) that only some of our packages may depend on directly. What only tests and examples use
/// is free: linfa as an oracle, or the example that trains a model and stores it.
const RESERVED: &[(&str, &[&str])] = &[
    ("pgrx*", &["pgml-pg"]),
    ("burn*", &["pgml-models"]),
    ("linfa*", &["pgml-models"]),
    ("tokenizers", &["pgml-models"]),
    ("hf-hub", &["pgml-models"]),
    ("libloading", &["pgml-models"]),
];

/// What our packages may use of each other to be built.
const ARROWS: &[(&str, &[&str])] = &[
    ("pgml-core", &[]),
    ("pgml-models", &["pgml-core"]),
    ("pgml-store", &["pgml-core"]),
    ("pgml-worker", &["pgml-core", "pgml-models"]),
    ("pgml-pg", &["pgml-core", "pgml-models", "pgml-store"]),
    ("pgml-bench", &["pgml-core", "pgml-models", "pgml-store", "pgml-tests", "xtask"]),
    ("pgml-tests", &["pgml-core", "pgml-models", "pgml-store", "pgml-worker", "xtask"]),
    ("xtask", &[]),
];

/// What the contracts may not even reach through others: they know neither a tensor library nor a database.
const NEVER_IN_CORE: &[&str] = &["burn*", "linfa*", "pgrx*", "postgres*", "tokio*"];

/// Every arrow that points the wrong way, in words; empty when all is well.
pub fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (id, package) in graph.iter().filter(|(_, package)| package.is_ours) {
        check_ours(package, graph, &mut found);
        check_reserved(package, graph, &mut found);
        if package.name == "pgml-core" {
            let reached = reachable(id, graph);
            let foreign = reached.iter().filter(|name| NEVER_IN_CORE.iter().any(|pattern| matches(pattern, name)));
            found.extend(foreign.map(|name| format!("pgml-core depends on {name}, if only through others")));
        }
    }
    found
}

fn names<'a>(ids: &'a BTreeSet<String>, graph: &'a Graph) -> impl Iterator<Item = &'a Package> {
    ids.iter().filter_map(|id| graph.get(id))
}

fn check_ours(package: &Package, graph: &Graph, found: &mut Vec<String>) {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        found.push(format!("{} is not in the table of arrows (xtask/src/arrows.rs)", package.name));
        return;
    };
    for other in names(&package.dependencies, graph).filter(|other| other.is_ours) {
        if !allowed.contains(&other.name.as_str()) {
            found.push(format!("{} may not depend on {}", package.name, other.name));
        }
    }
}

fn check_reserved(package: &Package, graph: &Graph, found: &mut Vec<String>) {
    for other in names(&package.dependencies, graph) {
        for (pattern, allowed) in RESERVED {
            if matches(pattern, &other.name) && !allowed.contains(&package.name.as_str()) {
                let only = allowed.join(", ");
                found.push(format!("{} depends on {}, which only {only} may", package.name, other.name));
            }
        }
    }
}

fn reachable<'a>(id: &str, graph: &'a Graph) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Package> = graph.get(id).into_iter().collect();
    while let Some(package) = open.pop() {
        let new = names(&package.dependencies, graph).filter(|other| !found.contains(other.name.as_str()));
        let new: Vec<&Package> = new.collect();
        found.extend(new.iter().map(|other| other.name.as_str()));
        open.extend(new);
    }
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    fn package(name: &str, uses: &[&str]) -> (String, Package) {
        let dependencies = uses.iter().map(|name| (*name).to_owned()).collect();
        let is_ours = name.starts_with("pgml-");
        (name.into(), Package { name: name.into(), is_ours, dependencies, ..Package::default() })
    }

    #[test]
    fn the_workspace_keeps_its_arrows() {
        let found = violations(&metadata::read().expect("cargo metadata"));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn each_wrong_arrow_is_found() {
        let graph: Graph = [
            package("pgml-core", &["serde"]),
            package("pgml-models", &["pgml-core", "burn-flex"]),
            package("pgml-store", &["pgml-core", "pgml-models", "pgrx"]),
            package("pgml-new", &[]),
            package("serde", &["postgres"]),
            package("postgres", &[]),
            package("burn-flex", &[]),
            package("pgrx", &[]),
        ]
        .into();
        let found = violations(&graph);
        let expected = [
            "pgml-core depends on postgres, if only through others",
            "pgml-new is not in the table of arrows (xtask/src/arrows.rs)",
            "pgml-store may not depend on pgml-models",
            "pgml-store depends on pgrx, which only pgml-pg may",
        ];
        assert_eq!(found, expected);
    }
}
