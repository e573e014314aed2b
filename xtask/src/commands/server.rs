//! `up`, `down`, `url`, `psql`: the private server.

use std::os::unix::process::CommandExt;

use crate::args::Args;
use crate::error::{Context, Result};
use crate::installation::PgVersion;
use crate::private_server::{DATABASE, PrivateServer};
use crate::step::step;

/// `cargo xtask up`
pub fn up(args: &mut Args) -> Result<()> {
    let version = args.option("--pg")?.unwrap_or(PgVersion::DEFAULT);
    let port = args.option("--port")?;
    let feature = args.option("--features")?;
    args.finish()?;
    let server = PrivateServer::up(version, port, feature)?;
    step(format!("PostgreSQL {version} with pgml is up; `cargo xtask psql` opens it, `cargo xtask down` stops it"));
    println!("{}", server.url());
    Ok(())
}

/// `cargo xtask down`
pub fn down(args: &mut Args) -> Result<()> {
    let only: Option<PgVersion> = args.option("--pg")?;
    args.finish()?;
    let mut stopped = 0;
    for version in PgVersion::ALL.into_iter().filter(|version| only.is_none_or(|only| only == *version)) {
        if let Ok(server) = PrivateServer::running(Some(version)) {
            server.cluster.stop("fast")?;
            step(format!("stopped PostgreSQL {version}"));
            stopped += 1;
        }
    }
    if stopped == 0 {
        step("no private server was running");
    }
    Ok(())
}

/// `cargo xtask url`
pub fn url(args: &mut Args) -> Result<()> {
    let version = args.option("--pg")?;
    args.finish()?;
    println!("{}", PrivateServer::running(version)?.url());
    Ok(())
}

/// `cargo xtask psql`
pub fn psql(args: &mut Args) -> Result<()> {
    let version = args.option("--pg")?;
    let server = PrivateServer::running(version)?;
    // Becomes psql, so that its signals, its terminal and its exit status are the person's own.
    let error = server.cluster.psql(DATABASE).args(args.rest()).exec();
    Err(error).context(|| "starting psql".into())
}
