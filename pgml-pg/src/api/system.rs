//! Versions, and the questions that PostgresML answered about its Python.

use pgml_core::{Error, ErrorKind};
use pgrx::prelude::*;

use crate::report::{Report, SqlResult};

const NO_PYTHON: &str = "Python is not used by this version of pgml";

#[pg_extern(sql = false)]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[pg_extern(sql = false)]
fn python_version() -> &'static str {
    NO_PYTHON
}

#[pg_extern(sql = false)]
fn python_package_version(_name: &str) -> SqlResult<&'static str> {
    let hint = "pgml needs no Python package; pgml.version() gives its own version";
    Err(Error::new(ErrorKind::NotSupported, NO_PYTHON).with_hint(hint)).report()
}

#[pg_extern(sql = false)]
fn activate_venv(_venv: &str) -> bool {
    false
}

#[pg_extern(sql = false)]
fn validate_python_dependencies() -> bool {
    true
}

#[pg_extern(sql = false)]
fn validate_shared_library() {}
