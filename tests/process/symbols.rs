//! Declarations in SQL and functions in the library belong together.

use std::collections::BTreeSet;
use std::path::Path;

use pgml_tests::server::{Failure, Server};

/// `CREATE EXTENSION` fails on a declaration without a function; this is about functions without a declaration, and
/// about declarations that were created without a check.
#[test]
#[ignore = "needs a server: cargo xtask test"]
fn every_function_of_the_library_is_declared_and_every_declaration_has_one() -> Result<(), Failure> {
    let server = Server::from_environment()?;
    let database = server.database()?;
    let mut client = database.connect()?.client;
    let folder: String = client.query_one("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'", &[])?.get(0);
    let compiled = symbols(&std::fs::read(Path::new(&folder).join("pgml.so"))?);
    let rows = client.query("SELECT DISTINCT prosrc FROM pg_proc WHERE probin = '$libdir/pgml'", &[])?;
    let declared: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(declared.len() > 60, "only {} declarations were found", declared.len());
    let undeclared: Vec<_> = compiled.difference(&declared).collect();
    let missing: Vec<_> = declared.difference(&compiled).collect();
    assert!(undeclared.is_empty() && missing.is_empty(), "without SQL: {undeclared:?}, without code: {missing:?}");
    Ok(())
}

/// The functions that PostgreSQL can call: each has a record `pg_finfo_<name>`, whose name stands in the library's
/// table of symbols, ended by a zero byte.
fn symbols(library: &[u8]) -> BTreeSet<String> {
    const PREFIX: &[u8] = b"\0pg_finfo_";
    let mut found = BTreeSet::new();
    for start in library.windows(PREFIX.len()).enumerate().filter(|(_, w)| *w == PREFIX).map(|(at, _)| at) {
        let name = library[start + PREFIX.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
        found.insert(String::from_utf8_lossy(name).into_owned());
    }
    found
}
