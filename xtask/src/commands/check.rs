//! `check`, `docs`: what a change has to pass besides its tests, and the commands that go with it.

use std::process::Command;

use crate::args::Args;
use crate::error::{Error, Result};
use crate::extension::{bindgen_environment, cargo};
use crate::installation::PgVersion;
use crate::process::run;
use crate::step::step;
use crate::{arrows, licences, metadata, places, reference};

/// `cargo xtask check`
pub fn check(args: &mut Args) -> Result<()> {
    args.finish()?;
    all()
}

/// Formatting, crate arrows, licences, lints and generated pages.
///
/// # Errors
/// On the first that is not in order.
pub fn all() -> Result<()> {
    step("formatting (cargo fmt)");
    run(in_repository()?.args(["fmt", "--all", "--check"]))?;
    step("crate arrows and licences (cargo metadata)");
    let graph = metadata::read()?;
    complain("these dependencies are not allowed", arrows::violations(&graph))?;
    complain("these licences are not allowed", licences::violations(&graph))?;
    step("lints (cargo clippy)");
    // What no other crate turns on would be seen by nobody.
    let features = ["--features", "pgml-bench/transformers"];
    run(in_repository()?.args(["clippy", "--release", "--all-targets"]).args(features).args(["--", "-D", "warnings"]))?;
    step("lints of the extension (cargo clippy)");
    run(&mut clippy_of_the_extension(PgVersion::DEFAULT)?)?;
    step("generated pages");
    complain("these pages of docs/reference are stale; `cargo xtask docs` writes them", reference::stale_pages()?)?;
    step("all is well");
    Ok(())
}

fn clippy_of_the_extension(version: PgVersion) -> Result<Command> {
    let mut clippy = in_repository()?;
    clippy.args(["clippy", "--release", "--package", "pgml-pg", "--features", &format!("pg{version}")]);
    clippy.args(["--", "-D", "warnings"]);
    bindgen_environment(&version.provide()?, &mut clippy)?;
    Ok(clippy)
}

fn in_repository() -> Result<Command> {
    cargo()
}

fn complain(what: &str, found: Vec<String>) -> Result<()> {
    if found.is_empty() { Ok(()) } else { Err(Error::new(format!("{what}:\n  {}", found.join("\n  ")))) }
}

/// `cargo xtask docs`
pub fn docs(args: &mut Args) -> Result<()> {
    args.finish()?;
    reference::generate(&places::repository().join("docs/reference"))
}
