//! `test`: every test, on every supported PostgreSQL.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::args::Args;
use crate::commands::{check, steps, test_device};
use crate::error::{Context, Error, Result};
use crate::extension::{self, cargo};
use crate::installation::PgVersion;
use crate::private_server::create_database_with_extension;
use crate::process::line;
use crate::step::step;
use crate::throwaway::Throwaway;
use crate::{models, wheels};

/// `cargo xtask test`
pub fn test(args: &mut Args) -> Result<()> {
    let only: Option<PgVersion> = args.option("--pg")?;
    let device: Option<String> = args.option("--device")?;
    let filter = args.word();
    args.finish()?;
    if let Some(device) = device {
        return test_device::test(&device);
    }
    steps::libraries()?;
    let versions: Vec<PgVersion> = PgVersion::ALL.into_iter().filter(|v| only.is_none_or(|only| only == *v)).collect();
    for version in &versions {
        version.provide()?;
    }
    let mut tally = Tally::default();
    // One version is asked for while working on SQL: the crates' own tests have `cargo test`.
    if only.is_none() && filter.is_none() {
        check::all()?;
        tally.run("the crates' tests", cargo_with_libraries()?.args(["test", "--release", "--no-fail-fast"]))?;
    }
    for version in versions {
        test_server(version, filter.as_deref(), &mut tally)?;
    }
    tally.report()
}

fn test_server(version: PgVersion, filter: Option<&str>, tally: &mut Tally) -> Result<()> {
    let installation = version.provide()?;
    extension::install(&installation, None)?;
    step(format!("starting a throw-away PostgreSQL {version}"));
    let server = Throwaway::start(installation, &[])?;
    models::add_tiny(server.cluster.user)?;
    create_database_with_extension(&server.cluster, TEMPLATE)?;
    let on_server = |command: &mut Command| {
        command.env("PGML_TEST_PG", version.to_string());
        command.env("PGML_TEST_CONNECTION", server.connection()).env("PGML_TEST_TEMPLATE", TEMPLATE);
    };
    let mut sql = cargo_with_libraries()?;
    sql.args(["run", "--release", "--quiet", "--package", "pgml-tests", "--bin", "sql-tests", "--"]).args(filter);
    on_server(&mut sql);
    tally.run(&format!("SQL tests on PostgreSQL {version}"), &mut sql)?;
    let mut process = cargo_with_libraries()?;
    process.args(["test", "--release", "--quiet", "--package", "pgml-tests", "--test", "process", "--", "--ignored"]);
    on_server(process.args(filter));
    tally.run(&format!("process tests on PostgreSQL {version}"), &mut process)
}

/// `cargo` for programs that train with XGBoost and LightGBM themselves, without a server whose settings name them.
pub fn cargo_with_libraries() -> Result<Command> {
    let mut cargo = cargo()?;
    cargo.env("PGML_XGBOOST_LIBRARY", wheels::xgboost_library()?);
    cargo.env("PGML_MINILM", models::minilm()?);
    cargo.env("PGML_LIGHTGBM_LIBRARY", wheels::lightgbm_library()?);
    Ok(cargo)
}

/// The database that the tests' databases are copies of.
const TEMPLATE: &str = "pgml_template";

/// Counts over everything that ran, read from what the test programs print.
#[derive(Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
    broken: Vec<String>,
}

impl Tally {
    /// Runs one test program, shows its output and adds its counts. A failing one does not keep the next from running.
    pub fn run(&mut self, what: &str, command: &mut Command) -> Result<()> {
        step(what);
        let shown = line(command);
        let doing = || format!("running `{shown}`");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(|| format!("starting {what}"))?;
        let failed_before = self.failed;
        if let Some(output) = child.stdout.take() {
            for text in BufReader::new(output).split(b'\n') {
                let text = text.context(doing)?;
                let text = String::from_utf8_lossy(&text);
                println!("{text}");
                self.count(&text);
            }
        }
        let status = child.wait().context(doing)?;
        if !status.success() {
            self.broken.push(format!("{what}: {status}"));
            // It may have ended without counting, for example because it did not compile.
            if self.failed == failed_before {
                self.failed += 1;
            }
        }
        Ok(())
    }

    /// Adds the counts of `test result: ok. 3 passed; 1 failed; …` (cargo) or `3 passed, 1 failed` (ours).
    fn count(&mut self, text: &str) {
        let counted = match text.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) {
            Some((_, counts)) => counts,
            None => text,
        };
        let mut parts = counted.split([',', ';']).map(str::trim);
        let mut number = |unit: &str| parts.next()?.strip_suffix(unit)?.trim_end().parse::<usize>().ok();
        if let (Some(passed), Some(failed)) = (number("passed"), number("failed")) {
            self.passed += passed;
            self.failed += failed;
        }
    }

    /// Prints the counts.
    pub fn report(self) -> Result<()> {
        for broken in &self.broken {
            println!("failed: {broken}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { Ok(()) } else { Err(Error::new("some tests failed; their output is above")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_both_kinds_of_programs_are_added() {
        let mut tally = Tally::default();
        for text in [
            "test result: ok. 13 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored",
            "5 passed, 2 failed",
            "ok      tests/sql/1 passed.slt (0.1 s)",
        ] {
            tally.count(text);
        }
        assert_eq!((tally.passed, tally.failed), (21, 3));
    }

    #[test]
    fn a_program_that_breaks_without_counting_is_a_failure() {
        let mut tally = Tally::default();
        tally.run("breaks", Command::new("sh").args(["-c", "echo 2 passed, 0 failed; exit 1"])).expect("ran");
        assert_eq!((tally.passed, tally.failed), (2, 1));
        assert!(tally.report().is_err());
    }
}
