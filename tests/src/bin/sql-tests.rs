//! Runs `tests/sql/**/*.slt` and the SQL blocks of the documentation against the server that `cargo xtask test`
//! started. One argument: only the tests whose name contains it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use pgml_tests::docs;
use pgml_tests::outcome::{Case, run_all, shown};
use pgml_tests::server::{Failure, Server};
use pgml_tests::slt;

fn main() -> ExitCode {
    match run(&std::env::args().nth(1).unwrap_or_default()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(filter: &str) -> Result<bool, Failure> {
    let server = Server::from_environment()?;
    let root = xtask::places::repository();
    let mut cases = slt_cases(&server, &root)?;
    cases.extend(docs_cases(&server, &root)?);
    cases.retain(|case| case.name.contains(filter));
    let outcome = run_all(&cases, available_parallelism().map_or(1, usize::from));
    println!("{} passed, {} failed", outcome.passed, outcome.failed);
    Ok(outcome.failed == 0)
}

fn slt_cases<'a>(server: &'a Server, root: &Path) -> Result<Vec<Case<'a>>, Failure> {
    let files = files_below(&root.join("tests/sql"), "slt")?;
    let case = |file: PathBuf| {
        let name = shown(&file, root);
        Case { name: name.clone(), run: Box::new(move || slt::run_file(server, &file, &name)) }
    };
    Ok(files.into_iter().map(case).collect())
}

fn docs_cases<'a>(server: &'a Server, root: &Path) -> Result<Vec<Case<'a>>, Failure> {
    let mut files = files_below(&root.join("docs"), "md")?;
    files.push(root.join("README.md"));
    files.retain(|file| file.exists() && docs::has_sql(file));
    files.extend(files_below(&root.join("docs"), "sql")?);
    let has_pgvector = server.installation().is_ok_and(|installation| installation.has_pgvector());
    files.retain(|file| has_pgvector || !docs::needs_pgvector(file));
    let case = |file: PathBuf| {
        let name = shown(&file, root);
        Case { name: name.clone(), run: Box::new(move || docs::run_file(server, &file, &name)) }
    };
    Ok(files.into_iter().map(case).collect())
}

/// The files with this extension, in the order of their names, so that every run has the same order.
fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(files_below(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    Ok(files)
}
